#!/usr/bin/env python3
"""Damage: one byte in every 997 of every live file is flipped in turn; each SELECT then equals the original or fails
naming file and offset, and the shell does not crash.

    test/flip.py --kodiak PATH [--stride 997] [--rows N]

A file's tail of zeros (a log segment is written with zeros first) is tried at 64 places only, unless --whole.

Then the log of a process that was killed, which holds all there is, is damaged more densely: what SELECT gives is all commits, or those before
the damage and a notice that names file and offset (or, for the last group, which nothing vouches for, that a torn write was cut).
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

import kdk

QUERIES = ("select * from t order by k", "select count(*), sum(k), min(s), max(s) from t", "select * from t where k = 17",
           "select s, count(*) from t group by s order by s", "select k from t where n = 77 order by k", "select * from u order by a")
PLACE = re.compile(r"(MANIFEST|[\w./-]*(?:wal|blocks|trees)/[\w.-]+|[\w-]+\.(?:arrow|wal|tree|log)\b).*?\b(?:offset|byte|at) +\d+", re.S)


def build(args, database):
    rows = ",".join(f"({k}, {k % 100}, {kdk.literal('word ' + str(k % 7))}, {k}.25)" for k in range(args.rows))
    done = kdk.run(args.kodiak, database, [
        "create table t (k integer primary key, n integer, s text, d numeric(10,2))", "create index t_n on t (n)",
        f"insert into t values {rows}", "checkpoint freeze", "update t set s = 'patched' where k % 17 = 0",
        "delete from t where k % 19 = 0", "checkpoint", "create table u (a integer primary key, b text)",
        "insert into u values (1, 'one'), (2, 'two')", "update t set n = 77 where k = 3"])
    bad = [r.message for r in done.results if r.code]
    if bad or done.trouble:
        raise SystemExit(f"{bad} {done.trouble}\n0 passed, 1 failed")


COMMITS = 20
TORN = re.compile(r"torn write were cut from the end of the log, at position \d+")


def build_log(args, database):
    """A database that was not closed."""
    script = "create table t (k integer primary key, s text);\n" + "".join(
        f"insert into t values ({k}, 'word {k}');\n" for k in range(1, COMMITS + 1)) + "select 'the end';\n"
    with subprocess.Popen([*args.kodiak.split(), database, "--format", "csv", "--no-header"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as shell:
        shell.stdin.write(script)
        shell.stdin.flush()
        while "the end" not in shell.stdout.readline():
            if shell.poll() is not None:
                raise SystemExit("the shell ended\n0 passed, 1 failed")
        shell.kill()


def flip_log(args, folder, tally):
    source, database = os.path.join(folder, "log.kdk"), os.path.join(folder, "log-copy.kdk")
    build_log(args, source)
    whole = [f"{k},word {k}" for k in range(1, COMMITS + 1)]
    shorter = 0
    for name in sorted(os.listdir(os.path.join(source, "wal"))):
        for offset in places(os.path.join(source, "wal", name), args.stride // 10, 1):
            shutil.rmtree(database, ignore_errors=True)
            shutil.copytree(source, database)
            with open(os.path.join(database, "wal", name), "r+b") as file:
                file.seek(offset)
                byte = file.read(1)
                file.seek(offset)
                file.write(bytes([byte[0] ^ (1 << offset % 8)]))
            done = subprocess.run([*args.kodiak.split(), database, "--format", "csv", "--no-header", "-c", "select * from t order by k"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=60)
            rows = done.stdout.splitlines()
            if done.returncode:  # Even the table may be behind the damage.
                fine = PLACE.search(done.stderr) and done.returncode > 0
            else:
                fine = rows == whole or (rows == whole[:len(rows)] and (PLACE.search(done.stderr) or (
                    len(rows) == COMMITS - 1 and TORN.search(done.stderr))))
            shorter += len(rows) < COMMITS
            tally.check(fine, f"log {name} byte {offset}: code {done.returncode}, {len(rows)} rows, {done.stderr}")
    print(f"the log of a killed process: {shorter} times fewer rows, with a notice")
    tally.check(shorter > COMMITS / 2, "damage to the log was not noticed")


def places(path, stride, tail=64):
    """Offsets to damage."""
    with open(path, "rb") as file:
        content = file.read()
    used = min(len(content), len(content.rstrip(b"\0")) + 512)
    rest = range(used, len(content), max(stride, (len(content) - used) // tail if tail else 1, 1))
    return list(range(min(stride // 2, max(len(content) - 1, 0)), used, stride)) + list(rest)


def answers(kodiak, database):
    return kdk.run(kodiak, database, QUERIES, seconds=60)


def try_file(kodiak, source, name, offsets, want, scratch):
    """What went wrong, for the offsets of one file."""
    troubles, refused = [], 0
    for offset in offsets:
        database = os.path.join(scratch, "copy.kdk")
        shutil.rmtree(database, ignore_errors=True)
        shutil.copytree(source, database)
        path = os.path.join(database, name)
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)
            file.seek(offset)
            file.write(bytes([byte[0] ^ (1 << offset % 8)]))
        done = answers(kodiak, database)
        for sql, result, expected in zip(QUERIES, done.results, want):
            said = result.message + " " + done.trouble
            if result.code:
                refused += 1
                if not PLACE.search(said) or "Sanitizer" in said or "code -" in said:
                    troubles.append(f"{name} byte {offset}: {sql}: {result.code}: {said}")
            elif result.rows() != expected:
                troubles.append(f"{name} byte {offset}: {sql}: a wrong answer")
    return troubles, refused


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kodiak", default="build/tiny/kodiak")
    parser.add_argument("--stride", type=int, default=997)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--whole", action="store_true", help="tails of zeros at every stride too")
    args = parser.parse_args()
    tally, refused = kdk.Tally(), 0
    with kdk.scratch() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        source = os.path.join(folder, "source.kdk")
        build(args, source)
        shutil.copytree(source, os.path.join(folder, "first.kdk"))
        first = answers(args.kodiak, os.path.join(folder, "first.kdk"))
        if any(r.code for r in first.results) or first.trouble:
            raise SystemExit(f"{[r.message for r in first.results]} {first.trouble}\n0 passed, 1 failed")
        want = [result.rows() for result in first.results]
        runs = []
        for inside, _, names in os.walk(source):
            for name in names:
                path = os.path.join(inside, name)
                offsets = places(path, args.stride, 0 if args.whole else 64) if os.path.getsize(path) and name != "LOCK" else []
                for share in range(2):
                    scratch = os.path.join(folder, str(len(runs)))
                    os.mkdir(scratch)
                    runs.append((offsets[share::2], pool.submit(
                        try_file, args.kodiak, source, os.path.relpath(path, source), offsets[share::2], want, scratch)))
        for offsets, future in runs:
            troubles, count = future.result()
            refused += count
            wrong = {trouble.split(":")[0] for trouble in troubles}
            tally.passed += len(offsets) - len(wrong)
            for trouble in troubles:
                print(trouble)
            tally.failed += len(wrong)
        print(f"{len(runs) // 2} files, {tally.passed + tally.failed} flips, {refused} statements refused")
        tally.check(refused, "no damage was ever noticed")
        flip_log(args, folder, tally)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
