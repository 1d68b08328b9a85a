#!/bin/sh
# coverage.sh BUILD: after the tests of a coverage build, the share of lines run, by folder.
set -eu
cd "$1"
find . -name '*.gcda' -path '*src*' | xargs gcov --no-output --relative-only --source-prefix "$(cd ../.. && pwd)" 2>/dev/null |
    awk -F"'" '/^File/ { file = $2 } /^Lines executed/ { split($0, a, /[:% ]+/); if (file ~ /^src\/.*\.c$/ && file !~ /_test\.c$/) {
        split(file, p, "/"); n = a[5]; run[p[2]] += a[3] / 100 * n; all[p[2]] += n } file = "" }
        END { for (f in all) printf "%-10s %6.1f %% of %d lines\n", f, 100 * run[f] / all[f], all[f] }' | sort
