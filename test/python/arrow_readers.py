#!/usr/bin/env python3
"""Arrow IPC both ways: what pyarrow and polars write, we read; what we write, they read, and it is the same.

    test/python/arrow_readers.py [--copy build/release/test/tools/arrow_copy]

Each case is data written by one of them, copied by our reader and writer (arrow_copy), read by both, and compared
with the original. Also settles which decimals both read, and that LZ4 frames of many independent blocks are read.
Needs the environment of test/requirements.txt: the Python of KDK_PYTHON, or of .venv.
"""
import argparse
import datetime
import decimal
import itertools
import os
import random
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
try:
    import polars
    import polars.testing
    import pyarrow as pa
    import pyarrow.ipc
except ImportError:
    own = os.environ.get("KDK_PYTHON", os.path.join(TOP, ".venv/bin/python"))
    if os.environ.get("KDK_ARROW_READERS") or not os.path.exists(own):
        sys.exit("pyarrow and polars are missing: set KDK_PYTHON to a Python of test/requirements.txt")
    os.environ["KDK_ARROW_READERS"] = "1"
    os.execv(own, [own, *sys.argv])

decimal.getcontext().prec = 80
passed = failed = 0


def check(name, ok, why=""):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print(f"failed: {name}: {why}"[:2000])


def copy(args, source, target, *options):
    done = subprocess.run([args.copy, *options, source, target], capture_output=True, text=True)
    return done.returncode == 0, done.stderr


def with_nulls(r, make, count):
    return [None if r.random() < 0.2 else make(r) for _ in range(count)]


def text(r):
    return r.choice(("", "a", "Größe", "bear \U0001f43b", "x" * r.randint(0, 40)))


def whole(bits, signed):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return lambda r: r.choice((low, high, 0, r.randint(low, high)))


def dec(digits):
    return lambda r: decimal.Decimal(r.randint(-10**digits + 1, 10**digits - 1)).scaleb(-2)


def columns():
    """name, type, maker of a value; `plain` marks what polars reads too."""
    out = []
    add = lambda name, kind, make, plain=True: out.append((name, kind, make, plain))
    add("null", pa.null(), lambda r: None)
    add("bool", pa.bool_(), lambda r: r.random() < 0.5)
    for bits in (8, 16, 32, 64):
        add(f"int{bits}", getattr(pa, f"int{bits}")(), whole(bits, True))
        add(f"uint{bits}", getattr(pa, f"uint{bits}")(), whole(bits, False))
    add("float16", pa.float16(), lambda r: float(r.randint(-99, 99)) / 4, False)
    add("float32", pa.float32(), lambda r: r.choice((0.5, float("inf"), r.randint(-99, 99) / 8)))
    add("float64", pa.float64(), lambda r: r.choice((-0.0, 1e300, r.random())))
    add("decimal32", pa.decimal32(9, 2), dec(9))
    add("decimal64", pa.decimal64(18, 2), dec(18))
    add("decimal128", pa.decimal128(38, 2), dec(38))
    add("decimal256", pa.decimal256(76, 2), dec(76), False)
    day = lambda r: datetime.date(1970, 1, 1) + datetime.timedelta(r.randint(-100000, 100000))
    add("date32", pa.date32(), day)
    add("date64", pa.date64(), day)
    for unit, scale in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        time = pa.time32 if unit in ("s", "ms") else pa.time64
        add(f"time {unit}", time(unit), lambda r, s=scale: r.randrange(86400 * s), unit in ("us", "ns"))
        add(f"timestamp {unit}", pa.timestamp(unit), lambda r, s=scale: r.randint(-10**9, 10**9) * s, unit != "s")
        add(f"zoned {unit}", pa.timestamp(unit, "Europe/Paris"), lambda r, s=scale: r.randint(0, 10**9) * s, unit != "s")
        add(f"duration {unit}", pa.duration(unit), lambda r, s=scale: r.randint(-10**9, 10**9), unit != "s")
    add("month_day_nano", pa.month_day_nano_interval(), lambda r: pa.MonthDayNano([r.randint(-9, 9), 1, 2]), False)
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        add(str(kind), kind, text)
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
        add(str(kind), kind, lambda r: text(r).encode())
    add("fixed binary", pa.binary(16), lambda r: r.randbytes(16))
    ints = lambda r: with_nulls(r, lambda q: q.randint(-9, 9), r.randint(0, 4))
    for kind in (pa.list_, pa.large_list):
        add(kind.__name__, kind(pa.int32()), ints)
    for kind in (pa.list_view, pa.large_list_view):
        add(kind.__name__, kind(pa.int32()), ints, False)
    add("fixed list", pa.list_(pa.int16(), 3), lambda r: with_nulls(r, lambda q: q.randint(-9, 9), 3))
    add("struct", pa.struct([("a", pa.int32()), ("b", pa.string())]), lambda r: {"a": r.randint(0, 9), "b": text(r)})
    add("map", pa.map_(pa.string(), pa.int32()), lambda r: [(f"k{k}", k) for k in range(r.randint(0, 3))], False)
    add("nested", pa.list_(pa.struct([("x", pa.list_(pa.string()))])),
        lambda r: [{"x": with_nulls(r, text, 2)} for _ in range(r.randint(0, 3))])
    return out


def table(only_plain):
    r = random.Random(7)
    arrays, names = [], []
    for name, kind, make, plain in columns():
        if only_plain and not plain:
            continue
        arrays.append(pa.array(with_nulls(r, make, 100), kind))
        names.append(name)
    words = pa.array(with_nulls(r, lambda q: q.choice("red green blue".split()), 100))
    arrays.append(words.dictionary_encode())
    names.append("dictionary")
    if not only_plain:
        arrays.append(pa.DictionaryArray.from_arrays(pa.array([i % 3 for i in range(100)], pa.uint8()), ["x", "y", None], ordered=True))
        names.append("ordered")
        arrays.append(pa.array([[k] for k in words.to_pylist()], pa.list_(pa.dictionary(pa.int8(), pa.string()))))
        names.append("list of dictionary")
    fields = [pa.field(n, a.type, metadata={"field": n} if i % 3 == 0 else None) for i, (n, a) in enumerate(zip(names, arrays))]
    return pa.table(arrays, schema=pa.schema(fields, metadata={"made by": "a test"}))


def write(path, data, stream, codec, batch_rows=30):
    options = pa.ipc.IpcWriteOptions(compression=codec)
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(path, data.schema, options=options) as writer:
        writer.write_table(data, max_chunksize=batch_rows)


def read(path, stream):
    with pa.OSFile(path) as file:
        result = (pa.ipc.open_stream if stream else pa.ipc.open_file)(file).read_all()
    result.validate(full=True)
    return result


def polars_read(path):
    """From memory: a mapped file would change under what was read."""
    with open(path, "rb") as file:
        return polars.read_ipc(file.read())


def same(a, b):
    return a.schema.equals(b.schema, check_metadata=True) and a.equals(b)


def pyarrow_round_trips(args, folder):
    data = table(False)
    data = pa.concat_tables([data.slice(5, 60), data.slice(0, 0), data.slice(61, 39)])
    source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
    for from_stream, to_stream, codec, through_c in itertools.product(
            (False, True), (False, True), (None, "lz4", "zstd"), (False, True)):
        write(source, data, from_stream, codec)
        options = ["--codec", codec or "none"]
        options += ["--from-stream"] * from_stream + ["--to-stream"] * to_stream + ["--through-c"] * through_c
        name = f"pyarrow {' '.join(options)}"
        done, why = copy(args, source, target, *options)
        check(name, done, why)
        if done:
            got = read(target, to_stream)
            check(name, same(got, data), [n for n in data.column_names if not got[n].equals(data[n])])
    # Dictionaries after the batches.
    write(source, data, False, "lz4")
    done, why = copy(args, source, target, "--late")
    check("late dictionaries", done and same(read(target, False), data), why)


def old_framing(args, folder):
    """Before Arrow 0.15 messages had no mark in front of their length; metadata were of version 4."""
    data = table(False)
    source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
    options = pa.ipc.IpcWriteOptions(metadata_version=pa.ipc.MetadataVersion.V4, use_legacy_format=True)
    for stream in (False, True):
        with (pa.ipc.new_stream if stream else pa.ipc.new_file)(source, data.schema, options=options) as writer:
            writer.write_table(data)
        done, why = copy(args, source, target, *["--from-stream"] * stream)
        check(f"old framing {stream}", done and same(read(target, False), data), why)


def growing_dictionaries(args, folder):
    """Each batch has its own dictionary: pyarrow sends deltas or replacements; so do we."""
    source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
    kind = pa.dictionary(pa.int32(), pa.string())
    words = [str(i) for i in range(30)]
    batches = [pa.record_batch([pa.DictionaryArray.from_arrays(pa.array([0, None, k * 10 - 1], pa.int32()), words[:k * 10])], ["d"])
               for k in (1, 2, 3)]
    want = pa.Table.from_batches(batches).cast(pa.schema([("d", pa.string())]))
    for deltas in (False, True):
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
        with pa.ipc.new_stream(source, pa.schema([("d", kind)]), options=options) as writer:
            for batch in batches:
                writer.write_batch(batch)
        for more in ([], ["--no-deltas"]):
            done, why = copy(args, source, target, "--from-stream", "--to-stream", *more)
            got = read(target, True).cast(want.schema) if done else None
            check(f"dictionaries {deltas} {more}", done and got.equals(want), why)
    done, why = copy(args, source, target, "--from-stream", "--late")
    check("grown dictionary in a file", done and read(target, False).cast(want.schema).equals(want), why)
    check("grown dictionary, polars", done and polars_read(target)["d"].cast(polars.String).to_list()
          == want["d"].to_pylist(), "differs")


def polars_reads(args, folder):
    data = table(True)
    source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
    write(source, data, False, None)
    want = polars_read(source)
    for codec, late, stream in itertools.product(("none", "lz4", "zstd"), (False, True), (False, True)):
        options = ["--codec", codec] + ["--late"] * late + ["--to-stream"] * stream
        done, why = copy(args, source, target, *options)
        check(f"polars reads {options}", done, why)
        if done:
            got = polars.read_ipc_stream(target) if stream else polars_read(target)
            try:
                polars.testing.assert_frame_equal(got, want, categorical_as_str=True)
                check(f"polars reads {options}", True)
            except AssertionError as error:
                check(f"polars reads {options}", False, error)
    done, why = copy(args, source, target)
    check("polars maps it", done and polars.scan_ipc(target).collect().height == 100, why)


def polars_round_trips(args, folder):
    r = random.Random(3)
    frame = polars.DataFrame({
        "i": polars.Series(with_nulls(r, whole(64, True), 100), dtype=polars.Int64),
        "f": with_nulls(r, lambda q: q.random(), 100),
        "s": with_nulls(r, text, 100),
        "b": with_nulls(r, lambda q: q.random() < 0.5, 100),
        "y": with_nulls(r, lambda q: q.randbytes(20), 100),
        "c": polars.Series(with_nulls(r, lambda q: q.choice("abc"), 100), dtype=polars.Categorical),
        "e": polars.Series(with_nulls(r, lambda q: q.choice("xyz"), 100), dtype=polars.Enum(["x", "y", "z"])),
        "l": with_nulls(r, lambda q: [q.randint(0, 9) for _ in range(q.randint(0, 3))], 100),
        "t": with_nulls(r, lambda q: {"a": q.randint(0, 9), "b": text(q)}, 100),
        "d": with_nulls(r, lambda q: datetime.date(2001, 1, 1) + datetime.timedelta(q.randint(0, 999)), 100),
        "n": polars.Series(with_nulls(r, dec(18), 100), dtype=polars.Decimal(20, 2)),
        "ts": with_nulls(r, lambda q: datetime.datetime(2001, 1, 1) + datetime.timedelta(seconds=q.randint(0, 10**9)), 100),
        "a": polars.Series([[1, 2]] * 100, dtype=polars.Array(polars.Int16, 2)),
        "z": [None] * 100,
    })
    source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
    for codec, stream in itertools.product(("uncompressed", "lz4", "zstd"), (False, True)):
        (frame.write_ipc_stream if stream else frame.write_ipc)(source, compression=codec)
        for other in ("none", "lz4", "zstd"):
            done, why = copy(args, source, target, "--codec", other, *["--from-stream"] * stream)
            name = f"polars {codec} {'stream' if stream else 'file'} to {other}"
            check(name, done, why)
            if done:
                got = polars_read(target)
                check(name, got.equals(frame) and got.schema == frame.schema, got.schema)
                check(name + " by pyarrow", same(read(target, False), read(source, stream)), "differs")


def many_blocks(args, folder):
    """Columns of several megabytes: LZ4 frames of 64 KiB and of 16 KiB blocks."""
    rows = 400000
    data = pa.table({"a": pa.array(range(rows), pa.int64()), "b": pa.array([str(i % 1000) * 3 for i in range(rows)])})
    source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
    write(source, data, False, None, rows)
    for codec, block in (("lz4", 65536), ("lz4", 16384), ("zstd", 65536)):
        done, why = copy(args, source, target, "--codec", codec, "--block-bytes", str(block))
        name = f"{codec} in blocks of {block}"
        check(name, done and os.path.getsize(target) < os.path.getsize(source) / 2, why)
        check(name + ", pyarrow", done and same(read(target, False), data), "differs")
        frame = polars_read(target)
        check(name + ", polars", frame["a"].to_list() == list(range(rows)) and frame["b"][rows - 1] == "999999999", "differs")


def decimals(args, folder):
    """Which decimals do both read? The answer is in src/arrow/README.md."""
    source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
    for bits, digits in ((32, 9), (64, 18), (128, 38)):
        values = [decimal.Decimal(10**digits - 1).scaleb(-2), decimal.Decimal(-10**digits + 1).scaleb(-2), None, decimal.Decimal("0.01")]
        data = pa.table({"d": pa.array(values, getattr(pa, f"decimal{bits}")(digits, 2))})
        write(source, data, False, None)
        for codec in ("none", "lz4"):
            done, why = copy(args, source, target, "--codec", codec)
            check(f"decimal{bits} {codec}, pyarrow", done and same(read(target, False), data), why)
            try:
                got = polars_read(target)["d"].to_list()
                check(f"decimal{bits} {codec}, polars", got == values, got)
            except Exception as error:
                check(f"decimal{bits} {codec}, polars", False, error)


def refusals(args, folder):
    source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    runs = pa.RunEndEncodedArray.from_arrays([1, 2], ["a", "b"])
    for name, array in (("union", union), ("run-end", runs)):
        write(source, pa.table({"x": array}), False, None)
        done, why = copy(args, source, target)
        check(f"{name} is refused", not done and why.startswith("0A000"), why)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--copy", default=os.path.join(TOP, "build/release/test/tools/arrow_copy"))
    args = parser.parse_args()
    for case in (pyarrow_round_trips, old_framing, growing_dictionaries, polars_reads, polars_round_trips, many_blocks, decimals, refusals):
        with tempfile.TemporaryDirectory() as folder:
            case(args, folder)
    print(f"pyarrow {pa.__version__}, polars {polars.__version__}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
