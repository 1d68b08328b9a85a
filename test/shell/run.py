#!/usr/bin/env python3
"""The kodiak command: options, formats, errors, pipes, COPY, steps, terminals.

    test/shell/run.py --kodiak PATH [WORD]...     only the tests whose names hold one of the words
"""
import argparse
import errno
import inspect
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import kdk  # noqa: E402

LONG = "select count(*) from n a, n b, n c, n d, n e, n f, n g, n h, n i where a.x + b.x + c.x > d.x + e.x + f.x + g.x + h.x + i.x"
NUMBERS = "create table n (x integer); insert into n values " + ",".join(f"({i})" for i in range(40)) + ";"


class Kodiak:
    def __init__(self, path):
        self.argv = [os.path.abspath(p) if os.path.exists(p) else p for p in path.split()]

    def run(self, *args, text=None, cwd=None):
        """(standard output, standard error, exit code)"""
        data = text.encode() if isinstance(text, str) else text
        done = subprocess.run([*self.argv, *args], input=data or b"", capture_output=True, timeout=120, cwd=cwd)
        return done.stdout.decode(), done.stderr.decode(), done.returncode

    def csv(self, text, *args):
        return self.run("--format", "csv", *args, text=text)


def same(tally, got, want, what):
    tally.check(got == want, f"{what}\n  got      {got!r}\n  expected {want!r}")


# ---- Formats ----

ROWS = "select 1 as id, cast('x,y' as text) as t, 1.50 as n, cast(null as text) as z, true as b union all " \
       "select 22, 'say \"hi\"', -2.25, '', false order by id"


def test_csv(k, tally):
    same(tally, k.csv(ROWS + ";"), ("id,t,n,z,b\n1,\"x,y\",1.50,,t\n22,\"say \"\"hi\"\"\",-2.25,\"\",f\n", "", 0), "csv")
    same(tally, k.csv(ROWS + ";", "--no-header", "--null", "-")[0], "1,\"x,y\",1.50,-,t\n22,\"say \"\"hi\"\"\",-2.25,,f\n", "null, no header")
    same(tally, k.csv("select '-', null, 'a\nb';", "--no-header", "--null", "-")[0], '"-",-,"a\nb"\n', "what would read as NULL")
    same(tally, k.csv("select '\\.';", "--no-header")[0], '"\\."\n', "what would end a COPY")
    same(tally, k.csv("create table t (a integer); insert into t values (1); begin; commit;")[0], "", "nothing but rows")
    same(tally, k.csv("create table t (a integer, b text); select * from t;")[0], "a,b\n", "no rows, yet a header")
    same(tally, k.csv("create table t (a integer, b text); select * from t;", "--no-header")[0], "", "no rows")


def test_copy_out(k, tally):
    same(tally, k.run("-c", "copy (select 1 as a, 'x' as b) to stdout with (format csv, header)"), ("a,b\n1,x\n", "", 0), "COPY TO STDOUT: data alone")
    _, err, code = k.run("-c", "copy (select 1) to '/nowhere/x.csv'")
    same(tally, (err, code), ("ERROR 58P01: could not open file \"/nowhere/x.csv\" for writing: No such file or directory\n", 1), "no such folder")


def test_limits_and_permissions(k, tally):
    with kdk.scratch() as folder:
        path = os.path.join(folder, "d.kdk")
        _, err, code = k.run(path, "-c", "create table t (a int, s text); insert into t select g, 'a text of some length ' || g from generate_series(1, 1000) g")
        same(tally, (err, code), ("", 0), "made")
        done = subprocess.run(["sh", "-c", 'ulimit -f 1000; exec "$@"', "sh", k.argv[0], path, "-c",
                               "create table u as select g, 'a text of some length ' || g as s from generate_series(1, 300000) g"],
                              capture_output=True, text=True, timeout=120)
        tally.check(done.returncode == 1 and done.stderr.startswith("ERROR 53100: could not write"), f"a limit on files: {done}")
        same(tally, k.run(path, "--format", "csv", "--no-header", "-c", "select count(*) from t")[0], "1000\n", "and nothing lost")
        if os.geteuid() == 0:
            return  # Nothing is forbidden to root.
        for root, folders, files in os.walk(path, topdown=False):
            for name in files:
                os.chmod(os.path.join(root, name), 0o444)
            os.chmod(root, 0o555)
        _, err, code = k.run(path, "-c", "select 1")
        tally.check(code == 1 and err.startswith("ERROR 42501: could not open"), f"no permission: {err}")
        same(tally, k.run(path, "--read-only", "--format", "csv", "--no-header", "-c", "select count(*) from t"), ("1000\n", "", 0), "yet it can be read")
        for root, folders, files in os.walk(path):
            os.chmod(root, 0o755)


def test_json(k, tally):
    want = [{"id": 1, "t": "x,y", "n": 1.5, "z": None, "b": True}, {"id": 22, "t": 'say "hi"', "n": -2.25, "z": "", "b": False}]
    out, _, code = k.run("--format", "json", "-c", ROWS)
    same(tally, (json.loads(out), code), (want, 0), "json")
    out, _, code = k.run("--format", "jsonl", "-c", ROWS)
    same(tally, ([json.loads(line) for line in out.splitlines()], code), (want, 0), "jsonl")
    tally.check('"n":1.50' in out, f"numerics keep their digits: {out}")
    out = k.run("--format", "json", "-c", "select cast('NaN' as double precision) as a, cast('-Infinity' as double precision) as b, "
                "'\\\"\x01\t\n' as c, 12345678901234567890.5 as d")[0]
    same(tally, json.loads(out, parse_float=str), [{"a": "NaN", "b": "-Infinity", "c": '\\"\x01\t\n', "d": "12345678901234567890.5"}], "oddities")
    same(tally, k.run("--format", "json", "-c", "select 1 as a where false")[0], "[]\n", "no rows")


def test_table(k, tally):
    want = (" id |    t     |   n   |  z   | b\n"
            "----+----------+-------+------+---\n"
            "  1 | x,y      |  1.50 | NULL | t\n"
            " 22 | say \"hi\" | -2.25 |      | f\n"
            "(2 rows)\n\n")
    same(tally, k.run("-c", ROWS)[0], want, "table")
    same(tally, k.run("-c", "select 'Größe' as a, '日本語' as b, 'x' as c")[0],
         "   a   |   b    | c\n-------+--------+---\n Größe | 日本語 | x\n(1 row)\n\n", "wide characters")
    same(tally, k.run("-c", "select 'a\nbc' as a, 'x' as b")[0], " a  | b\n----+---\n a +| x\n bc |\n(1 row)\n\n".replace("|\n(", "| \n("),
         "lines within a value")
    out = k.run("-c", "create table t (a integer)", "-c", "insert into t values (1), (2)")[0]
    same(tally, out, "CREATE TABLE\nINSERT 0 2\n", "tags")


def test_table_streams(k, tally):
    rows = ",".join(f"({i})" for i in range(2500))
    out = k.run(text=f"create table t (a integer); insert into t values {rows}; select a from t order by a;")[0]
    lines = out.splitlines()
    same(tally, (len(lines), lines[-1], lines[-2], lines[4]), (2 + 2 + 2500 + 2, "", "(2500 rows)", "   0"), "many rows")


def test_line_and_markdown(k, tally):
    same(tally, k.run("--format", "line", "-c", "select 1 as a, 'x' as long union all select 2, null")[0],
         "   a = 1\nlong = x\n\n   a = 2\nlong = \n", "line")
    same(tally, k.run("--format", "markdown", "-c", "select 1 as a, 'x|y' as b")[0], "| a | b |\n| ---: | --- |\n| 1 | x\\|y |\n", "markdown")


def test_arrow(k, tally):
    done = subprocess.run([*k.argv, "--format", "arrow", "-c", "create table t (a integer, b text); insert into t values (1, 'x'), (2, null);"
                           " select * from t order by a"], capture_output=True, timeout=60)
    same(tally, (done.returncode, done.stderr), (0, b""), "arrow")
    tally.check(done.stdout[:4] == b"\xff\xff\xff\xff" and done.stdout.endswith(b"\xff\xff\xff\xff\0\0\0\0"), f"a stream: {done.stdout[:40]}")
    try:
        import pyarrow
        table = pyarrow.ipc.open_stream(done.stdout).read_all()
        same(tally, table.to_pydict(), {"a": [1, 2], "b": ["x", None]}, "as pyarrow reads it")
    except ImportError:
        pass


# ---- Errors and exit codes ----

def test_error_place(k, tally):
    out, err, code = k.run("-c", "select 1,\n\t'ä日', nope;\n")
    lines = err.splitlines()
    same(tally, (out, code, lines[0][:12]), ("", 1, "ERROR 42703:"), "error")
    same(tally, lines[1:3], ["LINE 2: \t'ä日', nope;", "        \t" + " " * 7 + "^"], "line and caret")
    err = k.run("-c", "select " + "1 + " * 300 + "nope")[1]
    tally.check(all(len(line) < 140 for line in err.splitlines()), f"a long line is cut: {err[:400]}")
    shown, caret = err.splitlines()[1:3]
    same(tally, shown[caret.index("^"):], "nope", "the caret of a cut line")


def test_index_that_cannot_be_made(k, tally):
    made = "create table t (i int, s text); insert into t values (1, repeat('x', 5000)), (1, 'y');"
    for sql, want in (("create unique index u on t (i)", 'could not create unique index "u"'),
                      ("alter table t add constraint c unique (i)", 'could not create unique index "c"'),
                      ("create unique index on t (i)", 'could not create unique index "t_i_idx"'),
                      ("create index t_s on t (s)", 'exceeds maximum 4088 for index "t_s"')):
        _, err, code = k.run("-c", made + sql)
        tally.check(code == 1 and want in err, f"{sql}: {err}")


def test_error_codes(k, tally):
    same(tally, k.csv("select 1/0 as a; select 2 as b;")[2], 1, "code 1")
    out, err, code = k.csv("select nope; select 2 as b;")
    same(tally, (out, code, err[:12]), ("", 1, "ERROR 42703:"), "stops at the first error")
    out, err, code = k.csv("select nope; select 2 as b;", "--no-bail")
    same(tally, (out, code, err[:12]), ("b\n2\n", 1, "ERROR 42703:"), "goes on, and tells in the end")
    out, _, code = k.run("--format", "csv", "-c", "select nope", "-c", "select 2")
    same(tally, (out, code), ("", 1), "-c stops too")
    same(tally, k.csv("")[1:], ("", 0), "empty input")
    same(tally, k.csv("  -- nothing\n /* at all */ ; ; \n")[1:], ("", 0), "comments alone")
    out, err, code = k.csv("select 'open")
    same(tally, (out, code, err[:12]), ("", 1, "ERROR 42601:"), "an open string")
    same(tally, k.csv("select 7 as a")[0], "a\n7\n", "the last statement needs no semicolon")


def test_usage(k, tally):
    for args in (["--nope"], ["--format", "xml"], ["a", "b"], ["-s", "threads"], ["-c"], ["--steps", "x", "-c", "select 1"]):
        out, err, code = k.run(*args)
        same(tally, (out, code), ("", 2), f"{args}: {err[:100]}")
        tally.check("kodiak [DATABASE]" in err, f"{args} shows the usage")
    same(tally, k.run("--version")[0::2], (k.run("--version")[0], 0), "--version")
    tally.check(re.fullmatch(r"kodiak \d+\.\d+\.\d+\n", k.run("--version")[0]) is not None, "a version")
    out, err, code = k.run("--help")
    same(tally, (err, code, k.run("help")), ("", 0, (out, "", 0)), "--help")
    tally.check(len(out.splitlines()) <= 40 and max(map(len, out.splitlines())) <= 92, "help fits a screen")
    out, err, code = k.run("serve", "x")
    same(tally, (out, code, err[:12]), ("", 1, "ERROR 0A000:"), "serve")
    with kdk.scratch() as folder:
        out, err, code = k.run("--format", "csv", "--", os.path.join(folder, "d.kdk"), text="select 1 as a;")
        same(tally, (out, err, code), ("a\n1\n", "", 0), "--")
        out, err, code = k.run(os.path.join(folder, "no", "such", "d.kdk"), "-c", "select 1")
        same(tally, (out, code, err[:6]), ("", 1, "ERROR "), "a database that does not open")
        out, err, code = k.run(os.path.join(folder, "d.kdk"), "--read-only", "-c", "create table t (a integer)")
        same(tally, (out, code, err[:12]), ("", 1, "ERROR 25006:"), "--read-only")
    same(tally, k.run("-s", "nope=1", "-c", "select 1")[1:], (k.run("-s", "nope=1", "-c", "select 1")[1], 1), "a setting that is none")


def test_check_and_files(k, tally):
    with kdk.scratch() as folder:
        path = os.path.join(folder, "d.kdk")
        k.run(path, "-c", "create table t (a integer primary key); insert into t values (1), (2)")
        out, err, code = k.run("check", path)
        same(tally, (err, code), ("", 0), f"check {out}")
        out, err, code = k.run("files", path)
        same(tally, (err, code), ("", 0), "files")
        tally.check(re.search(r"^ *\d+  wal/\w+\.log$", out, re.M) and re.search(r" bytes in \d+ segments? of the log$", out), f"files: {out}")
        same(tally, (k.run("files")[2], k.run("files", os.path.join(folder, "none.kdk"))[2]), (2, 1), "files of nothing")
        out, err, code = k.run("check", os.path.join(folder, "none.kdk"))
        tally.check(code == 1 and err.startswith("ERROR ") and not os.path.exists(os.path.join(folder, "none.kdk")),
                    f"check of nothing: {err}")


def test_files_in_order(k, tally):
    with kdk.scratch() as folder:
        with open(os.path.join(folder, "a.sql"), "w", encoding="utf-8") as file:
            file.write("\ufeffselect 2 as b;\n.read 'b c.sql'\nselect 4 as d;\n")
        with open(os.path.join(folder, "b c.sql"), "w", encoding="utf-8") as file:
            file.write("select 3 as c;")
        out, err, code = k.run("--no-header", "--format", "csv", "-c", "select 1", "-f", "a.sql", "-c", "select 5; select 6", cwd=folder)
        same(tally, (out, err, code), ("1\n2\n3\n4\n5\n6\n", "", 0), "-c and -f")
        out, err, code = k.run("-f", "none.sql", cwd=folder)
        same(tally, (out, code, err[:12]), ("", 1, "ERROR 58P01:"), "no such file")
        with open(os.path.join(folder, "e.sql"), "w", encoding="utf-8") as file:
            file.write("select 1;\n\nselect\n nope;")
        err = k.run("-f", "e.sql", cwd=folder)[1]
        tally.check(err.splitlines()[-1].endswith("e.sql, line 3") and "LINE 2:  nope;" in err, f"names the place in the file: {err}")
        with open(os.path.join(folder, "loop.sql"), "w", encoding="utf-8") as file:
            file.write(".read loop.sql\n")
        same(tally, k.run("-f", "loop.sql", cwd=folder)[2], 1, "a file that reads itself")
        same(tally, k.run("--format", "csv", "-f", "-", text="select 8 as a")[0], "a\n8\n", "-f -")


# ---- Pipes ----

def test_driven_by_a_program(k, tally):
    """A statement's rows are there before the next is written."""
    process = subprocess.Popen([*k.argv, "--format", "csv", "--no-header", "--no-bail"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)

    def ask(text):
        process.stdin.write(text.encode())
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], 30)
        return os.read(process.stdout.fileno(), 4096).decode() if ready else "nothing"

    same(tally, ask("select 1;"), "1\n", "without a line end")
    same(tally, ask("\nselect\n 'a;b' -- ;\n, 2;\n"), "a;b,2\n", "semicolons that end nothing")
    tally.check(ask("select nope;\n").startswith("ERROR 42703:"), "an error comes at once")
    process.stdin.write(b"select ';")
    process.stdin.flush()
    same(tally, ask("';"), ";\n", "in two pieces")
    process.stdin.close()
    same(tally, process.wait(30), 1, "code after an error")
    process.stdout.close()


def test_long_statements(k, tally):
    text = "x;y''" * 200000
    out, err, code = k.csv(f"select length('{text}') as n;")
    same(tally, (out, err, code), ("n\n800000\n", "", 0), "a megabyte")
    started = time.monotonic()
    out, err, code = k.csv("select 1;\n" * 3000, "--no-header")
    same(tally, (out == "1\n" * 3000, err, code), (True, "", 0), "many statements")
    tally.check(time.monotonic() - started < 60, "in no time")


def test_reader_that_leaves(k, tally):
    text = "create table t (a text); insert into t values " + ",".join(f"('{'x' * 100}')" for _ in range(5000)) + ";"
    process = subprocess.Popen([*k.argv, "--format", "csv"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(text.encode() + b"select 'read';")
    process.stdin.flush()
    os.read(process.stdout.fileno(), 10)
    process.stdout.close()
    try:
        process.stdin.write(b"select * from t;" * 20)
        process.stdin.close()
    except BrokenPipeError:
        pass
    same(tally, (process.wait(60), process.stderr.read()), (1, b""), "ends quietly")
    process.stderr.close()
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([*k.argv, "-c", "select 1"], stdout=full, stderr=subprocess.PIPE, timeout=60)
        tally.check(done.returncode == 1 and done.stderr.startswith(b"ERROR 58030:"), f"a full disk: {done}")


# ---- COPY ----

def test_copy(k, tally):
    script = ("create table t (a integer, b text);\ncopy t from stdin;\n1\tx\n2\t\\N\n\\.\nselect * from t order by a;\n"
              "copy t from stdin with (format csv); select 'same line' as s;\n3,\"a\nb\"\n4,\"\\.\"\n\\.\nselect count(*) from t;\n")
    out, err, code = k.csv(script, "--no-header", "--null", "-")
    same(tally, (out, err, code), ("1,x\n2,-\nsame line\n4\n", "", 0), "from stdin")
    out, err, code = k.csv("create table t (a integer);\ncopy t from stdin;\n1\n2\n3")
    same(tally, (out, err, code), ("", "", 0), "data up to the end")
    out, err, code = k.csv("create table t (a integer);\ncopy t from stdin;\n1\nx\n3\n\\.\nselect count(*) as n from t;\n", "--no-bail")
    same(tally, (out, err[:12], code), ("n\n0\n", "ERROR 22P02:", 1), "bad data are skipped to their end")
    rows = "".join(f"{i}\t{'y' * (i % 90)}\n" for i in range(40000))
    out, err, code = k.csv(f"create table t (a integer, b text);\ncopy t from stdin;\n{rows}\\.\nselect count(*), sum(a), sum(length(b)) from t;\n",
                           "--no-header")
    same(tally, (out, err, code), (f"40000,{sum(range(40000))},{sum(i % 90 for i in range(40000))}\n", "", 0), "much")
    out, err, code = k.run("-c", "create table t (a integer)", "-c", "copy t from stdin", "-c", "copy t to stdout with (format csv)", text="5\n6\n")
    same(tally, (out, err, code), ("CREATE TABLE\nCOPY 2\n5\n6\n", "", 0), "from the standard input of -c")
    out, err, code = k.csv("create table t (a integer, b text); insert into t values (1, 'x'), (2, null); copy t to stdout;")
    same(tally, (out, err, code), ("1\tx\n2\t\\N\n", "", 0), "to stdout")


# ---- Dot commands ----

def test_dot_commands(k, tally):
    out, err, code = k.run(text=".mode csv\n.headers off\n.nullvalue nil\nselect 1, null;\n.mode\n.headers\n-- a comment\n.mode jsonl\nselect 1 as a;\n"
                           ".quit\nselect 2;\n")
    same(tally, (out, err, code), ("1,nil\ncsv\n.headers is off\n{\"a\":1}\n", "", 0), "settings")
    out, err, code = k.run(text=".nope\nselect 1;")
    same(tally, (out, code, err[:12]), ("", 1, "ERROR 42601:"), "an unknown one")
    tally.check(".schema" in k.run(text=".help")[0], ".help")
    out, err, _ = k.run(text=".timer on\nselect 1;")
    tally.check(re.search(r"^Time: \d+\.\d+ ms$", out, re.M) is not None, f"a time: {out}")
    out, err, _ = k.csv(".timer on\nselect 1 as a;")
    tally.check(out == "a\n1\n" and err.startswith("Time: "), "the time is no row")
    with kdk.scratch() as folder:
        out, err, code = k.run("--format", "csv", text=f"create table t (a integer);\n.open '{folder}/x.kdk'\ncreate table t (a integer);\n"
                               f".open {folder}/x.kdk\ninsert into t values (3);\n.open\n.open {folder}/x.kdk\nselect * from t;\n")
        same(tally, (out, err, code), ("a\n3\n", "", 0), ".open")


SCHEMA = """create table "Odd ""Name" (
    "select" integer,
    b text
);
create view v (x) as SELECT a FROM t;
create table t (
    a integer not null,
    b numeric(10,2) default 1.5,
    c varchar(20) not null,
    constraint t_pkey primary key (a),
    constraint t_b_c_key unique (b, c),
    constraint t_a_check check (a > 0)
);
create index t_c on t (c desc, a nulls first);
"""


def test_schema(k, tally):
    setup = ("create table t (a integer primary key, b numeric(10,2) default 1.5, c varchar(20) not null, unique (b, c), check (a > 0));"
             "create index t_c on t (c desc, a nulls first); create view v (x) as select a from t;"
             'create table "Odd ""Name" ("select" integer, b text);')
    out, err, code = k.run("--format", "csv", text=setup + "\n.tables\n")
    same(tally, (out, err, code), ('"Odd ""Name"\nt\nv\n', "", 0), ".tables")
    out, err, code = k.run("--format", "csv", text=setup + "\n.schema\n")
    same(tally, (err, code), ("", 0), ".schema")
    again = k.run("--format", "csv", text=out.replace("create view", "-- ", 1) + "\n.schema\n") if "create view" in out else ("", "", 0)
    want = re.sub(r"^create view.*\n", "", out, flags=re.M)
    same(tally, again, (want, "", 0), "definitions run, and give themselves")
    tally.check("b numeric(10,2) default 1.5" in out and "c desc, a nulls first" in out and 'create table "Odd ""Name"' in out, out)
    out, err, code = k.run("--format", "csv", text=setup + "\n.schema nope\n")
    same(tally, (out, code, err[:12]), ("", 1, "ERROR 42P01:"), "no such table")


# ---- Steps ----

def steps(k, text, *args):
    with kdk.scratch() as folder:
        with open(os.path.join(folder, "s.steps"), "w", encoding="utf-8") as file:
            file.write(text)
        return k.run("--steps", "s.steps", *args, cwd=folder)


def test_steps(k, tally):
    text = ("# two connections\nc1: create table t (k integer primary key, a text)\nc1: insert into t values (1, 'x'), (2, null);\n"
            "c1: begin\n\nc1: select * from t\n    order by k\n=> 1,x\n=> 2,NULL\nc2: update t set a = 'y' where k = 1\n=> UPDATE 1\n"
            "c1: select a from t where k = 1\n=> x\nc1: update t set a = 'z' where k = 1\n=> ERROR 40001\nc1: rollback\nc1: select * from t where k > 9\n"
            "=> (no rows)\nc2: .close\n")
    out, err, code = steps(k, text)
    same(tally, (err, code), ("", 0), f"steps {out}")
    same(tally, out, "c1: CREATE TABLE\nc1: INSERT 0 2\nc1: BEGIN\nc1: 1,x\nc1: 2,NULL\nc2: UPDATE 1\nc1: x\nc1: ERROR 40001\nc1: ROLLBACK\n"
         "c1: (no rows)\n", "what is printed")
    out, err, code = steps(k, "c1: select 1\n=> 2\nc1: select 3\n")
    same(tally, (out, code), ("c1: 1\n", 1), "a difference ends it")
    tally.check("s.steps:2" in err and "expected: 2" in err and "got:      1" in err, f"the difference: {err}")
    same(tally, steps(k, "c1: select 1\n=> 2\nc1: select 3\n=> 3\n", "--no-bail")[0::2], ("c1: 1\nc1: 3\n", 1), "--no-bail")
    for what, bad in (("an expected line that does not come", "c1: select 1\n=> 1\n=> 2\n"), ("a line too many", "c1: select 1 union all select 2\n=> 1\n"),
                      ("an error that nobody expects", "c1: nope\nc1: select 1\n=> 1\n"), ("no step", "=> 1\n"), ("nonsense", "select 1\n")):
        same(tally, steps(k, bad)[2], 1, what)
    same(tally, steps(k, "c1: nope\nc1: select 1\n"), ("c1: ERROR 42601\nc1: 1\n", "", 0), "errors are output where nothing is expected")
    same(tally, k.run("--steps", "none.steps")[2], 1, "no file")


# ---- Terminals ----

class Terminal:
    """The shell on a pseudo-terminal."""

    def __init__(self, k, *args, home):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(HOME=home, TERM="xterm", LC_ALL="C.UTF-8", ASAN_OPTIONS="detect_leaks=0")
            os.environ.pop("XDG_STATE_HOME", None)
            os.environ.pop("KODIAK_HISTORY", None)
            os.execv(k.argv[0], [*k.argv, *args])
        self.seen = ""

    def wait(self, wanted, seconds=60):
        """Reads until the text has come; what came up to it."""
        end = time.monotonic() + seconds
        while wanted not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0.0, end - time.monotonic()))
            try:
                data = os.read(self.fd, 65536) if ready else b""
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                data = b""
            if not data:
                return None
            self.seen += data.decode("utf-8", "replace")
        before, self.seen = self.seen.split(wanted, 1)
        return before

    def type(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            try:
                if select.select([self.fd], [], [], 0.05)[0]:
                    os.read(self.fd, 65536)
            except OSError:
                time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        return "hangs"


def test_terminal(k, tally):
    with kdk.scratch() as home:
        t = Terminal(k, home=home)
        tally.check(t.wait("kodiak> ") is not None, "a prompt")
        t.type("select 40 +\n")
        tally.check(t.wait("...> ") is not None, "a second prompt")
        t.type("2 as a;\n")
        tally.check(t.wait(" 42\r\n(1 row)") is not None, f"an answer: {t.seen}")
        t.wait("kodiak> ")
        t.type("select 'Größe' as größe;\n")
        tally.check(t.wait(" Größe\r\n(1 row)") is not None, f"UTF-8 comes through: {t.seen}")
        t.wait("kodiak> ")
        t.type("select nope;\n")
        tally.check(t.wait("ERROR 42703") is not None and t.wait("kodiak> ") is not None, f"goes on after an error: {t.seen}")
        t.type("begin;\n")
        tally.check(t.wait("kodiak*> ") is not None, "a prompt in a transaction")
        t.type("select nope;\n")
        tally.check(t.wait("kodiak!> ") is not None, "a prompt in a failed one")
        t.type("rollback;\n")
        t.wait("ROLLBACK")
        t.wait("kodiak> ")
        t.type("chec\t\t")
        tally.check(t.wait("checkpoint") is not None, "completion")
        t.type("\x03")
        tally.check(t.wait("^C") is not None and t.wait("kodiak> ") is not None, "Ctrl-C drops the line")
        t.type("create table walrus (tusk integer);\n")
        t.wait("CREATE TABLE")
        t.wait("kodiak> ")
        t.type("select * from walr\t;\n")
        tally.check(t.wait("(0 rows)") is not None, f"completion of a table's name: {t.seen}")
        t.wait("kodiak> ")
        t.type(".tables\n")
        tally.check(t.wait("walrus\r\n") is not None, "dot commands")
        t.wait("kodiak> ")
        t.type("quit\n")
        same(tally, t.close(), 0, "leaves")
        with open(os.path.join(home, ".kodiak_history"), encoding="utf-8") as file:
            history = file.read()
        tally.check("walrus" in history and os.stat(os.path.join(home, ".kodiak_history")).st_mode & 0o77 == 0, f"history: {history}")
        t = Terminal(k, home=home)
        t.wait("kodiak> ")
        t.type("\x1b[A\x1b[A\x1b[A\x1b[A")
        tally.check(t.wait("create") is not None, f"history comes back: {t.seen}")
        t.type("\x03")
        t.wait("^C")
        t.wait("kodiak> ")
        t.type("\x04")
        same(tally, t.close(), 0, "Ctrl-D leaves")


def test_interrupt(k, tally):
    with kdk.scratch() as home:
        t = Terminal(k, home=home)
        t.wait("kodiak> ")
        t.type(NUMBERS.replace("; ", ";\n") + "\n")
        t.wait("INSERT 0 40")
        t.wait("kodiak> ")
        t.type(LONG + ";\n")
        started = time.monotonic()
        while t.wait("57014", 1) is None and time.monotonic() < started + 60:
            t.type("\x03")
        tally.check(t.wait("kodiak> ") is not None, f"Ctrl-C ends the statement: {t.seen}")
        t.type("select 7 * 6;\n")
        tally.check(t.wait(" 42\r\n") is not None, "and not the shell")
        t.type(".quit\n")
        same(tally, t.close(), 0, "leaves")
    process = subprocess.Popen([*k.argv, "--format", "csv", "--no-bail"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(f"{NUMBERS} select 1 as a; {LONG}; select 2 as b;".encode())
    process.stdin.flush()
    out = process.stdout.read(4)
    late = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < late:
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    rest, err = process.communicate()
    # The signal may also come before the statement begins.
    tally.check(err == b"" or err.startswith(b"ERROR 57014:"), f"interrupted: {err}")
    same(tally, (out + rest, process.returncode), (b"a\n1\n", 130), "a script ends")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kodiak", default="build/release/kodiak")
    parser.add_argument("word", nargs="*")
    args = parser.parse_args()
    tally = kdk.Tally()
    kodiak = Kodiak(args.kodiak)
    for name, test in list(globals().items()):
        if name.startswith("test_") and inspect.isfunction(test) and (not args.word or any(w in name for w in args.word)):
            try:
                test(kodiak, tally)
            except Exception as error:  # One broken test must not hide the others.
                tally.check(False, f"{name}: {type(error).__name__}: {error}")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
