#!/usr/bin/env python3
"""TPC-H: loads generated data with primary keys through COPY, runs the 22 queries, compares the results.

    test/tpch.py --kodiak PATH [--sf 0.01] [--rename] [--shuffle] [--threads N] [--duckdb]
    test/tpch.py --write [--kodiak PATH]     makes the committed results anew, with DuckDB

At SF 0.01 the committed results of test/tpch/sf0.01 are the measure, elsewhere (and with --duckdb) DuckDB on
the same files. Columns that are DOUBLE to DuckDB (averages, quotients) agree to 1e-9, all others exactly.
--rename gives every table and column another name, --shuffle the rows of lineitem another order.
"""
import argparse
import csv
import decimal
import os
import random
import re
import subprocess
import sys

import kdk

TABLES = ("region", "nation", "part", "supplier", "partsupp", "customer", "orders", "lineitem")
KEYS = {"region": "r_regionkey", "nation": "n_nationkey", "part": "p_partkey", "supplier": "s_suppkey",
        "partsupp": "ps_partkey, ps_suppkey", "customer": "c_custkey", "orders": "o_orderkey",
        "lineitem": "l_orderkey, l_linenumber"}
# The columns that a query orders by, where they leave room for ties.
ORDER = {3: (1, 2), 10: (2,), 11: (1,), 18: (4, 3)}


def generate(generator, sf, folder, shuffle=False):
    subprocess.run([generator, str(sf), folder], check=True)
    if shuffle:
        path = os.path.join(folder, "lineitem.csv")
        with open(path, "rb") as file:
            lines = file.readlines()
        random.Random(22).shuffle(lines)
        with open(path, "wb") as file:
            file.writelines(lines)


def schema(keys=True):
    with open(kdk.top("test/tpch/schema.sql"), encoding="utf-8") as file:
        statements = [s.strip() for s in re.sub(r"--[^\n]*", "", file.read()).split(";") if s.strip()]
    for i, statement in enumerate(statements):
        table = statement.split()[2]
        if keys:
            statements[i] = f"{statement[:-1]}, primary key ({KEYS[table]}))"
    return statements


def queries():
    with open(kdk.top("test/tpch/tpch.sql"), encoding="utf-8") as file:
        parts = re.split(r"^-- Q(\d+)\n", file.read(), flags=re.M)
    return {int(number): text.strip().rstrip(";") for number, text in zip(parts[1::2], parts[2::2])}


def copies(folder):
    return [f"copy {t} from {kdk.literal(os.path.join(folder, t + '.csv'))} with (format csv, delimiter '|')" for t in TABLES]


def renamer():
    """A function that renames tables and columns in SQL, outside literals."""
    names = {}
    for number, statement in enumerate(schema(keys=False)):
        head, body = statement.split("(", 1)
        names[head.split()[2]] = f"relation_{'hgfedcba'[number]}"
        for k, column in enumerate(re.findall(r"(?:^|,) ?(\w+) \w+", re.sub(r"\([^)]*\)", "", body))):
            names[column] = f"z{k}_of_{number}"
    word = re.compile(r"'[^']*'|\b(" + "|".join(sorted(names, key=len, reverse=True)) + r")\b")
    return lambda sql: word.sub(lambda m: names[m.group(1)] if m.group(1) else m.group(), sql)


def with_duckdb(folder):
    """{query: (kinds, rows)} of DuckDB; a kind is `near` for DOUBLE and `exact` for the rest."""
    import duckdb
    connection = duckdb.connect()
    for statement in schema(keys=False) + copies(folder):
        connection.execute(statement)
    results = {}
    for number, sql in queries().items():
        cursor = connection.execute(sql)
        kinds = ["near" if str(column[1]).upper() in ("DOUBLE", "FLOAT") else "exact" for column in cursor.description]
        rows = [[None if v is None else repr(v) if isinstance(v, float) else str(v) for v in row] for row in cursor.fetchall()]
        results[number] = (kinds, rows)
    return results


def committed():
    results = {}
    for number in queries():
        with open(kdk.top(f"test/tpch/sf0.01/q{number:02}.csv"), encoding="utf-8", newline="") as file:
            kinds, *rows = csv.reader(file)
        results[number] = (kinds, [[None if v == kdk.NULL else v for v in row] for row in rows])
    return results


def write(results):
    os.makedirs(kdk.top("test/tpch/sf0.01"), exist_ok=True)
    for number, (kinds, rows) in results.items():
        with open(kdk.top(f"test/tpch/sf0.01/q{number:02}.csv"), "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(kinds)
            writer.writerows([kdk.NULL if v is None else v for v in row] for row in rows)


def value(text, kind):
    """A value that compares as it should: numbers as numbers."""
    if text is None:
        return None
    if kind == "near":
        return float(text)
    try:
        return decimal.Decimal(text)
    except decimal.InvalidOperation:
        return text


def equal(got, want):
    if isinstance(want, float):
        return isinstance(got, float) and abs(got - want) <= 1e-9 * max(1.0, abs(want))
    return got == want


def compare(number, got, kinds, want):
    """What is wrong with a query's rows, or nothing."""
    if len(got) != len(want):
        return f"{len(got)} rows, {len(want)} expected"
    if any(len(row) != len(kinds) for row in got):
        return f"{len(got[0])} columns, {len(kinds)} expected"
    try:
        got, want = ([[value(v, kind) for v, kind in zip(row, kinds)] for row in rows] for rows in (got, want))
    except ValueError as error:
        return str(error)
    keys = ORDER.get(number)
    if keys:  # Tied rows may come in any order.
        for rows in (got, want):
            start = 0
            for i in range(1, len(rows) + 1):
                if i == len(rows) or any(not equal(rows[i][k], rows[start][k]) for k in keys):
                    rows[start:i] = sorted(rows[start:i], key=str)
                    start = i
    for i, (row, expected) in enumerate(zip(got, want)):
        for k in range(len(kinds)):
            if not equal(row[k], expected[k]):
                return f"row {i + 1}, column {k + 1}: {row[k]}, {expected[k]} expected"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kodiak", default="build/release/kodiak")
    parser.add_argument("--generator", help="tpchgen; the default is the one of the command's build")
    parser.add_argument("--sf", default="0.01")
    parser.add_argument("--rename", action="store_true")
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--duckdb", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--memory", action="store_true", help="run on :memory:")
    args = parser.parse_args()
    generator = args.generator or os.path.join(os.path.dirname(args.kodiak), "tpchgen")
    tally = kdk.Tally()
    with kdk.scratch() as folder:
        generate(generator, args.sf, folder)
        if args.write:
            write(with_duckdb(folder))
            return 0
        expected = with_duckdb(folder) if args.duckdb or float(args.sf) != 0.01 else committed()
        if args.shuffle:
            generate(generator, args.sf, folder, shuffle=True)
        rename = renamer() if args.rename else lambda sql: sql
        load = [rename(sql) for sql in schema()] + [
            re.sub(r"^copy (\w+)", lambda m: "copy " + rename(m.group(1)), sql) for sql in copies(folder)]
        database = ":memory:" if args.memory else os.path.join(folder, "tpch.kdk")
        done = kdk.run(args.kodiak, database, load + [rename(sql) for sql in queries().values()],
                       ["-s", f"threads={args.threads}"], seconds=7000)
        for sql, result in zip(load, done.results):
            tally.check(not result.code, f"{sql[:60]}...: {result.code}: {result.message}")
        for number, result in zip(queries(), done.results[len(load):]):
            complaint = f"{result.code}: {result.message}" if result.code else compare(number, result.rows(), *expected[number])
            tally.check(not complaint, f"Q{number}: {complaint}")
        tally.check(not done.trouble, done.trouble)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
