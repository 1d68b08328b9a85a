#!/bin/sh
# bootstrap.sh GROUP...: installs what the groups need and is not there: Debian packages through apt
# (as root, or through sudo), and for `test` a private Python environment in .venv. A second
# run finds everything in place, asks nobody and returns at once.
set -eu
cd "$(dirname "$0")/.."

packages_build="gcc libc6-dev make cmake ninja-build pkg-config re2c ccache liblz4-dev libzstd-dev libxxhash-dev
    libedit-dev libcmocka-dev python3"
packages_test="python3-venv git"
packages_bench="libsqlite3-dev"
packages_fuzz="clang-14 libclang-rt-14-dev"
packages_lint="clang-format-14 clang-tidy-14 cppcheck"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
    command -v dpkg-query >/dev/null || return 0 # Another system: its user brings the packages.
    missing=
    for package in "$@"; do
        status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
        [ "$status" = "install ok installed" ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "installing$missing"
    as_root apt-get update -qq
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null
}

install_python() {
    stamp=.venv/requirements.txt
    cmp -s test/requirements.txt "$stamp" && return 0
    echo "installing $(tr '\n' ' ' <test/requirements.txt)in .venv"
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r test/requirements.txt </dev/null
    cp test/requirements.txt "$stamp"
}

for group in "$@"; do
    case $group in
    build) wanted=$packages_build ;;
    test) wanted=$packages_test ;;
    bench) wanted=$packages_bench ;;
    fuzz) wanted=$packages_fuzz ;;
    lint) wanted=$packages_lint ;;
    *) echo "bootstrap.sh: no group $group" >&2; exit 2 ;;
    esac
    # shellcheck disable=SC2086
    install_packages $wanted
    if [ "$group" = test ]; then install_python; fi
done
