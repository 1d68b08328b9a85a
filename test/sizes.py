#!/usr/bin/env python3
"""Things that are large: many columns, many tables, long rows, long files, long and deep statements. Each works, or is refused with an error; nothing crashes, and what is
ten times as long takes nothing like a hundred times as long.

    test/sizes.py --kodiak PATH [--whole | --soak]

Without options everything is a part of its size. --whole: a thousand columns and tables, rows of 1 MB, a file of 100 MB. --soak: 10 million rows besides. What takes
more than a second is told, and the highest peak of memory.
"""
import argparse
import filecmp
import os
import random
import resource
import subprocess
import time

import kdk


class Sizes:
    def __init__(self, kodiak, tally, whole):
        self.kodiak, self.tally, self.whole = kodiak, tally, whole

    def shell(self, what, database, sql, *args, seconds=600):
        """(output, errors, seconds); the exit code is never a signal's. Tells of what took its time."""
        script = sql.encode()
        started = time.monotonic()
        process = subprocess.Popen([self.kodiak, *([database] if database else []), "--format", "csv", "--no-header", *args],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(script, timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err += b"no end after %d s" % seconds
        took = time.monotonic() - started
        self.tally.check(process.returncode in (0, 1), f"{what}: ended with {process.returncode}: {err[-500:].decode(errors='replace')}")
        if took > 1:
            print(f"{what}: {took:.1f} s", flush=True)
        return out.decode(errors="replace"), err.decode(errors="replace"), took

    def same(self, what, database, sql, want, *args, **options):
        out, err, took = self.shell(what, database, sql, *args, **options)
        self.tally.check(not err and out.strip() == want, f"{what}: {out[-300:].strip()!r} for {want!r}; {err[-500:]}")
        return took

    def refused(self, what, sql, state):
        _, err, _ = self.shell(what, ":memory:", sql)
        self.tally.check(err.startswith(f"ERROR {state}"), f"{what}: {err[:200]!r} for {state}")

    def check(self, what, database):
        done = subprocess.run([self.kodiak, "check", database], capture_output=True, text=True, timeout=3000)
        self.tally.check(done.returncode == 0 and done.stdout.strip().endswith("no problems"), f"{what}: check says {done.stdout[-500:]}{done.stderr[-500:]}")

    # ---- Statements ----

    def long_statements(self):
        n = 50000 if self.whole else 20000
        numbers = ",".join(map(str, range(n)))
        self.same("a literal of 1 MB", ":memory:", "select length('" + "x" * 1000000 + "');", "1000000")
        self.same("a comment of 1 MB", ":memory:", "select /*" + "x" * 1000000 + "*/ 1;", "1")
        self.same("IN with a long list", ":memory:", f"select count(*) from generate_series(1, 100000) g where g in ({numbers});", str(n - 1))
        self.same("IN with a long list of texts", ":memory:", "select count(*) from generate_series(1, 1000) g where 'a' || g in ("
                  + ",".join(f"'a{i}'" for i in range(n)) + ");", "1000")
        self.same("IN by key", ":memory:", f"create table t (i int primary key); insert into t select g from generate_series(1, 1000) g; select count(*) from t where i in ({numbers});", "1000")
        self.same("NOT IN with a list that is no constants", ":memory:", "select count(*) from generate_series(1, 10) g where g not in ("
                  + ",".join(f"g + {i + 1}" for i in range(n // 5)) + ");", "10")
        self.same("10,000 rows of VALUES", ":memory:", "create table t (a int, b text, c numeric(10,2)); insert into t values "
                  + ",".join(f"({i}, 'x{i}', {i}.25)" for i in range(10000)) + "; select count(*), sum(a), sum(c) from t;", "10000,49995000,49997500.00")
        self.same("one subquery among 10,000 rows", ":memory:", "select count(*), sum(column1) from (values " + ",".join(f"({i})" for i in range(9999)) + ", ((select -1))) v;", f"10000,{9999 * 9998 // 2 - 1}")
        self.same("900 rows of VALUES with subqueries", ":memory:", "create table t (i int, j int); insert into t values " + ",".join(f"({i}, (select {i} + 1))" if i % 3 else f"({i}, 0)" for i in range(1350))
                  + "; select count(*), sum(i), sum(j) from t;", f"1350,{1350 * 1349 // 2},{sum(i + 1 for i in range(1350) if i % 3)}")
        self.refused("10,000 rows of VALUES with subqueries", "values " + ",".join(f"((select {i}))" for i in range(10000)) + ";", "54001")
        self.same("VALUES in FROM", ":memory:", "select count(*), sum(column1) from (values " + ",".join(f"({i}, 'x{i}', {i}.25)" for i in range(n))
                  + ") v;", f"{n},{n * (n - 1) // 2}")
        for word, want in ("and", "10"), ("or", "10"):
            self.same(f"10,000 terms with {word}", ":memory:", "select count(*) from generate_series(1, 10) g where "
                      + f" {word} ".join(f"g {'<>' if word == 'and' else '='} {i if word == 'or' else -i - 1}" for i in range(10000)) + ";", want)
        self.same("CASE with 10,000 arms", ":memory:", "select case g " + " ".join(f"when {i} then {i + 1}" for i in range(10000)) + " end from generate_series(3, 3) g;", "4")
        self.same("COALESCE of 10,000", ":memory:", "select coalesce(" + "null," * 10000 + "1);", "1")
        self.refused("COALESCE of what does not fit", "select coalesce(" + "1," * 10000 + "true);", "42804")
        self.same("a prepared statement of 5,000 parameters", ":memory:", "prepare p as select count(*) from generate_series(1, 1000) g where g in ("
                  + ",".join(f"${i}" for i in range(1, 5001)) + "); execute p (" + ",".join(map(str, range(1, 5001))) + ");", "1000")
        self.refused("10,000 terms with +", "select " + "+".join(["1"] * 10000) + ";", "54001")
        self.refused("10,000 terms of ||", "select " + "||".join(["'a'"] * 10000) + ";", "54001")
        self.refused("10,000 queries in a UNION", " union all ".join(["select 1"] * 10000) + ";", "54001")
        self.refused("a number of 100,000 digits", "select " + "1" * 100000 + ";", "22003")
        self.refused("1,665 columns in a list", "select " + ",".join(["1"] * 1665) + ";", "54011")
        self.same("10,000 statements", ":memory:", "select 1;" * 10000, "\n".join(["1"] * 10000))

    def growth(self):
        """Ten times as much takes less than forty times as long. (Times under a quarter of a second say nothing.)"""
        for what, make in (("IN", lambda n: "select count(*) from generate_series(1, 10) g where g in (" + ",".join(map(str, range(n))) + ");"),
                           ("VALUES", lambda n: "select count(*) from (values " + ",".join(f"({i})" for i in range(n)) + ") v;"),
                           ("COALESCE", lambda n: "select coalesce(" + "null," * n + "1);"),
                           ("AND", lambda n: "select count(*) from generate_series(1, 10) g where " + " and ".join(f"g <> {i}" for i in range(n // 4)) + ";")):
            short = min(self.shell(f"short {what}", ":memory:", make(4000))[2] for _ in range(2))
            long = self.shell(f"long {what}", ":memory:", make(40000))[2]
            self.tally.check(long < max(0.25, 40 * short), f"{what}: 4,000 take {short:.3f} s, 40,000 take {long:.3f} s")

    def deep_statements(self):
        nests = {
            "parentheses": lambda n: "select " + "(" * n + "1" + ")" * n,
            "subqueries": lambda n: "select " + "(select " * n + "1" + ")" * n,
            "queries in FROM": lambda n: "select * from " + "(select * from " * n + "(select 1) a" + ") a" * n,
            "NOT": lambda n: "select " + "not " * n + "true",
            "signs": lambda n: "select " + "- " * n + "1",
            "CASE": lambda n: "select " + "case when true then " * n + "1" + " end" * n,
            "calls": lambda n: "select " + "abs(" * n + "1" + ")" * n,
            "casts": lambda n: "select 1" + "::int" * n,
            "EXISTS": lambda n: "select " + "exists (select 1 where " * n + "true" + ")" * n,
            "IN": lambda n: "select 1 where " + "1 in (select 1 where " * n + "true" + ")" * n,
            "WITH": lambda n: "with a as (" * n + "select 1" + ") select * from a" * n,
            "a chain of WITH": lambda n: "with c0 as (select 1)" + "".join(f", c{i} as (select * from c{i - 1})" for i in range(1, min(n, 5000))) + f" select * from c{min(n, 5000) - 1}",
            "queries in parentheses": lambda n: "(" * n + "select 1" + ")" * n,
            "joins": lambda n: "select 1 from " + "(" * n + "(select 1) a" + " cross join (select 2) b)" * n,
            "unclosed": lambda n: "select " + "(" * n,
        }
        for what, make in nests.items():
            for n in (50, 900, 1100, 100000):
                _, err, _ = self.shell(f"{n} levels of {what}", ":memory:", make(n) + ";")
                self.tally.check(not err or err.startswith(("ERROR 54001", "ERROR 42601", "ERROR 42712")), f"{n} levels of {what}: {err[:200]}")
                if n == 100000 and what != "unclosed":
                    self.tally.check(err.startswith("ERROR 54001"), f"{n} levels of {what}: {err[:200]}")
        views = "create table t (i int); create view v0 as select * from t;" + "".join(f"create view v{i} as select * from v{i - 1};" for i in range(1, 1500))
        _, err, _ = self.shell("1,500 views, each of the one before", ":memory:", views + "select count(*) from v1499;", "--no-bail")
        self.tally.check("ERROR 54001" in err, f"views: {err[:200]}")

    def joins(self):
        for n in (60, 66, 100) + ((300,) if self.whole else ()):
            made = "create table t (i int primary key, j int); insert into t values (1, 1), (2, 2), (3, null);"
            self.same(f"{n} tables in FROM", ":memory:", made + "select count(*), sum(t0.i) from " + ",".join(f"t t{i}" for i in range(n)) + " where "
                      + " and ".join(f"t{i}.i = t{i + 1}.j" for i in range(n - 1)) + ";", "2,3")
            self.same(f"{n} joins", ":memory:", made + "select count(*), sum(t0.i) from t t0" + "".join(f" join t t{i} on t{i}.i = t{i - 1}.j" for i in range(1, n)) + ";", "2,3")
            self.same(f"{n} left joins", ":memory:", made + "select count(*), sum(t0.i) from t t0" + "".join(f" left join t t{i} on t{i}.i = t{i - 1}.j" for i in range(1, n)) + ";", "3,6")
            self.same(f"{n} joins to the right", ":memory:", made + "select count(*) from " + "".join(f"t t{i} join (" for i in range(n - 2)) + f"t t{n - 2} join t t{n - 1} on t{n - 1}.i = t{n - 2}.i"
                      + "".join(f") on t{i}.i = t{i + 1}.i" for i in reversed(range(n - 2))) + ";", "3")

    # ---- Tables ----

    def columns(self, folder):
        n, rows = (1000, 3000) if self.whole else (300, 500)
        path = os.path.join(folder, "columns.kdk")
        types = ("double precision", "int", "text", "numeric(12,2)")
        self.same(f"a table of {n} columns", path, "create table w (id int primary key, " + ",".join(f"c{i} {types[i % 4]}" for i in range(1, n)) + ");"
                  + "insert into w values " + ",".join("(" + ",".join([str(r)] + ["null" if (r + i) % 7 == 0 else str(i) for i in range(1, n)]) + ")" for r in range(20)) + ";"
                  + "insert into w select g, " + ",".join(f"g + {i}" if i % 4 != 2 else "'t' || g" for i in range(1, n)) + f" from generate_series(100, {rows + 99}) g;"
                  + "select count(*) from w;", str(rows + 20))
        everything = "select " + ",".join(f"count(c{i})" for i in range(1, n)) + ", sum(c1), sum(c4), max(c6) from w;"
        before, _, _ = self.shell("all columns", path, everything)
        self.same("all columns, from blocks", path, "checkpoint freeze;" + everything, before.strip())
        self.same("changed and added", path, "update w set c1 = c1 + 1, c2 = 'x' where id % 3 = 0; alter table w add column extra int default 5; alter table w drop column c7;"
                  "select sum(extra), count(*) from w; select count(*) from (select distinct * from w) s;", f"{5 * (rows + 20)},{rows + 20}\n{rows + 20}")
        self.same("frozen and opened again", path, "checkpoint freeze; select count(*) from w where c2 = 'x';", str(sum(i % 3 == 0 for i in [*range(20), *range(100, rows + 100)])))
        self.check("columns", path)
        self.refused("1,601 columns", "create table w (" + ",".join(f"c{i} int" for i in range(1601)) + ");", "54011")

    def tables(self, folder):
        n = 1000 if self.whole else 150
        path = os.path.join(folder, "tables.kdk")
        made = "".join(f"create table t{i} (id int primary key, v text unique); insert into t{i} values ({i}, 'a');" for i in range(n))
        self.same(f"{n} tables", path, made + f"select id from t{n - 1};", str(n - 1))
        self.same("opened again", path, "select sum(id) from (" + " union all ".join(f"select id from t{i}" for i in range(min(n, 800))) + ") s; checkpoint freeze;",
                  str(sum(range(min(n, 800)))))
        self.check(f"{n} tables", path)
        self.same("dropped one by one and at once", path, "".join(f"drop table t{i};" for i in range(0, n, 2)) + "drop table " + ",".join(f"t{i}" for i in range(1, n, 2)) + ";", "")
        self.same("made in one transaction", path, "begin;" + made + "commit; checkpoint;" + f"select id from t{n - 1};", str(n - 1))
        self.check("made in one transaction", path)

    # ---- Rows and files ----

    def long_rows(self, folder):
        rows, length = (50, 1000000) if self.whole else (12, 300000)
        path, csv, again = (os.path.join(folder, name) for name in ("rows.kdk", "rows.csv", "again.csv"))
        total = rows * (length + 5) + rows // 2
        self.same("long rows", path, f"create table b (id int primary key, t text, z bytea); insert into b select g, repeat(chr(97 + g % 26), {length}) || lpad(g::text, 5, '0'), "
                  f"decode(repeat('ab', 1000), 'hex') from generate_series(1, {rows}) g; update b set t = t || 'x' where id % 2 = 0; select sum(length(t)) from b;", str(total))
        self.same("frozen", path, "checkpoint freeze; select sum(length(t)), count(distinct t) from b;", f"{total},{rows}")
        self.same("opened again and changed", path, "update b set t = t || 'yy' where id = 7; update b set id = 5008 where id = 8; select length(t), right(t, 3) from b where id in (7, 5008) order by 1;"
                  "checkpoint; select sum(length(t)) from b;", f"{length + 6},08x\n{length + 7},7yy\n{total + 2}")
        self.same("CSV out and in", path, f"copy b to '{csv}' (format csv, header); create table c (id int primary key, t text, z bytea); copy c from '{csv}' (format csv, header);"
                  f"select count(*) from b join c on b.id = c.id and b.t = c.t and b.z = c.z; copy c to '{again}' (format csv, header);", str(rows))
        self.tally.check(filecmp.cmp(csv, again, False), "the same CSV from the copy")
        self.same("literals", path, "".join(f"insert into c values ({10000 + i}, '{chr(65 + i) * length}', null);" for i in range(5)) + "select sum(length(t)) from c where id >= 10000;", str(5 * length))
        _, err, _ = self.shell("a key that is too long", path, "create index c_t on c (t);")
        self.tally.check(err.startswith("ERROR 54000: index row size") and '"c_t"' in err, f"a key that is too long: {err}")
        self.check("long rows", path)
        if self.whole:
            self.same("100 MB in a row", path, "insert into b values (-1, repeat('x', 100000000), null); checkpoint freeze; select length(t) from b where id = -1;", "100000000")
            self.check("100 MB in a row", path)

    def long_file(self, folder):
        size = 100_000_000 if self.whole else 3_000_000
        path, csv, again = (os.path.join(folder, name) for name in ("file.kdk", "in.csv", "out.csv"))
        rnd, i = random.Random(5), 0
        words = [f"w{i}" * (i % 5 + 1) for i in range(1000)] + ['"say ""hi"""', '"a,b"', '"line\nbreak"', "ü€漢", '""']
        with open(csv, "w", newline="", encoding="utf-8") as file:
            file.write("id,a,b,c,d,e\n")
            while file.tell() < size:
                for i in range(i + 1, i + 5001):
                    file.write(f"{i},{rnd.randrange(1 << 40)},{words[rnd.randrange(len(words))]},{rnd.randrange(10 ** 6) / 100:.2f},"
                               f"20{rnd.randrange(10, 30)}-0{rnd.randrange(1, 10)}-1{rnd.randrange(10)},{'' if i % 17 == 0 else f'text number {i} of many'}\n")
        made = "(id int primary key, a bigint, b text, c numeric(12,2), d date, e text);"
        self.same(f"a file of {os.path.getsize(csv) // 1000000} MB", path, f"create table l {made} copy l from '{csv}' (format csv, header); select count(*) from l;", str(i))
        self.same("and out", path, f"copy (select * from l order by id) to '{again}' (format csv, header);", "")
        self.tally.check(filecmp.cmp(csv, again, False), "the same file out")
        self.same("frozen", path, f"checkpoint freeze; copy l to '{again}' (format csv, header);", "")
        self.tally.check(filecmp.cmp(csv, again, False), "the same file out of blocks")
        # Through pipes, as it stands in a script.
        self.shell("a second table", path, f"create table m {made}")
        with open(csv, "rb") as data, open(again, "wb") as out:
            first = subprocess.run([self.kodiak, path, "-c", "copy m from stdin (format csv, header)"], stdin=data, capture_output=True, timeout=600)
            second = subprocess.run([self.kodiak, path, "-c", "copy m to stdout (format csv, header)"], stdout=out, stderr=subprocess.PIPE, timeout=600)
        self.tally.check(not first.stderr and not second.stderr and filecmp.cmp(csv, again, False), f"through pipes: {first.stderr} {second.stderr}")
        self.check("a long file", path)

    def many_rows(self, folder):
        n = 10_000_000
        path, csv = os.path.join(folder, "many.kdk"), os.path.join(folder, "many.csv")
        self.shell("10 million lines", ":memory:", f"copy (select g, g::bigint * 7919 % 10000019 as k, 'text ' || g % 1000 as t from generate_series(1, {n}) g) to '{csv}' (format csv, header);")
        self.same("10 million rows", path, f"create table t (id int primary key, k int, t text); copy t from '{csv}' (format csv, header);"
                  "select count(*), count(distinct t) from t; select k, t from t where id = 7654321;", f"{n},1000\n4452840,text 321")
        self.same("an index", path, "create unique index t_k on t (k); select id from t where k = 4452840;", "7654321")
        self.same("changed", path, "update t set t = 'new' where id % 100 = 0; delete from t where id % 100 = 1; checkpoint freeze; select count(*), count(*) filter (where t = 'new') from t;", f"{n * 99 // 100},{n // 100}")
        self.same("keys in no order", path, "create table s (k int primary key, id int); insert into s select k, id from t; select count(*) from t join s on t.id = s.id;", f"{n * 99 // 100}")
        self.check("10 million rows", path)


def main():
    parser = argparse.ArgumentParser(description="Things that are large; see the head of this file.")
    parser.add_argument("--kodiak", required=True)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--soak", action="store_true")
    args = parser.parse_args()
    tally = kdk.Tally()
    sizes = Sizes(args.kodiak, tally, args.whole or args.soak)
    sizes.long_statements()
    sizes.growth()
    sizes.deep_statements()
    sizes.joins()
    with kdk.scratch() as folder:
        sizes.columns(folder)
        sizes.tables(folder)
        sizes.long_rows(folder)
        sizes.long_file(folder)
        if args.soak:
            sizes.many_rows(folder)
    print(f"highest peak of memory: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024} MB")
    return tally.close()


if __name__ == "__main__":
    raise SystemExit(main())
