#!/usr/bin/env python3
"""The runners' own test: against fake_kodiak.py, which answers by sqlite3, they must pass what is right and notice
what is wrong. Ends with `N passed, N failed`."""
import os
import subprocess
import sys

import kdk
import mutants
import run
import slt
import tpch

FAKE = f"{sys.executable} {kdk.top('test/fake_kodiak.py')}"

GOOD = """# A script that passes, failed transactions included.
hash-threshold 8

statement ok
create table t (a integer primary key, b text)

statement ok
insert into t values (1, 'x,y'), (2, ''), (3, null), (4, 'say "so"')

query IT rowsort all
select a, b from t
----
1
x,y
2
(empty)
3
NULL
4
say "so"

query TI valuesort
select b, a * 1.5 from t where a < 3
----
(empty)
1
3
x,y

query R nosort
select 1 / 3.0 union all select 2.5
----
0.333
2.500

query I
select a from t where a > 9
----

statement error 23505
insert into t values (1, 'again')

statement error
select * from nowhere

skipif postgresql
statement ok
this is nothing

onlyif mysql
halt

statement ok
begin

statement error 42P01
select * from nowhere

statement error 25P02
select 1

statement ok
rollback

query I nosort all-a
select count(*) from t
----
4
"""

# What to replace in GOOD, so that it must fail.
BAD = (
    ("2.500", "2.501"), ("say \"so\"\n\n", "say so\n\n"), ("23505", "23502"),
    ("query I nosort all-a\nselect count(*)", "query II nosort all-a\nselect count(*)"), ("select * from nowhere", "select * from t"),
    ("skipif postgresql", "onlyif postgresql"), ("(empty)\n3\nNULL", "NULL\n3\nNULL"),
    ("query I nosort all-a\nselect count(*) from t", "query I nosort all\nselect 4"),
)


def slt_run(text, mistake="", engine="postgresql", extra=()):
    """(passed, failed, output) of slt.py on a script."""
    with kdk.scratch() as folder:
        path = os.path.join(folder, "a.slt")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run([sys.executable, kdk.top("test/slt.py"), "--kodiak", FAKE, "--engine", engine, "--memory", *extra, path],
                              capture_output=True, text=True, env={**os.environ, "FAKE_MISTAKE": mistake})
    job = run.Job("", [])
    complete = run.count_summary(job, done.stdout)
    return (job.passed, job.failed, done.stdout + done.stderr) if complete else (0, 0, done.stdout + done.stderr)


def check_slt(tally):
    passed, failed, text = slt_run(GOOD)
    tally.check((passed, failed) == (13, 0), f"the good script: {text}")
    for storage in ("cold", "patched", "mixed"):
        passed, failed, text = slt_run(GOOD, extra=("--storage", storage))
        tally.check((passed, failed) == (13, 0), f"the good script, {storage}: {text}")
    for old, new in BAD:
        tally.check(old in GOOD, f"{old!r} is not in the good script")
        tally.check(slt_run(GOOD.replace(old, new, 1))[1] > 0, f"{old!r} for {new!r} is not noticed")
    select1 = slt.corpus()["select1.test"]
    passed, failed, text = slt_run(select1, engine="sqlite")
    tally.check((passed, failed) == (1031, 0), f"select1: {text[-500:]}")
    for mistake in ("wrong", "crash"):
        passed, failed, text = slt_run(select1, mistake, engine="sqlite")
        tally.check(failed > 0 and passed > 0, f"{mistake} is not noticed: {text[-500:]}")
    records = slt.parse(select1, {"postgresql"})
    tally.check(any("FREEZE" in sql for _, sql in slt.arrange(records, "cold")), "cold freezes nothing")
    tally.check(any(sql.startswith("update t1") for _, sql in slt.arrange(records, "patched")), "patched patches nothing")
    script = slt.arrange(records, "mixed")
    good = [sql for _, sql in slt.arrange(slt.parse(GOOD, {"postgresql"}), "cold")]
    tally.check(not any("FREEZE" in sql for sql in good[good.index("begin"):good.index("rollback")]), "freezes inside a transaction")
    at = next(i for i, (_, sql) in enumerate(script) if "FREEZE" in sql)
    tally.check("INSERT" in script[at - 1][1] and any("INSERT" in s for _, s in script[at:]), "mixed does not freeze within the load")


def check_formats(tally):
    for printer, value, want in (
            (slt.as_integer, "12.9", "12"), (slt.as_integer, "-12.9", "-12"), (slt.as_integer, "t", "1"), (slt.as_integer, "abc", "0"),
            (slt.as_real, "1.0005", "1.000"), (slt.as_real, "-0.5", "-0.500"), (slt.as_text, "", "(empty)"), (slt.as_text, "a\nb", "a@b")):
        tally.check(printer(value) == want, f"{printer.__name__}({value!r}) is {printer(value)!r}")
    rows = kdk.Result(f'1,"a,""b""\nc",{kdk.NULL}\n'.encode()).rows()
    tally.check(rows == [["1", 'a,"b"\nc', None]], f"CSV: {rows}")
    tally.check(kdk.Result(b"\n").rows() == [[""]], "an empty text in one column is a row")


def check_tpch(tally):
    results = tpch.committed()
    tally.check(len(results) == 22, "22 results")
    kinds, rows = results[1]
    tally.check(tpch.compare(1, [list(row) for row in rows], kinds, rows) == "", "Q1 equals itself")
    exact, near = kinds.index("exact", 2), kinds.index("near")
    for column, text in ((exact, str(rows[0][exact]) + "1"), (near, str(float(rows[0][near]) * (1 + 1e-8))), (0, "?")):
        wrong = [list(row) for row in rows]
        wrong[0][column] = text
        tally.check(tpch.compare(1, wrong, kinds, rows) != "", f"Q1, column {column + 1}: {text} passes")
    close = [list(row) for row in rows]
    close[0][near] = repr(float(close[0][near]) * (1 + 1e-11))
    tally.check(tpch.compare(1, close, kinds, rows) == "", "an average may differ in its last digits")
    tally.check(tpch.compare(3, results[3][1][::-1], *results[3]) != "", "Q3 backwards passes")
    rename = tpch.renamer()
    renamed = rename("select l_orderkey, 'lineitem' from lineitem")
    tally.check("l_orderkey" not in renamed and "'lineitem'" in renamed and renamed.count("lineitem") == 1, renamed)


def check_run(tally):
    job = run.Job("", [], unit=True)
    text = ("[==========] unit: Running 3 test(s).\n[ RUN      ] a.b\n[       OK ] a.b\n[ RUN      ] a.c\na.c: 1 failed checks\n"
            "[  FAILED  ] a.c\n[       OK ] a.d\n[==========] unit: 3 test(s) run.\n[  PASSED  ] 2 test(s).\n"
            "[  FAILED  ] unit: 1 test(s), listed below:\n[  FAILED  ] a.c\n\n 1 FAILED TEST(S)\n")
    tally.check(run.count_unit(job, text) and (job.passed, job.failed) == (2, 1), f"cmocka: {job}")
    tally.check(not run.count_unit(job, text[:60]), "a unit test program that dies is noticed")
    for argv, failed in ((["sh", "-c", "echo 3 passed, 0 failed"], 0), (["sh", "-c", "echo 3 passed, 0 failed; exit 1"], 1),
                         (["sh", "-c", "echo 0 passed, 0 failed"], 1), (["sh", "-c", "echo hello"], 1), (["no such program"], 1)):
        job = run.Job(str(argv), argv)
        run.run(job, quiet=True)
        tally.check(job.failed == failed, f"{argv}: {job.failed} failed")


def check_mutants(tally):
    text = "static int f(int a);\nint g(int a)\n{\n    if (a > 0)\n        return 1;\n    return f(a);\n}\nint h(void)\n{\n    return 1;\n}\n"
    negated, complaint = mutants.mutate(text, "g", "a > 0", "negate")
    tally.check(not complaint and "if (!(a > 0))" in negated, f"negate: {complaint}")
    tally.check("return !(f(a));" in (mutants.mutate(text, "g", "return f", "negate")[0] or ""), "negate a return")
    tally.check(mutants.mutate(text, "h", "a > 0", "negate")[1], "a line of another function")
    tally.check("a >= 0" in (mutants.mutate(text, "g", "a > 0", "a >= 0")[0] or ""), "replace")


def main():
    tally = kdk.Tally()
    for part in (check_formats, check_slt, check_tpch, check_run, check_mutants):
        part(tally)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
