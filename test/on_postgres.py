#!/usr/bin/env python3
"""A stand-in for the `kodiak` command over a running PostgreSQL (psql's PGHOST, PGPORT and PGUSER say where), to ask it
what the answer to one of our scripts is:  test/slt.py --kodiak test/on_postgres.py --oracle --memory test/sql

Each run gets a database of its own, which vanishes."""
import os
import re
import subprocess
import sys

DETAIL = re.compile(rb"(LOCATION|LINE \d+|HINT|DETAIL|CONTEXT|\s+\^|STATEMENT|FATAL)")


def main():
    database = f"kodiak_test_{os.getpid()}"
    admin = ["psql", "-X", "-q", "-d", "postgres", "-c"]
    null = sys.argv[sys.argv.index("--null") + 1]
    subprocess.run([*admin, f"create database {database}"], check=True)
    process = subprocess.Popen(["psql", "-X", "-q", "--csv", "-t", "-P", f"null={null}", "-v", "VERBOSITY=verbose", "-d", database],
                               stdin=sys.stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in process.stdout:
        error = re.match(rb"ERROR:  ([0-9A-Z]{5}): (.*)", line)
        if error:
            line = b"ERROR " + error.group(1) + b": " + error.group(2) + b"\n"
        elif DETAIL.match(line):
            continue
        sys.stdout.buffer.write(line)
        sys.stdout.flush()
    process.wait()
    subprocess.run([*admin, f"drop database {database}"], check=True)


if __name__ == "__main__":
    main()
