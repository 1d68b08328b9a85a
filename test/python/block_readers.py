#!/usr/bin/env python3
"""Block files are what they say: pyarrow and polars read every one that we write, and agree with our own reader.

    test/python/block_readers.py [--sample build/release/test/tools/block_sample]

block_sample writes files with a column of every type and the rows as our reader sees them. Both libraries read the files; every value is
compared bit by bit, types and column numbers too. Dictionaries of one column's files must be prefixes of one another.
Needs the environment of test/requirements.txt: the Python of KDK_PYTHON, or of .venv.
"""
import argparse
import glob
import os
import struct
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
try:
    import polars
    import pyarrow as pa
    import pyarrow.ipc
except ImportError:
    own = os.environ.get("KDK_PYTHON", os.path.join(TOP, ".venv/bin/python"))
    if os.environ.get("KDK_BLOCK_READERS") or not os.path.exists(own):
        sys.exit("pyarrow and polars are missing: set KDK_PYTHON to a Python of test/requirements.txt")
    os.environ["KDK_BLOCK_READERS"] = "1"
    os.execv(own, [own, *sys.argv])

TYPES = {
    "bool": pa.bool_(), "tinyint": pa.int8(), "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(),
    "numeric9": pa.decimal32(9, 2), "numeric18": pa.decimal64(18, 3), "numeric38": pa.decimal128(38, 4),
    "real": pa.float32(), "double": pa.float64(), "text": pa.string(), "coded": pa.dictionary(pa.int32(), pa.string()),
    "bytea": pa.binary(), "coded_bytea": pa.dictionary(pa.int32(), pa.binary()), "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}
SCALES = {"numeric9": 2, "numeric18": 3, "numeric38": 4}
passed = failed = 0


def check(name, ok, why=""):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print(f"failed: {name}: {why}"[:2000])


def shown(name, value):
    """As block_sample prints it."""
    if value is None:
        return "-"
    if name in SCALES:
        return str(int(value.scaleb(SCALES[name])))
    if isinstance(value, float):
        return "x" + struct.pack(">d", value).hex()
    if isinstance(value, str):
        return "x" + value.encode().hex()
    if isinstance(value, bytes):
        return "x" + value.hex()
    return str(int(value))


def by_pyarrow(path):
    with pa.ipc.open_file(path) as reader:
        table = reader.read_all()
        metadata = reader.schema.metadata
    table.validate(full=True)
    out = {}
    for name, column in zip(table.column_names, table.columns):
        if name == "date":
            column = column.cast(pa.int32())
        elif name == "timestamp":
            column = column.cast(pa.int64())
        out[name] = [shown(name, v) for v in column.to_pylist()]
    return table, metadata, out


def by_polars(path):
    with open(path, "rb") as file:
        frame = polars.read_ipc(file.read())
    out = {}
    for series in frame:
        name = series.name
        if name == "date":
            series = series.cast(polars.Int32)
        elif name == "timestamp":
            series = series.cast(polars.Int64)
        elif name == "coded":
            series = series.cast(polars.String)
        out[name] = [shown(name, v) for v in series.to_list()]
    return out


def case(args, codec, seed):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([args.sample, "write", folder, "7500", str(seed), codec], capture_output=True, text=True)
        check(f"block_sample {codec}", done.returncode == 0, done.stderr)
        if done.returncode:
            return
        with open(os.path.join(folder, "rows.txt"), encoding="ascii") as file:
            rows = [line.rstrip("\n").split("\t") for line in file]
        files = sorted(glob.glob(os.path.join(folder, "*.arrow")))
        check("several files", len(files) > 1, files)
        at, dictionaries = 0, {}
        for path in files:
            name = f"{codec}, {os.path.basename(path)}"
            table, _, got = by_pyarrow(path)
            want = rows[at:at + table.num_rows]
            at += table.num_rows
            check(f"{name}: columns", table.column_names == list(TYPES), table.column_names)
            for i, (column, kind) in enumerate(TYPES.items()):
                field = table.schema.field(column)
                check(f"{name}: {column} is {kind}", field.type == kind, field.type)
                check(f"{name}: {column} has a number", b"kodiak.column" in (field.metadata or {}), field.metadata)
                check(f"{name}: {column} by pyarrow", got[column] == [row[i + 1] for row in want], "differs")
                if pa.types.is_dictionary(kind):
                    values = table.column(column).chunk(0).dictionary.to_pylist()
                    old = dictionaries.setdefault(column, values)
                    common = min(len(old), len(values))
                    check(f"{name}: {column}, prefix", old[:common] == values[:common], (old, values))
            try:
                got = by_polars(path)
                for i, column in enumerate(TYPES):
                    check(f"{name}: {column} by polars", got[column] == [row[i + 1] for row in want], "differs")
            except Exception as error:  # Whatever polars throws is a finding.
                check(f"{name}: polars", False, repr(error))
        check(f"{codec}: all rows", at == len(rows), (at, len(rows)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", default=os.path.join(TOP, "build/release/test/tools/block_sample"))
    args = parser.parse_args()
    for seed, codec in enumerate(("lz4", "zstd", "none")):
        case(args, codec, seed + 1)
    print(f"pyarrow {pa.__version__}, polars {polars.__version__}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
