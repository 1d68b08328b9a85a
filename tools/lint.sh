#!/bin/sh
# lint.sh BUILD: formatting of our C files, clang-tidy and cppcheck over those that are not tests, by the compile commands of the build.
set -eu
cd "$(dirname "$0")/.."
git ls-files 'src/*.c' 'src/*.h' 'include/*.h' 'test/*.c' 'bench/*.c' 'examples/*.c' 'tools/*.c' |
    grep -v '^test/tpch/' | xargs clang-format-14 --dry-run --Werror
git ls-files 'src/*.c' ':!*_test.c' | xargs -P "$(nproc)" -n 4 clang-tidy-14 --quiet --extra-arg=-Wno-unknown-warning-option -p "$1"
# Its parser stumbles over some macros, hexadecimal floats and compound literals; a right shift of a signed number is what gcc and clang make of it; tests read files that they leave open when a check fails.
cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,portability --suppress=missingIncludeSystem \
    --suppress=internalAstError --suppress=syntaxError --suppress=cppcheckError --suppress=invalidPointerCast --suppress=shiftTooManyBitsSigned \
    --suppress='*:*_test.c' --suppress='*:test/*' \
    --project="$1/compile_commands.json" -i"$1" -itest/tpch
