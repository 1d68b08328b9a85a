#!/usr/bin/env python3
"""Openness: pyarrow, polars and DuckDB read every live block file of a database and agree with SELECT.

    test/open_readers.py --kodiak PATH [--rows N]

The database has all types, NULLs, extremes, updated and deleted rows; after CHECKPOINT FREEZE its folder
`blocks` holds exactly the live files, which `kodiak files --live` names. Dictionaries of a column's files must be
prefixes of one another. Needs the environment of test/requirements.txt.
"""
import argparse
import csv
import datetime
import decimal
import glob
import math
import os
import random
import subprocess
import sys

import kdk

# name, SQL type, and a value at random.
COLUMNS = (
    ("b", "boolean", lambda r: r.choice("tf")),
    ("ti", "tinyint", lambda r: r.choice((-128, 127, 0, r.randint(-128, 127)))),
    ("si", "smallint", lambda r: r.choice((-32768, 32767, r.randint(-300, 300)))),
    ("i", "integer", lambda r: r.choice((-2**31, 2**31 - 1, r.randint(0, 1000)))),
    ("bi", "bigint", lambda r: r.choice((-2**63, 2**63 - 1, r.getrandbits(40)))),
    ("n9", "numeric(9,2)", lambda r: decimal.Decimal(r.randint(-10**9 + 1, 10**9 - 1)).scaleb(-2)),
    ("n18", "numeric(18,4)", lambda r: decimal.Decimal(r.randint(-10**18 + 1, 10**18 - 1)).scaleb(-4)),
    ("n38", "numeric(38,10)", lambda r: "%s%d.%010d" % (r.choice(("", "-")), r.randrange(10**27), r.randrange(10**10))),
    ("re", "real", lambda r: r.choice(("NaN", "Infinity", "0.1", "1e-30", r.randint(-99, 99) / 4))),
    ("d", "double precision", lambda r: r.choice(("NaN", "-Infinity", "0.1", "1e300", r.random()))),
    ("t", "text", lambda r: r.choice(("", "quote \" and, comma", "Größe \U0001f43b", "line\nbreak", "x" * r.randint(0, 300)))),
    ("w", "text", lambda r: r.choice(("red", "green", "blue", "bear"))),
    ("v", "varchar(12)", lambda r: "%012d" % r.randrange(10**12)),
    ("by", "bytea", lambda r: "\\x" + bytes(r.getrandbits(8) for _ in range(r.randint(0, 20))).hex()),
    ("da", "date", lambda r: (datetime.date(1970, 1, 1) + datetime.timedelta(r.randint(-200000, 100000))).isoformat()),
    ("ts", "timestamp", lambda r: str(datetime.datetime(2001, 1, 1) + datetime.timedelta(microseconds=r.randint(-10**15, 10**15)))),
)
NAMES = ["k"] + [name for name, _, _ in COLUMNS]


def write_csv(path, first, rows, seed):
    generator = random.Random(seed)
    with open(path, "w", encoding="utf-8", newline="") as file:
        for k in range(first, first + rows):
            values = [None if generator.random() < 0.1 else make(generator) for _, _, make in COLUMNS]
            if values[11] is not None and k % 50 == 0:
                values[11] = f"word {k // 1000}"  # The dictionary grows from file to file.
            file.write(",".join([str(k)] + ["" if v is None else '"' + str(v).replace('"', '""') + '"' for v in values]) + "\n")


def build(args, database, folder):
    columns = ", ".join(f"{name} {kind}" for name, kind, _ in COLUMNS)
    statements = [f"create table t (k bigint primary key, {columns})"]
    for part in range(4):
        path = os.path.join(folder, f"part{part}.csv")
        write_csv(path, part * args.rows, args.rows, part)
        statements += [f"copy t from {kdk.literal(path)} with (format csv)", "checkpoint freeze t"]
    statements += ["update t set i = 42, w = 'patched' where k % 11 = 3", "delete from t where k % 13 = 5",
                   "insert into t (k, t) values (-1, 'alone')", "checkpoint freeze"]
    done = kdk.run(args.kodiak, database, statements + ["select * from t order by k"])
    for sql, result in zip(statements, done.results):
        if result.code:
            raise SystemExit(f"{sql}: {result.code}: {result.message}\n0 passed, 1 failed")
    if done.trouble:
        raise SystemExit(f"{done.trouble}\n0 passed, 1 failed")
    return done.results[-1].rows()


def text_to_value(text, kind):
    """A SELECT's text as the Python value that the readers give."""
    if text is None:
        return None
    if kind == "boolean":
        return text in ("t", "true")
    if kind.endswith("int") or kind == "integer":
        return int(text)
    if kind.startswith("numeric"):
        return decimal.Decimal(text)
    if kind in ("real", "double precision"):
        return float(text)
    if kind == "bytea":
        return bytes.fromhex(text[2:])
    if kind == "date":
        return datetime.date.fromisoformat(text)
    if kind == "timestamp":
        return datetime.datetime.fromisoformat(text)
    return text


def single(value):
    """The nearest REAL, as a double."""
    import struct
    return value if value is None or math.isnan(value) or math.isinf(value) else struct.unpack("f", struct.pack("f", value))[0]


def canonical(row):
    """NaN equals NaN here, and a REAL any text that means it."""
    row = list(row)
    row[9] = single(row[9])
    return tuple("NaN" if isinstance(v, float) and math.isnan(v) else v for v in row)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kodiak", default="build/release/kodiak")
    parser.add_argument("--rows", type=int, default=20000, help="in each of four loads")
    args = parser.parse_args()
    csv.field_size_limit(1 << 30)
    try:
        import duckdb
        import polars
        import pyarrow
        import pyarrow.ipc
    except ImportError as missing:
        print(f"{missing}; tools/bootstrap.sh test installs it\n0 passed, 1 failed")
        return 1
    tally = kdk.Tally()
    with kdk.scratch() as folder:
        database = os.path.join(folder, "t.kdk")
        selected = build(args, database, folder)
        kinds = ["bigint"] + [kind for _, kind, _ in COLUMNS]
        want = [canonical([text_to_value(v, kind) for v, kind in zip(row, kinds)]) for row in selected]
        tally.check(len(want) > 3 * args.rows, f"only {len(want)} rows")

        files = sorted(p for p in glob.glob(os.path.join(database, "blocks", "**"), recursive=True) if os.path.isfile(p))
        live = subprocess.run([args.kodiak, "files", database, "--live"], capture_output=True, text=True)
        tally.check(live.returncode == 0, f"kodiak files: {live.stderr}")
        tables, frames, dictionaries = [], [], {}
        for path in files:
            name = os.path.basename(path)
            tally.check(name in live.stdout, f"{name} is in blocks, but not live")
            with pyarrow.ipc.open_file(path) as reader:
                table = reader.read_all()
                table.validate(full=True)
                batch = reader.get_batch(0)
            if table.column_names != NAMES:
                continue
            tables.append(table)
            frames.append(polars.read_ipc(path))
            for column in NAMES:
                if pyarrow.types.is_dictionary(batch.schema.field(column).type):
                    dictionaries.setdefault(column, []).append((name, batch.column(column).dictionary.to_pylist()))
        tally.check(tables, f"no file of the table among {len(files)}")

        got = sorted(canonical(row) for table in tables for row in zip(*(table.column(n).to_pylist() for n in NAMES)))
        tally.check(got == want, difference("pyarrow", got, want))
        got = sorted(canonical(row) for frame in frames for row in frame.rows())
        tally.check(got == want, difference("polars", got, want))
        whole = pyarrow.concat_tables([t.cast(plain(t.schema)) for t in tables])
        connection = duckdb.connect()
        connection.register("whole", whole)
        got = [canonical(row) for row in connection.execute("select * from whole order by k").fetchall()]
        tally.check(got == want, difference("duckdb", got, want))
        for column, found in dictionaries.items():
            found.sort(key=lambda pair: len(pair[1]))
            for (one, a), (other, b) in zip(found, found[1:]):
                tally.check(b[:len(a)] == a, f"dictionary of {column}: {one} is no prefix of {other}")
        print(f"{len(files)} files, {len(want)} rows, dictionaries of {', '.join(sorted(dictionaries)) or 'no column'}")
    return tally.close()


def plain(schema):
    """Without dictionaries, so that files of one table can be joined."""
    import pyarrow
    return pyarrow.schema([pyarrow.field(f.name, f.type.value_type if pyarrow.types.is_dictionary(f.type) else f.type) for f in schema])


def difference(reader, got, want):
    if len(got) != len(want):
        return f"{reader}: {len(got)} rows, SELECT {len(want)}"
    for a, b in zip(got, want):
        if a != b:
            k = next(k for k in range(len(a)) if a[k] != b[k])
            return f"{reader}: row {a[0]}, column {NAMES[k]}: {a[k]!r}, SELECT {b[k]!r}"
    return reader


if __name__ == "__main__":
    sys.exit(main())
