#!/usr/bin/env python3
"""Power cuts: runs kodiak-sim, which must lose nothing; and, with --breaks, makes it fail on purpose.

    test/sim.py --sim PATH [--seed S] [--cuts N] [--breaks]

Each cut counts as one test. With --breaks each deliberate mistake must be noticed, and the same seed must
print the same.
"""
import argparse
import re
import subprocess
import sys

import kdk

LAST = re.compile(r"cuts (\d+), lost (\d+), partial (\d+), damaged (\d+)")
BREAKS = ("skip-fsync", "ack-early", "drop-dir-sync", "ignore-crc", "lose-index-op")


def simulate(args, cuts, *more):
    """(exit code, numbers of the last line or nothing, output)."""
    done = subprocess.run([args.sim, "--seed", args.seed, "--cuts", str(cuts), *more], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    lines = done.stdout.rstrip().splitlines()
    match = LAST.fullmatch(lines[-1]) if lines else None
    return done.returncode, [int(n) for n in match.groups()] if match else None, done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sim", default="build/release/kodiak-sim")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--cuts", type=int, default=10000)
    parser.add_argument("--breaks", action="store_true")
    args = parser.parse_args()
    tally = kdk.Tally()
    code, numbers, text = simulate(args, args.cuts, "--stats")
    print(text[-2000:])
    tally.passed += numbers[0] - sum(numbers[1:]) if numbers else 0
    tally.check(numbers and numbers[0] >= args.cuts and not any(numbers[1:]) and code == 0, f"code {code}, last line {numbers}")
    if args.breaks:
        for mistake in BREAKS:
            code, numbers, text = simulate(args, 2000, "--break", mistake)
            tally.check(numbers and any(numbers[1:]), f"--break {mistake} is not noticed: {text[-500:]}")
        tally.check(simulate(args, 200, "--stats") == simulate(args, 200, "--stats"), "the same seed, another history")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
