#!/bin/sh
# run.sh BUILD: every measurement, one after the other: the programs made from bench/*.c, then TPC-H.
set -eu
cd "$(dirname "$0")/.."
for program in "$1"/bench/*; do
    [ -x "$program" ] && [ -f "$program" ] || continue
    echo "== $(basename "$program")"
    "$program"
done
if [ -x "$1/kodiak" ]; then
    echo "== tpch"
    python=python3
    [ -x .venv/bin/python ] && python=.venv/bin/python
    "$python" bench/tpch.py --kodiak "$1/kodiak" --sf "${SF:-1}"
fi
