#!/bin/sh
# lint.sh BUILD: formatting, clang-tidy and cppcheck over our C files, by the compile commands of the build.
set -eu
cd "$(dirname "$0")/.."
git ls-files 'src/*.c' 'src/*.h' 'include/*.h' 'test/*.c' 'bench/*.c' 'examples/*.c' 'tools/*.c' |
    grep -v '^test/tpch/' | xargs clang-format-14 --dry-run --Werror
git ls-files 'src/*.c' | xargs -P "$(nproc)" -n 4 clang-tidy-14 --quiet --extra-arg=-Wno-unknown-warning-option -p "$1"
cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,portability --suppress=missingIncludeSystem \
    --project="$1/compile_commands.json" -i"$1" -itest/tpch
