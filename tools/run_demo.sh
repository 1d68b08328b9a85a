#!/bin/sh
# run_demo.sh KODIAK: what `make run` shows. Loads flights and airports into build/demo.kdk, asks a few questions
# with their times, lists the block files, has another program read them, and on a terminal
# leaves the user in the shell on that database.
set -eu
cd "$(dirname "$0")/.."
kodiak=$1
database=build/demo.kdk

heading() { printf '\n== %s ==\n\n' "$1"; }

heading "Loading 125,000 flights and their airports into $database"
rm -rf "$database"
{ echo .timer on; cat examples/data/load.sql; } | "$kodiak" "$database"

heading "Questions"
statements=
{ cat examples/data/queries.sql; echo; } | while IFS= read -r line; do
    # A query ends at a blank line.
    if [ -n "$line" ]; then
        statements="$statements$line
"
    elif [ -n "$statements" ]; then
        printf '%s' "$statements"
        printf '.timer on\n%s' "$statements" | "$kodiak" "$database" --format table
        echo
        statements=
    fi
done

heading "The files of the database"
"$kodiak" files "$database"

heading "The same files, read by others"
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
if command -v "$python" >/dev/null; then
    "$python" tools/read_blocks.py "$database"
else
    echo "(no Python here to read them with)"
fi

if [ -t 0 ] && [ -t 1 ]; then
    heading "The shell on $database; .help helps, .quit leaves"
    exec "$kodiak" "$database"
fi
echo
echo "To look further: $kodiak $database"
