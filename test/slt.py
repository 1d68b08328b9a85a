#!/usr/bin/env python3
"""Runs sqllogictest scripts against the `kodiak` command. The format is told in data/sqllogictest/README.md.

    test/slt.py --kodiak PATH [options] [PATH...]

Without a PATH the corpus is run, else the *.slt and *.test files named or found there. Each file starts on an
empty database. Beyond the format, `statement error SQLSTATE` asks for that state, and skipif/onlyif
know the storage by its name as well as the engine.

--storage says where rows lie when queries run. hot: as inserted. cold: after CHECKPOINT FREEZE. patched: frozen,
then every table updated without changing it. mixed: half of the load frozen and patched in part, half hot.

unsupported.tsv (feature, file pattern, pattern of SQL) names records that are left out: each must be
refused with 0A000 or 42601; one that is not fails.
"""
import argparse
import concurrent.futures
import decimal
import fnmatch
import functools
import hashlib
import os
import re
import subprocess
import sys
import tarfile

import kdk

CORPUS = kdk.top("test/data/sqllogictest")
REFUSALS = ("0A000", "42601")


class Record:
    __slots__ = ("line", "sql", "error", "types", "sort", "label", "expected")

    def __init__(self, line, sql):
        self.line, self.sql = line, sql
        self.error = None     # What a statement must end with: "" for any error, or a state.
        self.types = None     # A query's column letters; None for a statement.
        self.sort = self.label = self.expected = None


def parse(text, names):
    """The records for an engine that answers to `names`, in order."""
    lines, n, records = text.splitlines(), 0, []
    wanted = True
    while n < len(lines):
        words = lines[n].split("#")[0].split() if not lines[n].startswith("#") else []
        n += 1
        if not words:
            continue
        if words[0] in ("skipif", "onlyif"):
            wanted = wanted and (words[1] in names) == (words[0] == "onlyif")
            continue
        if words[0] == "halt" and wanted:
            break
        if words[0] in ("statement", "query"):
            at, sql = n, []
            while n < len(lines) and lines[n].strip() and lines[n] != "----":
                sql.append(lines[n])
                n += 1
            record = Record(at, "\n".join(sql).rstrip().rstrip(";"))
            if words[0] == "statement":
                if words[1] == "error":
                    record.error = words[2] if len(words) > 2 else ""
            else:
                record.types = words[1]
                record.sort = words[2] if len(words) > 2 else "nosort"
                record.label = words[3] if len(words) > 3 else None
                record.expected = []
                if n < len(lines) and lines[n] == "----":
                    n += 1
                while n < len(lines) and lines[n]:
                    record.expected.append(lines[n])
                    n += 1
            if wanted:
                records.append(record)
        elif words[0] not in ("halt", "hash-threshold"):
            raise ValueError(f"line {n}: {words[0]} is no record")
        wanted = True
    return records


def as_integer(value):
    if value.isdigit() or (value[:1] == "-" and value[1:].isdigit()):
        return value
    if value in ("t", "true", "f", "false"):
        return "1" if value[0] == "t" else "0"
    try:
        return str(int(decimal.Decimal(value)))
    except (decimal.InvalidOperation, ValueError, OverflowError):
        return "0"


def as_real(value):
    try:
        number = float(value)
    except ValueError:
        return value
    if abs(number) >= 1e16 and number == number and abs(number) != float("inf"):
        return "%.3f" % float("%.15e" % number)
    return "%.3f" % number


def as_text(value):
    if value == "":
        return "(empty)"
    if value.isascii() and value.isprintable():
        return value
    return re.sub(r"[^ -~]", "@", value)


PRINT = {"I": as_integer, "R": as_real, "T": as_text}


def printed(record, result):
    """The result's values as the format prints and orders them, or a complaint."""
    columns = [PRINT[letter] for letter in record.types]
    rows = []
    for row in result.rows():
        if len(row) != len(columns):
            return None, f"{len(row)} columns, {len(columns)} expected"
        rows.append(["NULL" if value is None else column(value) for column, value in zip(columns, row)])
    if record.sort == "rowsort":
        rows.sort()
    values = [value for row in rows for value in row]
    if record.sort == "valuesort":
        values.sort()
    return values, None


def digest(values):
    return hashlib.md5("".join(value + "\n" for value in values).encode()).hexdigest()


def judge(record, result, labels):
    """What is wrong with the result, or nothing."""
    if record.types is None:
        if record.error is None:
            return f"{result.code}: {result.message}" if result.code else None
        if not result.code:
            return "no error where one is expected"
        if result.code == "XX000" or (record.error and result.code != record.error):
            return f"{result.code}: {result.message}" + (f", {record.error} expected" if record.error else "")
        return None
    if result.code:
        return f"{result.code}: {result.message}"
    values, complaint = printed(record, result)
    if complaint:
        return complaint
    hashed = re.fullmatch(r"(\d+) values hashing to ([0-9a-f]{32})", record.expected[0]) if len(record.expected) == 1 else None
    if hashed:
        if len(values) != int(hashed.group(1)):
            return f"{len(values)} values, {hashed.group(1)} expected"
        if digest(values) != hashed.group(2):
            return f"wrong values: {values[:8]}..."
    elif values != record.expected:
        if len(values) != len(record.expected):
            return f"{len(values)} values, {len(record.expected)} expected: {values[:8]}"
        i = next(i for i, pair in enumerate(zip(values, record.expected)) if pair[0] != pair[1])
        return f"value {i + 1}: got {values[i]!r}, expected {record.expected[i]!r}"
    if record.label and labels.setdefault(record.label, digest(values)) != digest(values):
        return f"differs from another query of label {record.label}"
    return None


# ---- Storage ----

CHANGES = re.compile(r"\s*(insert|update|delete|create\s+(unique\s+)?index|replace|copy)\b", re.I)
CREATE = re.compile(r"\s*create\s+table\s+(\w+)\s*\(\s*(.*)\)", re.I | re.S)
GONE = re.compile(r"\s*(?:drop|alter)\s+table\s+(?:if\s+exists\s+)?(\w+)", re.I)
BEGIN = re.compile(r"\s*(begin|start\s+transaction)\b", re.I)
END = re.compile(r"\s*(commit|rollback|end|abort)\b", re.I)
COLUMN = re.compile(r"\s*(\w+)\s+(\w+)")


def columns_of(body):
    """(name, type) of the columns of CREATE TABLE's body; enough for scripts."""
    found = []
    for part in re.split(r",(?![^(]*\))", body):
        match = COLUMN.match(part)
        if match and match.group(1).lower() not in ("primary", "unique", "check", "constraint", "foreign"):
            found.append((match.group(1), match.group(2).lower()))
    return found


def arrange(records, storage, places_max=24):
    """The records with statements in between that settle the rows: a list of (record or None, SQL)."""
    script, tables, pending, places, run, inside = [], {}, 0, 0, 0, False

    def settle(half):
        script.append((None, "CHECKPOINT FREEZE"))
        for table, columns in tables.items() if storage != "cold" else ():
            name, kind = columns[-1]
            few = next((f" where {c} % 3 = 0" for c, k in columns if k.startswith("int")), "") if half else ""
            script.append((None, f"update {table} set {name} = {name}{few}"))

    loads = [bool(CHANGES.match(record.sql)) and record.types is None for record in records]
    for i, record in enumerate(records):
        if storage != "hot" and places < places_max and pending and not inside:
            if loads[i] and storage == "mixed" and pending == run // 2:
                settle(True)
                places += 1
            elif not loads[i] and record.types is not None and (storage != "mixed" or run == 1):
                settle(storage == "mixed")
                pending, places = 0, places + 1
        if loads[i]:
            if not pending:
                run = next((k for k in range(i, len(records)) if not loads[k]), len(records)) - i
            pending += 1
        elif record.types is not None:
            pending = 0
        script.append((record, record.sql))
        if record.types is None:
            inside = bool(BEGIN.match(record.sql)) or (inside and not END.match(record.sql))
        create, gone = CREATE.match(record.sql), GONE.match(record.sql)
        if create and record.error is None and not inside and columns_of(create.group(2)):
            tables[create.group(1)] = columns_of(create.group(2))
        if gone:
            tables.pop(gone.group(1), None)
    return script


# ---- Files ----

def read_table(path, columns):
    """The rows of a tab-separated file with a header; lines starting with # are comments."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]
    return [tuple(line.split("\t"))[:columns] for line in lines[1:]]


@functools.lru_cache(maxsize=None)
def corpus():
    with tarfile.open(os.path.join(CORPUS, "scripts.tar.xz")) as archive:
        return {member.name: archive.extractfile(member).read().decode() for member in archive if member.isfile()}


def collect(paths):
    """{name: text} of the scripts."""
    if not paths:
        return dict(corpus())
    found = {}
    for path in paths:
        names = [path] if os.path.isfile(path) else [
            os.path.join(folder, name) for folder, _, files in os.walk(path) for name in files]
        for name in names:
            if name.endswith((".slt", ".test")):
                with open(name, encoding="utf-8") as file:
                    found[os.path.relpath(name, path) if name != path else name] = file.read()
    return found


def sample(files, part, only):
    """Part k of n: each n-th file, so that every part has small and large ones; `only` matches names."""
    k, n = (int(word) for word in part.split("/"))
    order = sorted((name for name in files if not only or fnmatch.fnmatch(name, only)), key=lambda f: (len(files[f]), f))
    return [name for i, name in enumerate(order) if i % n == k - 1]


def run_file(name, text, args):
    """(passed, [complaint], {feature: left out})."""
    exceptions = {int(line) for file, line in args.exceptions if file == name} if args.engine == "postgresql" else set()
    records = [r for r in parse(text, {args.engine} | (set() if args.oracle else {args.storage, "kodiak"})) if r.line not in exceptions]
    script = arrange(records, args.storage)
    with kdk.scratch() as folder:
        database = ":memory:" if args.memory else os.path.join(folder, "t.kdk")
        done = kdk.run(args.kodiak, database, [sql for _, sql in script], args.option, args.seconds)
        checked = ""
        if args.check and not args.memory:
            check = subprocess.run([*args.kodiak.split(), "check", database], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace")
            checked = check.stdout[-2000:] if check.returncode else ""
    unsupported = [(feature, re.compile(pattern, re.I | re.S)) for feature, file, pattern in args.unsupported
                   if fnmatch.fnmatch(name, file)]
    passed, complaints, labels, left_out = 0, [], {}, {}
    for (record, sql), result in zip(script, done.results):
        if record is None:
            if result.code:
                complaints.append(f"{name}: inserted {sql}: {result.code}: {result.message}")
            continue
        feature = next((f for f, p in unsupported if record.error is None and p.search(record.sql)), None)
        complaint = judge(record, result, labels)
        if feature and result.code in REFUSALS:
            left_out[feature] = left_out.get(feature, 0) + 1
        elif feature:
            complaints.append(f"{name}:{record.line}: listed as unsupported ({feature}), yet "
                              f"{complaint or 'passes'}\n    {record.sql}")
        elif complaint:
            complaints.append(f"{name}:{record.line}: {complaint}\n    {record.sql}")
        else:
            passed += 1
    if done.trouble:
        complaints.append(f"{name}: the shell {done.trouble}")
    if checked:
        complaints.append(f"{name}: kodiak check: {checked}")
    return passed, complaints, left_out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kodiak", default="build/release/kodiak", help="the command, with arguments if need be")
    parser.add_argument("--engine", default="postgresql", help="whose skipif and onlyif count")
    parser.add_argument("--oracle", action="store_true", help="the command is another engine: leave out `onlyif kodiak`")
    parser.add_argument("--storage", default="hot", choices=("hot", "cold", "patched", "mixed"))
    parser.add_argument("--memory", action="store_true", help="run on :memory:")
    parser.add_argument("--disk", dest="memory", action="store_false", help="run on a directory (the default)")
    parser.add_argument("--check", action="store_true", help="run `kodiak check` on each directory afterwards")
    parser.add_argument("--part", default="1/1", help="K/N: every N-th file, from the K-th")
    parser.add_argument("--only", help="pattern of file names")
    parser.add_argument("--jobs", type=int, default=1, help="files at once")
    parser.add_argument("--seconds", type=int, default=900, help="limit for a file")
    parser.add_argument("--option", action="append", default=[], help="passed on to the shell")
    parser.add_argument("--shown", type=int, default=20, help="complaints shown of each file")
    parser.add_argument("--times", action="store_true")
    parser.add_argument("path", nargs="*")
    args = parser.parse_args()
    args.exceptions = read_table(os.path.join(CORPUS, "not-postgresql-15.tsv"), 2) if not args.path else []
    args.unsupported = read_table(kdk.top("test/sql/unsupported.tsv"), 3) if args.engine == "postgresql" else []

    files = collect(args.path)
    names = sample(files, args.part, args.only)
    passed = failed = 0
    left_out = {}
    with concurrent.futures.ProcessPoolExecutor(max_workers=args.jobs) as pool:
        runs = [(name, pool.submit(run_file, name, files[name], args)) for name in names]
        for name, future in runs:
            good, complaints, left = future.result()
            passed += good
            failed += len(complaints)
            for feature, count in left.items():
                left_out[feature] = left_out.get(feature, 0) + count
            if args.times:
                print(f"{name}: {good} passed, {len(complaints)} failed")
            for complaint in complaints[:args.shown]:
                print(complaint)
            if len(complaints) > args.shown:
                print(f"{name}: {len(complaints) - args.shown} more")
    for feature, count in sorted(left_out.items()):
        print(f"left out: {count} records that need {feature}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
