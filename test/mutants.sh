#!/bin/sh
# mutants.sh [WORD]: makes each mutant of test/mutants.tsv (those whose line contains WORD) in a copy of the
# project under build/mutants, and asks that its test kills it. See mutants.py.
exec python3 "$(dirname "$0")/mutants.py" "$@"
