#!/usr/bin/env python3
"""Mutants: one line of a function is negated, deleted or replaced, and a named test must fail.

test/mutants.tsv has a mutant a line, tab-separated:
    file        src/wal/wal.c
    function    the line is looked for from this function's definition to the `}` that ends it
    line        a text that occurs there on exactly one line
    change      delete, negate (of `if (...)`, `while (...)`, `return ...;`), or the text that replaces `line`
    test        `wal_test PATTERN...` builds and runs a unit test program; `TARGET: COMMAND` builds a target and
                runs a command in the copy, whose build is build/debug
A mutant that does not compile, or whose test passes, is a failure; so is a test that fails without it.
"""
import filecmp
import os
import re
import shutil
import subprocess
import sys

import kdk

TREE = kdk.top("build/mutants")
SKIPPED = {"build", ".git", ".venv", "__pycache__"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def files_of(top):
    """Relative paths of what the copy has of the project."""
    for folder, names, files in os.walk(top):
        names[:] = [name for name in names if name not in SKIPPED and not name.endswith(".kdk")]
        for name in files:
            yield os.path.relpath(os.path.join(folder, name), top)


def refresh():
    """Makes the sources of the copy those of the project. What is the same stays untouched, so that the kept build is not made anew; what
    differs gets the time of now, since a build may have seen a mutant of it."""
    wanted = set(files_of(kdk.top()))
    os.makedirs(TREE, exist_ok=True)
    for path in set(files_of(TREE)) - wanted:
        os.remove(os.path.join(TREE, path))
    for path in wanted:
        source, copy = kdk.top(path), os.path.join(TREE, path)
        if not os.path.exists(copy) or not filecmp.cmp(source, copy, shallow=False):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy(source, copy)


def function_lines(lines, name):
    """The lines of a function: from a definition that starts a line, to its closing brace in column 0."""
    for start, line in enumerate(lines):
        if re.match(r"[a-z].*\b" + re.escape(name) + r"\(", line) and not line.rstrip().endswith(";"):
            end = next((k for k in range(start, len(lines)) if lines[k].startswith("}")), None)
            body = next((k for k in range(start, len(lines)) if lines[k].startswith("{") or lines[k].rstrip().endswith(";")), None)
            if end is not None and body is not None and lines[body].startswith("{"):
                return range(start, end + 1)
    return range(0)


def negate(line):
    match = re.match(r"^(.*\b(?:if|while) )\((.*)\)(\s*\{?\s*)$", line)
    if match:
        return f"{match.group(1)}(!({match.group(2)})){match.group(3)}"
    match = re.match(r"^(\s*return )(.*)(;\s*)$", line)
    return f"{match.group(1)}!({match.group(2)}){match.group(3)}" if match else None


def statements(lines, span):
    """(first, last, text) of what stands on one line, or on several that a formatter broke it into, then joined by blanks."""
    i = span.start
    while i < span.stop:
        first, text = i, lines[i]
        while i + 1 < span.stop and (text.count("(") > text.count(")") or re.search(r"(?:[=?,(]|&&|\|\|)$", text.split("/*")[0].rstrip())):
            i += 1
            text = text.rstrip() + ("" if text.endswith("(") else " ") + lines[i].strip()
        yield first, i, text
        i += 1


def mutate(text, function, wanted, change):
    """(mutated text, complaint)."""
    lines = text.split("\n")
    hits = [(first, last, line) for first, last, line in statements(lines, function_lines(lines, function)) if wanted in line]
    if len(hits) != 1:
        return None, f"{len(hits)} lines of {function} have {wanted!r}"
    first, last, line = hits[0]
    new = "{}" if change == "delete" else negate(line) if change == "negate" else line.replace(wanted, change)
    if new is None or new == line:
        return None, f"cannot {change} {line!r}"
    return "\n".join(lines[:first] + [new] + lines[last + 1:]), None


def build(target):
    return subprocess.run(["ninja", "-C", "build/debug", target], cwd=TREE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


def command_of(test):
    """(target, argv)."""
    if ": " in test:
        target, command = test.split(": ", 1)
        return target, ["sh", "-c", command]
    target, *patterns = test.split()
    return target, [os.path.join("build/debug", target), *patterns]


def passes(argv):
    try:
        return subprocess.run(argv, cwd=TREE, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=120).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def main(words):
    entries = [line.rstrip("\n").split("\t") for line in read(kdk.top("test/mutants.tsv")).splitlines()[1:]
               if line.strip() and not line.startswith("#") and all(word in line for word in words)]
    refresh()
    subprocess.run(["cmake", "--preset", "debug", "-DCMAKE_C_FLAGS=-w"], cwd=TREE, check=True, stdout=subprocess.DEVNULL)
    tally, sound = kdk.Tally(), {}
    for file, function, line, change, test in entries:
        what = f"{file} {function}: {change} {line!r} ({test})"
        target, argv = command_of(test)
        if test not in sound:
            done = build(target)
            sound[test] = done.returncode == 0 and passes(argv)
            if not sound[test]:
                print(done.stdout[-2000:])
        path = os.path.join(TREE, file)
        original = read(path)
        mutated, complaint = mutate(original, function, line, change)
        if complaint or not sound[test]:
            tally.check(False, f"{what}: {complaint or 'its test fails without it'}")
            continue
        write(path, mutated)
        done = build(target)
        if done.returncode != 0:
            tally.check(False, f"{what}: does not compile\n{done.stdout[-1000:]}")
        else:
            killed = not passes(argv)
            tally.check(killed, f"{what}: survives")
            print(f"{'killed' if killed else 'SURVIVES'} {what}", flush=True)
        write(path, original)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
