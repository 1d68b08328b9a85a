#!/bin/sh
# fuzz.sh BUILD [SECONDS]: runs each fuzz target of a libFuzzer build for a while. What it finds new is kept
# under build/corpus; a crash is left as build/corpus/NAME-crash-*.
set -eu
cd "$(dirname "$0")/.."
for target in "$1"/test/fuzz/*; do
    [ -x "$target" ] || continue
    name=$(basename "$target")
    mkdir -p "build/corpus/$name"
    echo "== $name"
    set -- "$1" "${2:-120}" "$target" -max_total_time="${2:-120}" -artifact_prefix="build/corpus/$name-" -print_final_stats=1 "build/corpus/$name"
    [ -d "test/fuzz/corpus/$name" ] && set -- "$@" "test/fuzz/corpus/$name"
    build=$1 seconds=$2
    shift 2
    "$@"
    set -- "$build" "$seconds"
done
