#!/usr/bin/env python3
"""COPY and CSV: every file of test/data/csv becomes the rows, or the error, that its JSON names.

    test/copy_test.py --kodiak PATH

copy/NN-X.json tells table, statement and rows as PostgreSQL 15 has them; after an error the table is as
before. The rows are then written with COPY TO and read back. spectrum/X.json holds rows as objects.
"""
import argparse
import decimal
import glob
import json
import os
import re
import sys

import kdk

# What needs a type that is not there yet, and how it is refused: never by a wrong answer.
NOT_YET = {
    "43-dates": ("0A000", "INTERVAL"),
    "45-decimals": ("22003", "NUMERIC without limits; a column without modifiers is NUMERIC(38,10)"),
}


def same(got, want):
    """Texts, or numbers that are spelled differently."""
    if got == want or got is None or want is None:
        return got == want
    try:
        return decimal.Decimal(got) == decimal.Decimal(want) or (float(got) == float(want) and "e" in (got + want).lower())
    except (decimal.InvalidOperation, ValueError):
        return False


def same_rows(got, want):
    return len(got) == len(want) and all(len(g) == len(w) and all(map(same, g, w)) for g, w in zip(got, want))


def copy_case(args, tally, path):
    with open(path, encoding="utf-8") as file:
        case = json.load(file)
    name = os.path.basename(path)[:-5]
    data = next(p for p in glob.glob(glob.escape(path[:-5]) + ".*") if not p.endswith(".json"))
    names = [column.split()[0] for column in re.sub(r"\([^)]*\)", "", case["columns"]).split(",")]
    texts = ", ".join(f"cast({column} as text)" for column in names)
    own = "insert into t values (" + ", ".join(["null"] * len(names)) + ")"
    with kdk.scratch() as folder:
        back = os.path.join(folder, "back.csv")
        statements = [f"create table t ({case['columns']})", own if "error" in case else "select 1",
                      re.sub(r"\bFILE\b", lambda _: kdk.literal(data), case["copy"]), f"select {texts} from t",
                      f"copy t to {kdk.literal(back)} with (format csv, force_quote *)", f"create table u ({case['columns']})",
                      f"copy u from {kdk.literal(back)} with (format csv)", f"select {texts} from u"]
        done = kdk.run(args.kodiak, os.path.join(folder, "t.kdk"), statements, seconds=60)
    tally.check(not done.trouble, f"{name}: {done.trouble}")
    if name in NOT_YET:
        state = NOT_YET[name][0]
        tally.check(state in (done.results[0].code, done.results[2].code), f"{name}: {state} expected: {NOT_YET[name][1]}")
        return
    before, copied, rows, written, again = (done.results[i] for i in (1, 2, 3, 4, 7))
    if "error" in case:
        tally.check(copied.code == case["error"], f"{name}: {copied.code} {copied.message}, {case['error']} expected")
        tally.check(rows.rows() == ([] if before.code else [[None] * len(names)]), f"{name}: rows after the error: {rows.rows()}")
        return
    tally.check(not copied.code, f"{name}: {copied.code} {copied.message}")
    tally.check(same_rows(rows.rows(), case["rows"]), f"{name}: {rows.code} {rows.rows()}\n    expected {case['rows']}")
    tally.check(not again.code and sorted(map(str, again.rows())) == sorted(map(str, rows.rows())),
                f"{name}: written and read back: {written.message} {again.message} {again.rows()}")


def spectrum_case(args, tally, path):
    with open(path, encoding="utf-8") as file:
        objects = json.load(file)
    name, data = os.path.basename(path)[:-5], path[:-5] + ".csv"
    names = list(objects[0])
    table = ", ".join(f'"{n}" text' for n in names)
    with kdk.scratch() as folder:
        done = kdk.run(args.kodiak, os.path.join(folder, "t.kdk"), [
            f"create table t ({table})", f"copy t from {kdk.literal(data)} with (format csv, header true)", "select * from t"])
    result = done.results[2]
    want = [[str(o[n]) for n in names] for o in objects]
    # An empty field is NULL to COPY, and empty text to the JSON.
    got = [[v or "" for v in row] for row in result.rows()]
    want = [[v.replace("\r\n", "\n") for v in row] for row in want]
    tally.check(not done.trouble and [[v.replace("\r\n", "\n") for v in row] for row in got] == want,
                f"{name}: {done.results[1].code} {done.results[1].message} {got}\n    expected {want} {done.trouble}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kodiak", default="build/release/kodiak")
    args = parser.parse_args()
    tally = kdk.Tally()
    for path in sorted(glob.glob(kdk.top("test/data/csv/copy/*.json"))):
        copy_case(args, tally, path)
    for path in sorted(glob.glob(kdk.top("test/data/csv/spectrum/*.json"))):
        spectrum_case(args, tally, path)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
