#!/usr/bin/env python3
"""Runs what the documents show.   test/docs.py [--build DIR]

In docs/*.md and README.md a ```sql block is run by the shell, the blocks of a document one after the other on one database; a ```text block behind it
is what it must print, tags of commands apart. The README's session of the shell is typed, and its C program then built and run on the database that it leaves. C blocks of
docs/c-api.md must compile, docs/sql.md must name each function, and the step file of docs/shell.md must run.
"""
import argparse
import glob
import os
import re
import subprocess
import sys

import kdk

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
# What the examples of docs/c-api.md take for granted.
PRELUDE = """#include <stdio.h>
#include <kodiak.h>
void example(kdk_conn *conn, const char *sql);
void example(kdk_conn *conn, const char *sql)
{
    kdk_stmt *stmt = NULL;
    kdk_status status = KDK_OK;
    bool row = false;
    (void)conn, (void)sql, (void)stmt, (void)status, (void)row;
"""
# In the table of functions of docs/sql.md: forms that the grammar knows, other names, and words that are none.
OTHER_WORDS = {"current_timestamp", "generate_series", "in", "mod", "position", "power", "substring", "trim"}
PROGRAM = """#include <stdbool.h>
#include <stdio.h>
%s
int main(void)
{
%s
    kdk_stmt_free(stmt);
    kdk_disconnect(conn);
    return kdk_close(db) == KDK_OK ? 0 : 1;
}
"""


def read(path):
    with open(kdk.top(path), encoding="utf-8") as file:
        return file.read()


def blocks(path):
    return BLOCK.findall(read(path))


def same(tally, got, wanted, what):
    tally.check(got == wanted, f"{what}\n--- shown\n{wanted}--- printed\n{got}")


def plain(output):
    """Without tags of commands, and where in the script an error is."""
    lines = [line.rstrip() for line in output.rstrip().split("\n")]
    return "\n".join(line for line in lines if not re.match(r"[A-Z]+( [A-Z0-9 ]+)?$|CONTEXT: ", line)).strip("\n") + "\n"


def run_sql(tally, kodiak, path):
    found = blocks(path)
    shown = [(text, found[i + 1][1] if i + 1 < len(found) and found[i + 1][0] == "text" else None)
             for i, (kind, text) in enumerate(found) if kind == "sql"]
    if not shown:
        return
    script = "".join(f"{text.rstrip()}\nselect '#{i}#' as mark;\n" for i, (text, _) in enumerate(shown))
    done = subprocess.run([kodiak, "--no-bail"], input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    rest = done.stdout
    for i, (text, wanted) in enumerate(shown):
        mark = re.search(rf"^ +mark\n-+\n #{i}#\n\(1 row\)\n\n?", rest, re.M)
        if not tally.check(mark, f"{path}: no end of\n{text}in\n{rest[:500]}"):
            return
        got, rest = rest[:mark.start()], rest[mark.end():]
        if wanted is None:
            tally.check("ERROR" not in got, f"{path}:\n{text}{got}")
        else:
            same(tally, plain(got), plain(wanted), f"{path}:\n{text}")


def compile_c(source, program, *more):
    flags = ["-std=c17", "-Wall", "-Wextra", "-Werror", "-I", kdk.top("include")]
    return subprocess.run(["cc", "-Wno-misleading-indentation", *flags, source, "-o", program, *more], capture_output=True, text=True, timeout=120)


def readme(tally, kodiak, build, folder):
    text = read("README.md")
    session = re.findall(r"^    kodiak> (.*)$", text, re.M)
    tally.check(len(session) >= 3, "README.md shows no session of the shell")
    done = subprocess.run([kodiak, "sales.kdk", "--format", "csv", "--no-header"], input="\n".join(session), cwd=folder,
                          capture_output=True, text=True, timeout=60)
    same(tally, done.stdout + done.stderr, "1,Bern\n2,Oslo\nOslo\n", "README.md: the session")
    code = [body for kind, body in blocks("README.md") if kind == "c"]
    if not tally.check(len(code) == 1, "README.md shows no C program"):
        return
    includes = "".join(line + "\n" for line in code[0].split("\n") if line.startswith("#"))
    body = "".join(line + "\n" for line in code[0].split("\n") if not line.startswith("#"))
    source, program = os.path.join(folder, "readme.c"), os.path.join(folder, "readme")
    with open(source, "w", encoding="utf-8") as file:
        file.write(PROGRAM % (includes, body))
    done = compile_c(source, program, "-L", build, f"-Wl,-rpath,{build}", "-lkodiak")
    if tally.check(done.returncode == 0, f"README.md: {done.stderr}"):
        done = subprocess.run([program], cwd=folder, capture_output=True, text=True, timeout=60)
        same(tally, (done.returncode, done.stdout), (0, "Oslo\n"), "README.md: the program")


def c_blocks(tally, folder):
    for i, body in enumerate(body for kind, body in blocks("docs/c-api.md") if kind == "c"):
        source = os.path.join(folder, f"block{i}.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write(PRELUDE + body + "}\n")
        done = compile_c(source, os.path.join(folder, f"block{i}.o"), "-c")
        tally.check(done.returncode == 0, f"docs/c-api.md:\n{body}{done.stderr}")


def steps(tally, kodiak, folder):
    files = [body for kind, body in blocks("docs/shell.md") if "=> " in body]
    tally.check(len(files) == 1, "docs/shell.md shows no step file")
    for body in files:
        path = os.path.join(folder, "doc.steps")
        with open(path, "w", encoding="utf-8") as file:
            file.write(body)
        done = subprocess.run([kodiak, ":memory:", "--steps", path], capture_output=True, text=True, timeout=60)
        tally.check(done.returncode == 0, f"docs/shell.md: the step file: {done.stdout}{done.stderr}")


def functions(tally):
    """docs/sql.md names every function of the list, and no other."""
    named = {name for name in re.findall(r'^ *X\(\w+, "(\w+)"', read("src/catalog/fn_list.h"), re.M)}
    page = read("docs/sql.md")
    words = {word.lower() for word in re.findall(r"\w+", page)}
    table = {word for row in re.findall(r"^\| (?:numbers|text|bytes|dates|others) \| (.*?) \|$", page, re.M)
             for word in re.findall(r"[a-z][a-z_0-9]+", row)}
    for name in sorted(named - words):
        tally.check(False, f"docs/sql.md does not name {name}()")
    for name in sorted(table - named - OTHER_WORDS):
        tally.check(False, f"docs/sql.md names {name}(), which is not in src/catalog/fn_list.h")
    tally.check(len(named) > 100 and len(table) > 100, "docs/sql.md: no table of functions")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build/release")
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    kodiak = os.path.join(build, "kodiak")
    tally = kdk.Tally()
    for path in ["README.md", *(os.path.relpath(p, kdk.top()) for p in sorted(glob.glob(kdk.top("docs/*.md"))))]:
        run_sql(tally, kodiak, path)
    functions(tally)
    with kdk.scratch() as folder:
        readme(tally, kodiak, build, folder)
        c_blocks(tally, folder)
        steps(tally, kodiak, folder)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
