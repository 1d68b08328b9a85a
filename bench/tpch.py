#!/usr/bin/env python3
"""TPC-H against DuckDB on the same files: load time, size, memory, and query by query the median of 5 warm runs.

    bench/tpch.py [--kodiak PATH] [--sf 1] [--threads 2] [--runs 5] [--query N]...

A ratio above 1 says that kodiak takes longer. Both databases lie on disk; DuckDB has no keys, its usual set-up.
"""
import argparse
import importlib
import multiprocessing
import os
import resource
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test"))
kdk, tpch = importlib.import_module("kdk"), importlib.import_module("tpch")


def timed(action, runs):
    """The median of `runs` calls, in seconds, after one that warms up."""
    action()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def bytes_in(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def measure_kodiak(args, folder, numbers):
    database = os.path.join(folder, "tpch.kdk")
    session = kdk.Session(args.kodiak, database, ["-s", f"threads={args.threads}"])
    started = time.perf_counter()
    for sql in tpch.schema() + tpch.copies(folder) + ["checkpoint freeze"]:
        session.ask(sql)
    out = {"load": time.perf_counter() - started, "queries": {}}
    out["bytes"] = bytes_in(os.path.join(database, "blocks")) + bytes_in(os.path.join(database, "trees"))
    for number in numbers:
        try:
            out["queries"][number] = timed(lambda sql=tpch.queries()[number]: session.ask(sql), args.runs)
        except RuntimeError as error:
            out["queries"][number] = None
            print(f"Q{number}: {error}")
    out["memory"] = session.peak_bytes()
    session.close()
    return out


def measure_duckdb(args, folder, numbers, pipe):
    import duckdb
    path = os.path.join(folder, "tpch.duckdb")
    connection = duckdb.connect(path, config={"threads": args.threads})
    started = time.perf_counter()
    for sql in tpch.schema(keys=False) + tpch.copies(folder) + ["checkpoint"]:
        connection.execute(sql)
    out = {"load": time.perf_counter() - started, "bytes": bytes_in(path), "queries": {}}
    for number in numbers:
        out["queries"][number] = timed(lambda sql=tpch.queries()[number]: connection.execute(sql).fetchall(), args.runs)
    out["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    out["version"] = duckdb.__version__
    pipe.send(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kodiak", default="build/release/kodiak")
    parser.add_argument("--generator", help="tpchgen; the default is the one of the command's build")
    parser.add_argument("--sf", default="1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--query", type=int, action="append")
    parser.add_argument("--limit", type=float, default=20, help="fail when a query is slower by this factor")
    args = parser.parse_args()
    numbers = args.query or list(tpch.queries())
    with kdk.scratch() as folder:
        tpch.generate(args.generator or os.path.join(os.path.dirname(args.kodiak), "tpchgen"), args.sf, folder)
        ours = measure_kodiak(args, folder, numbers)
        receive, send = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.Process(target=measure_duckdb, args=(args, folder, numbers, send))
        child.start()
        send.close()  # So that a child that dies is noticed.
        theirs = receive.recv()
        child.join()
    print(f"TPC-H SF {args.sf}, {args.threads} threads, medians of {args.runs}, DuckDB {theirs['version']}")
    print(f"{'':12}{'kodiak':>12}{'duckdb':>12}{'ratio':>8}")
    for name, unit, scale in (("load", "s", 1), ("bytes", "MB", 1e6), ("memory", "MB", 1e6)):
        a, b = ours[name] / scale, theirs[name] / scale
        print(f"{name + ' ' + unit:12}{a:12.2f}{b:12.2f}{a / b:8.2f}")
    ratios = []
    for number in numbers:
        a, b = ours["queries"][number], theirs["queries"][number]
        if a is None:
            print(f"{'Q' + str(number) + ' ms':12}{'failed':>12}{b * 1e3:12.2f}")
            ratios.append(float("inf"))
            continue
        ratios.append(a / b)
        print(f"{'Q' + str(number) + ' ms':12}{a * 1e3:12.2f}{b * 1e3:12.2f}{a / b:8.2f}")
    print(f"{'median':12}{'':24}{statistics.median(ratios):8.2f}")
    print(f"{'worst':12}{'':24}{max(ratios):8.2f}")
    return 1 if max(ratios) > args.limit else 0


if __name__ == "__main__":
    sys.exit(main())
