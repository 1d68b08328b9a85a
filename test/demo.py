#!/usr/bin/env python3
"""What `make run` shows, without a terminal: it must end well and show the answers that the data have.

    test/demo.py --kodiak PATH
"""
import argparse
import subprocess
import sys

import kdk

# Made with DuckDB on the same files.
SHOWN = ("Chicago", "6948", "Dallas-Fort Worth", "Honolulu", "4962", "JFK", "12.3", "3006", "flights")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kodiak", default="build/release/kodiak")
    args = parser.parse_args()
    tally = kdk.Tally()
    done = subprocess.run([kdk.top("tools/run_demo.sh"), args.kodiak], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, cwd=kdk.top(), timeout=300)
    tally.check(done.returncode == 0, f"code {done.returncode}\n{done.stdout[-3000:]}")
    for text in SHOWN:
        tally.check(text in done.stdout, f"{text} is not shown")
    try:
        import polars
        import pyarrow
        for reader in (pyarrow, polars):
            tally.check(f"{reader.__name__} " in done.stdout, f"{reader.__name__} reads no file")
    except ImportError:
        pass
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
