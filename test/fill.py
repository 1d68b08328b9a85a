#!/usr/bin/env python3
"""Writes expected results and SQLSTATEs into our *.slt scripts, as another engine has them.

    test/fill.py [--kodiak test/on_postgres.py] FILE...

A query gets the values after its `----`, `statement error` without a state gets the state. What the engine sees
differently (an error where none is expected, or another state) is printed and left for a person to judge.
"""
import argparse
import sys

import kdk
import slt


def fill(path, kodiak):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    records = slt.parse(text, {"postgresql"})
    done = kdk.run(kodiak, ":memory:", [record.sql for record in records])
    answers = {record.line: (record, result) for record, result in zip(records, done.results)}
    lines, out, i = text.split("\n"), [], 0
    while i < len(lines):
        out.append(lines[i])
        i += 1
        if i not in answers:
            continue
        record, result = answers[i]
        if record.error == "" and result.code:
            out[-1] = f"statement error {result.code}"
        while i < len(lines) and lines[i].strip() and lines[i] != "----":
            out.append(lines[i])
            i += 1
        complaint = slt.judge(record, result, {}) if record.types is None else None
        if record.types is not None:
            values, complaint = (None, f"{result.code}: {result.message}") if result.code else slt.printed(record, result)
            while i < len(lines) and lines[i].strip():  # What was expected so far.
                i += 1
            out += ["----", *(values or [])]
        if complaint:
            print(f"{path}:{record.line}: {complaint}\n    {record.sql}")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kodiak", default=kdk.top("test/on_postgres.py"))
    parser.add_argument("file", nargs="+")
    args = parser.parse_args()
    for path in args.file:
        fill(path, args.kodiak)


if __name__ == "__main__":
    sys.exit(main())
