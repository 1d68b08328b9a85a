#!/usr/bin/env python3
"""Runs every example, as built: it must exit with 0.   test/examples.py [--build DIR]"""
import argparse
import glob
import os
import subprocess
import sys

import kdk


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release")
    args = parser.parse_args()
    tally = kdk.Tally()
    for source in sorted(glob.glob(kdk.top("examples/*.c"))):
        program = os.path.abspath(os.path.join(args.build, "examples", os.path.basename(source)[:-2]))
        with kdk.scratch() as folder:
            done = subprocess.run([program], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
            tally.check(done.returncode == 0, f"{program}: code {done.returncode}\n{done.stdout[-500:]}{done.stderr[-500:]}")
            tally.check(not os.listdir(folder), f"{program} leaves {os.listdir(folder)} behind")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
