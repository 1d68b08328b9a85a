#!/usr/bin/env python3
"""Runs the step files of test/steps: scripts whose lines name connections, for what needs several at once.

    test/steps.py --kodiak PATH [FILE...]

`kodiak --steps X.steps` on a fresh database must exit with 0 and print exactly X.out, where there is one.
Each runs on a directory and on :memory:, save those whose first line says `# disk`.
"""
import argparse
import difflib
import glob
import os
import subprocess
import sys

import kdk


def run(kodiak, path, database):
    done = subprocess.run([*kodiak.split(), database, "--steps", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=300)
    expected = path[:-len(".steps")] + ".out"
    if done.returncode != 0:
        return f"exit code {done.returncode}\n{done.stdout[-2000:]}"
    if os.path.exists(expected):
        with open(expected, encoding="utf-8") as file:
            wanted = file.read()
        if done.stdout != wanted:
            return "\n".join(list(difflib.unified_diff(wanted.splitlines(), done.stdout.splitlines(), "expected", "got",
                                                       lineterm=""))[:60])
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kodiak", default="build/release/kodiak")
    parser.add_argument("file", nargs="*")
    args = parser.parse_args()
    tally = kdk.Tally()
    for path in args.file or sorted(glob.glob(kdk.top("test/steps/**/*.steps"), recursive=True)):
        with open(path, encoding="utf-8") as file:
            disk_only = file.readline().startswith("# disk")
        with kdk.scratch() as folder:
            for database in [os.path.join(folder, "t.kdk")] + ([] if disk_only else [":memory:"]):
                trouble = run(args.kodiak, path, database)
                tally.check(not trouble, f"{os.path.basename(path)} on {os.path.basename(database)}\n{trouble}")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
