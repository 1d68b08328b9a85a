#!/usr/bin/env python3
"""Random changes of data and schema, asked of KodiakDB and of PostgreSQL: results, SQLSTATEs and tables must agree.

    test/random_changes.py --kodiak PATH --oracle test/on_postgres.py [--seed N] [--rounds N] [--seconds N]

One round is one seed: tables with keys, checks and defaults; INSERT, UPDATE and DELETE of which a part must fail and leave nothing behind;
transactions that end either way; ALTER TABLE, indexes and views; prepared statements; reads by key and by range between them. Half of the rounds
run on a directory, with CHECKPOINT and CHECKPOINT FREEZE in between. An UPDATE that PostgreSQL refuses because of the order of its rows
(23505; keys are checked at the end of the statement here) ends a round.
"""
import argparse
import collections
import random
import re
import sys
import time

import kdk
import random_expr

TYPES = {"i": "integer", "s": "smallint", "b": "bigint", "n": "numeric(8,2)", "t": "text", "v": "varchar(5)", "c": "char(3)", "o": "boolean",
         "d": "date", "p": "timestamp", "f": "double precision", "r": "real", "y": "bytea"}
CONSTANTS = {
    "i": ["0", "1", "2", "3", "4", "5", "7", "-1", "'6'", "2147483647"], "s": ["0", "1", "2", "3", "-1", "32767", "'5'", "40000"],
    "b": ["0", "1", "2", "3", "9223372036854775807", "-5", "7.5"], "n": ["0", "1.5", "2.25", "-1.5", "999999.99", "1.005", "1234567.8", "'3.14159'"],
    "t": ["''", "'a'", "'b'", "'ab'", "'abc'", "'Zed'", "'é'", "'long text that is no inline string'"], "v": ["''", "'a'", "'b'", "'ab  '", "'abcde'", "'abcdef'", "'abcde   '"],
    "c": ["'a'", "'b'", "'ab '", "''", "'abc'", "'abcd'"], "o": ["true", "false", "'t'"], "d": ["'2024-01-01'", "'2024-02-29'", "'1999-12-31'", "'2024-02-30'", "'infinity'"],
    "p": ["'2024-01-01 12:00'", "'1999-12-31 23:59:59.999'", "'2024-02-29'", "'-infinity'"], "f": ["0", "1.5", "-2.25", "1e10", "'NaN'", "-0.0"],
    "r": ["0", "1.5", "-2.25", "1e10", "'Infinity'", "0.1"], "y": ["'\\x00'", "'\\x0102'", "''", "'abc'"],
}
ORDERED = "ibsntvcdp"


class Table:
    def __init__(self, name):
        self.name, self.columns, self.keys, self.checks = name, [], [], []


class Changes:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.serial = 0
        self.tables = {}
        self.views = []
        self.indexes = []
        self.prepared = []
        self.open = False

    def chance(self, share):
        return self.r.random() < share

    def name(self, prefix):
        self.serial += 1
        return f"{prefix}{self.serial}"

    def constant(self, kind, edge=0.08):
        values = CONSTANTS[kind]
        if kind in "isb" and self.chance(0.5):
            return str(self.r.randint(0, 30))
        return self.r.choice(values if self.chance(edge * 4) else values[:5] if kind not in "vcd" else values[:3])

    def create(self):
        r, table = self.r, Table(self.name("t"))
        kinds = r.sample(list(TYPES), r.randint(2, 6))
        if "i" not in kinds:
            kinds[0] = "i"
        parts = []
        for kind in kinds:
            column = kind + str(r.randint(1, 3))
            table.columns.append(column)
            part = f"{column} {TYPES[kind]}"
            if self.chance(0.15):
                part += " not null"
            if self.chance(0.15):
                part += f" default {r.choice(CONSTANTS[kind][:3])}"
            if kind in "isbn" and self.chance(0.12):
                part += f" check ({column} {r.choice(['>= 0', '< 20', '<> 3', 'is not null'])})"
            parts.append(part)
        way = r.random()
        if way < 0.5:
            key = r.sample(table.columns, 1 if self.chance(0.6) else min(2, len(table.columns)))
            if any(c[0] in "isb" for c in key):
                table.keys.append(key)
                parts.append(f"{r.choice(['primary key', 'primary key', 'unique'])} ({', '.join(key)})")
        if self.chance(0.3):
            key = r.sample(table.columns, 1)
            table.keys.append(key)
            parts.append(f"unique ({key[0]})")
        if self.chance(0.2) and len(table.columns) > 2:
            ints = [c for c in table.columns if c[0] in "isb"]
            if len(ints) >= 2:
                parts.append(f"constraint ck{self.serial} check ({ints[0]} <= {ints[1]} + 25)")
        self.tables[table.name] = table
        return f"create table {table.name} ({', '.join(parts)})"

    def table(self):
        return self.r.choice(list(self.tables.values()))

    def cond(self, table, alias=""):
        r = self.r
        column = r.choice(table.columns)
        if table.keys and self.chance(0.4):
            key = r.choice(table.keys)
            if all(c in table.columns for c in key):
                return " and ".join(f"{alias}{c} = {self.constant(c[0])}" for c in key)
        c = alias + column
        return r.choice([
            lambda: f"{c} = {self.constant(column[0])}", lambda: f"{c} {r.choice(['<', '>', '<=', '>=', '<>'])} {self.constant(column[0])}", lambda: f"{c} is {r.choice(['', 'not '])}null",
            lambda: f"{c} in ({self.constant(column[0])}, {self.constant(column[0])}, null)", lambda: f"{c} between {self.constant(column[0])} and {self.constant(column[0])}",
            lambda: f"{c} not in ({self.constant(column[0])}, {self.constant(column[0])})", lambda: f"({self.cond(table, alias)} or {self.cond(table, alias)})",
            lambda: f"not ({self.cond(table, alias)})", lambda: f"{self.cond(table, alias)} and {self.cond(table, alias)}",
        ])()

    def value(self, column, table, alias=""):
        """An expression over a table for one of its columns."""
        r, kind = self.r, column[0]
        same = [alias + c for c in table.columns if c[0] == kind]
        own = {"i": ["{0} + 1", "{0} * 2", "-{0}", "{0} + 100", "abs({0})", "{0} % 5"], "s": ["{0} + 1::smallint", "{0} * 2", "({0} % 4::smallint)"], "b": ["{0} + 1", "{0} / 2"],
               "n": ["{0} + 0.5", "{0} * 1.5", "round({0}, 1)", "{0} / 3"], "t": ["{0} || 'x'", "upper({0})", "left({0}, 2)"], "v": ["{0} || 'x'", "upper({0})"], "c": ["{0} || 'x'", "lower({0})"],
               "o": ["not {0}"], "d": ["{0} + 1"], "p": ["date_trunc('day', {0})"], "f": ["{0} / 2", "{0} + 1"], "r": ["{0} * 2", "{0} + 1"], "y": ["{0} || '\\x01'::bytea"]}[kind]
        way = r.random()
        if same and way < 0.55:
            return r.choice(own).format(r.choice(same))
        if way < 0.62:
            return "default"
        if way < 0.68:
            return "null"
        if same and way < 0.75:
            return f"case when {self.cond(table, alias)} then {r.choice(same)} else {self.constant(kind)} end"
        if way < 0.82:
            return f"(select max({r.choice(same).split('.')[-1]}) from {table.name})" if same and kind not in "oy" else self.constant(kind)
        return self.constant(kind)

    def returning(self, table, alias=""):
        if not self.chance(0.4):
            return ""
        items = []
        for c in self.r.sample(table.columns, self.r.randint(1, min(3, len(table.columns)))):
            items.append(self.r.choice([f"{alias}{c}", f"{alias}{c} is null as x{c}", f"coalesce({alias}{c}::text, '-') as y{c}"]))
        return " returning " + self.r.choice([", ".join(items), ", ".join(items), f"{alias}*" if alias else "*"])

    def insert(self):
        r, table = self.r, self.table()
        columns = r.sample(table.columns, r.randint(1, len(table.columns))) if self.chance(0.3) else table.columns
        if self.chance(0.2):
            other = self.table()
            items = []
            for c in columns:
                same = [x for x in other.columns if x[0] == c[0]]
                items.append(f"{r.choice(same)} {'+ 30' if c[0] in 'ib' else ''}" if same else self.constant(c[0]) if c[0] != "y" else "'\\x01'::bytea")
            return f"insert into {table.name} ({', '.join(columns)}) select {', '.join(items)} from {other.name}{' where ' + self.cond(other) if self.chance(0.6) else ''}{self.returning(table)}"
        rows = ", ".join("(" + ", ".join("null" if self.chance(0.06) else "default" if self.chance(0.05) else self.constant(c[0], 0.02) for c in columns) + ")"
                         for _ in range(r.choice([1, 1, 1, 2, 3, 6, 12])))
        return f"insert into {table.name} ({', '.join(columns)}) values {rows}{self.returning(table)}"

    def update(self):
        r, table = self.r, self.table()
        columns = r.sample(table.columns, r.randint(1, min(2, len(table.columns))))
        if self.chance(0.2):
            other = self.table()
            keys = [k[0] for k in other.keys if len(k) == 1 and k[0] in other.columns and k[0][0] in "isb"]
            mine = [c for c in table.columns if c[0] in "isb"]
            if keys and mine:
                sets = ", ".join(f"{c} = {self.value(c, other, 'y.')}" for c in columns)
                return f"update {table.name} x set {sets} from {other.name} y where y.{keys[0]} = x.{r.choice(mine)} and {self.cond(table, 'x.')}{self.returning(table, 'x.')}"
        if len(columns) == 2 and self.chance(0.2):
            return f"update {table.name} set ({', '.join(columns)}) = ({', '.join(self.value(c, table) for c in columns)}) where {self.cond(table)}{self.returning(table)}"
        sets = ", ".join(f"{c} = {self.value(c, table)}" for c in columns)
        return f"update {table.name} set {sets}{' where ' + self.cond(table) if self.chance(0.8) else ''}{self.returning(table)}"

    def delete(self):
        table = self.table()
        if self.chance(0.25):
            other = self.table()
            pairs = [(a, b) for a in table.columns for b in other.columns if a[0] == b[0]]
            if pairs:
                a, b = self.r.choice(pairs)
                return f"delete from {table.name} x using {other.name} y where x.{a} = y.{b} and {self.cond(other, 'y.')} and {self.cond(table, 'x.')}{self.returning(table, 'x.')}"
        return f"delete from {table.name} where {self.cond(table)}{' and ' + self.cond(table) if self.chance(0.5) else ''}{self.returning(table)}"

    def select(self):
        r = self.r
        table = self.table()
        if self.views and self.chance(0.2):
            return f"select * from {r.choice(self.views)}"
        way = r.random()
        if way < 0.35:
            return f"select {', '.join(table.columns)} from {table.name} where {self.cond(table)}"
        if way < 0.5:
            c = r.choice(table.columns)
            return f"select {c}, count(*), min({table.columns[0]}) from {table.name} group by {c}" if table.columns[0][0] not in "oy" else f"select {c}, count(*) from {table.name} group by {c}"
        if way < 0.62:
            return f"select * from {table.name} order by {', '.join(str(i + 1) + r.choice(['', ' desc']) for i in range(len(table.columns)))} limit {r.randint(1, 5)}"
        if way < 0.75:
            other = self.table()
            pairs = [(a, b) for a in table.columns for b in other.columns if a[0] == b[0]]
            if pairs:
                a, b = r.choice(pairs)
                return f"select x.*, y.{b} from {table.name} x {r.choice(['join', 'left join', 'full join'])} {other.name} y on x.{a} = y.{b}"
        if way < 0.85:
            c = r.choice([c for c in table.columns if c[0] in ORDERED] or ["1"])
            return f"select max({c}), min({c}), count({c}), count(distinct {c}) from {table.name}"
        return f"select * from {table.name}"

    def ddl(self):
        r, table = self.r, self.table()
        way = r.random()
        if way < 0.2:
            kind = r.choice(list(TYPES))
            column = kind + str(r.randint(4, 9))
            sql = f"alter table {table.name} add column {column} {TYPES[kind]}{r.choice(['', ' not null', ''])}{r.choice(['', f' default {r.choice(CONSTANTS[kind][:3])}'])}{' unique' if self.chance(0.1) else ''}"
            table.columns.append(column)
            return sql
        if way < 0.3 and len(table.columns) > 2:
            column = r.choice(table.columns)
            table.columns.remove(column)
            return f"alter table {table.name} drop column {column}"
        if way < 0.4:
            at = r.randrange(len(table.columns))
            old = table.columns[at]
            table.columns[at] = old[0] + str(r.randint(1, 9))
            return f"alter table {table.name} rename column {old} to {table.columns[at]}"
        if way < 0.46:
            del self.tables[table.name]
            old, table.name = table.name, self.name("t")
            self.tables[table.name] = table
            return f"alter table {old} rename to {table.name}"
        if way < 0.62:
            name = self.name("x")
            self.indexes.append(name)
            columns = r.sample(table.columns, min(len(table.columns), r.randint(1, 2)))
            return f"create {r.choice(['', '', 'unique '])}index {name} on {table.name} ({', '.join(columns)})"
        if way < 0.68 and self.indexes:
            return f"drop index {'if exists ' if self.chance(0.4) else ''}{r.choice(self.indexes)}"
        if way < 0.78:
            name = self.name("v")
            self.views.append(name)
            return f"create view {name} as select {', '.join(r.sample(table.columns, r.randint(1, len(table.columns))))} from {r.choice([table.name, table.name, table.name + ' where ' + self.cond(table)])}"
        if way < 0.82 and self.views:
            return f"drop view {'if exists ' if self.chance(0.3) else ''}{r.choice(self.views)}{r.choice(['', ' cascade'])}"
        if way < 0.86:
            return f"alter table {table.name} alter column {r.choice(table.columns)} {r.choice(['set not null', 'drop not null', 'drop default'])}"
        if way < 0.9:
            c = r.choice(table.columns)
            return f"alter table {table.name} alter column {c} set default {self.constant(c[0])}"
        if way < 0.93:
            c = r.choice(table.columns)
            return f"alter table {table.name} add constraint {self.name('k')} {r.choice([f'unique ({c})', f'check ({c} is not null)', f'primary key ({c})'])}"
        if way < 0.95:
            return f"truncate {table.name}"
        if way < 0.97 and len(self.tables) > 2:
            del self.tables[table.name]
            return f"drop table {table.name}{r.choice(['', ' cascade'])}"
        return self.create()

    def prepare(self):
        r, table = self.r, self.table()
        if self.prepared and self.chance(0.75):
            name, kinds = r.choice(self.prepared)
            return f"execute {name}({', '.join(self.constant(k) for k in kinds)})" if kinds else f"execute {name}"
        name = self.name("p")
        c = r.choice(table.columns)
        self.prepared.append((name, c[0]))
        return r.choice([f"prepare {name}({TYPES[c[0]].replace('(8,2)', '')}) as select * from {table.name} where {c} = $1",
                         f"prepare {name}({TYPES[c[0]].replace('(8,2)', '')}) as delete from {table.name} where {c} = $1",
                         f"prepare {name} as select count(*) from {table.name} where {c} = $1",
                         f"prepare {name} as insert into {table.name} ({c}) values ($1)"])

    def script(self, count, disk):
        out = [self.create() for _ in range(self.r.randint(2, 3))]
        for _ in range(count):
            way = self.r.random()
            if way < 0.06:
                if self.open:
                    out.append(self.r.choice(["commit", "rollback"]))
                    self.open = False
                else:
                    out.append("begin")
                    self.open = True
            elif way < 0.36:
                out.append(self.insert())
            elif way < 0.5:
                out.append(self.update())
            elif way < 0.58:
                out.append(self.delete())
            elif way < 0.66:
                out.append(self.ddl())
            elif way < 0.72:
                out.append(self.prepare())
            elif way < 0.78 and disk and not self.open:
                out.append(self.r.choice(["checkpoint", "checkpoint freeze"]))
            else:
                out.append(self.select())
            if self.chance(0.15):
                out.append(f"select * from {self.table().name}")
        if self.open:
            out.append("commit")
        return out + [f"select * from {name}" for name in self.tables]


def verdict(ours, theirs, sql):
    if sql.startswith("checkpoint"):
        return f"checkpoint {ours.code}" if ours.code else None
    if ours.code == "XX000":
        return "crash"
    if ours.code or theirs.code:
        if ours.code == theirs.code:
            return None
        if ours.code == "0A000":
            return "refused"
        if ours.code and theirs.code and {ours.code[:2], theirs.code[:2]} <= {"22", "23"}:
            return None  # Which of several is told: here columns are looked at before keys, and rows in batches.
        if (theirs.code or "")[:2] == "22" and not ours.code and not sql.startswith("select"):
            return None  # A constant that no row wants is computed there. Did we change anything? The tables will tell.
        if "cached plan must not" in theirs.message or theirs.code == "25P02":
            return "order"
        if theirs.code == "23505" and not ours.code and sql.startswith(("update", "execute")):
            return "order"
        return f"code {theirs.code} {ours.code}"
    a, b = ours.rows(), theirs.rows()
    if " order by " not in sql:
        a, b = (sorted(rows, key=lambda row: [(v is None, v or "") for v in row]) for rows in (a, b))
    same = len(a) == len(b) and all(len(x) == len(y) and all(random_expr.same(p, q) for p, q in zip(x, y)) for x, y in zip(a, b))
    return None if same else "value"


def shrink(ask, script, at, what, seconds):
    end = time.monotonic() + seconds
    script = script[:at + 1]
    size = len(script) // 2
    while size:
        i = len(script) - 1 - size
        while i >= -size + 1:
            candidate = script[:max(i, 0)] + script[i + size:]
            if time.monotonic() > end:
                return script
            if candidate and candidate[-1] == script[-1] and ask(candidate) == (len(candidate) - 1, what):
                script = candidate
            i -= size
        size //= 2
    return script


def main():
    parser = argparse.ArgumentParser(description="Compares random changes with PostgreSQL; see the head of this file.")
    parser.add_argument("--kodiak", required=True)
    parser.add_argument("--oracle", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1000000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--statements", type=int, default=60)
    parser.add_argument("--shrink", type=float, default=20)
    args = parser.parse_args()

    tally, refused, started, asked = kdk.Tally(), collections.Counter(), time.monotonic(), 0
    seen = collections.Counter()

    def compare(script, disk, count=False):
        theirs = kdk.run(args.oracle, ":memory:", [sql if sql != "checkpoint freeze" else "select 1" for sql in script], seconds=60)
        if disk:
            with kdk.scratch() as folder:
                ours = kdk.run(args.kodiak, folder + "/a.kdk", script, seconds=60)
        else:
            ours = kdk.run(args.kodiak, ":memory:", script, seconds=60)
        if theirs.trouble:
            return None
        for i, (sql, a, b) in enumerate(zip(script, ours.results, theirs.results)):
            what = verdict(a, b, sql)
            if what == "refused":
                if count:
                    refused[a.message] += 1
                return None
            if what == "order":
                return None
            if what:
                compare.why = (a, b)
                return i, what
        if ours.trouble:
            compare.why = (ours.results[-1], ours.results[-1])
            return len(script) - 1, "trouble " + ours.trouble[:200]
        return None

    for seed in range(args.seed, args.seed + args.rounds):
        if time.monotonic() - started > args.seconds:
            break
        disk = seed % 2 == 0
        script = Changes(seed).script(args.statements, disk)
        found = compare(script, disk, True)
        asked += len(script)
        tally.passed += 1
        if found:
            at, what = found
            seen[what] += 1
            if seen[what] > 3:
                tally.failed += 1
                continue
            small = shrink(lambda candidate: compare(candidate, disk), script, at, what, args.shrink)
            compare(small, disk)
            a, b = compare.why
            tally.check(False, f"seed {seed}: {what}\n  " + ";\n  ".join(small) + ";\n    kodiak   " + (f"{a.code}: {a.message}" if a.code else str(a.rows()))[:300]
                        + "\n    postgres " + (f"{b.code}: {b.message}" if b.code else str(b.rows()))[:300])
    print(f"{asked} statements; {dict(seen)}")
    for message, count in refused.most_common(12):
        print(f"  refused {count} times: {message}")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
