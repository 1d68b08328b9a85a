#!/usr/bin/env python3
"""Random schemas, queries and changes, run in several ways that must agree.

    test/random_sql.py --kodiak PATH [--other PATH] [--oracle COMMAND] [--seed N] [--rounds N] [--seconds N]

One round is one seed: a few tables with NULLs and duplicates, then queries (joins of every kind, nested and correlated
subqueries, aggregates, set operations, common table expressions) and INSERT, UPDATE and DELETE. The script runs with the
optimizer off and one thread, which is what the others are compared with: the optimizer on, two threads, and the
program `--other` (tiny: every batch and page is small). `--oracle` is a stand-in for another database
(test/on_postgres.py). Rows are compared as sets unless the order is complete; numbers by value. A statement that fails in the reference is only
asked not to crash: a better plan may not meet the error.

A difference prints its seed and the smallest script that the time allows.
"""
import argparse
import decimal
import random
import re
import sys
import time

import kdk

# A column's first letter tells its type, so that columns of one name always compare.
TYPES = {"i": "int", "j": "bigint", "t": "text", "n": "numeric(8,2)", "b": "boolean", "d": "date", "s": "smallint", "f": "double precision", "c": "char(3)",
         "v": "varchar(4)", "p": "timestamp"}
# Types that differ and still compare.
MIXED = ["ij", "in", "if", "nf", "si", "sj", "sn", "jn", "cv", "ct", "vt", "dp"]
MIXED += [pair[::-1] for pair in MIXED]
TEXTS = ["''", "'a'", "'b'", "'ab'", "'ba'", "'abc'", "'Zed'", "'a%'"]
COMPARE = ["=", "=", "=", "<>", "<", "<=", ">", ">="]


def constant(r, kind):
    if kind in "ijs":
        return str(r.choice([0, 1, 1, 2, 2, 3, 4, 5, 7, -1, -3, 10]))
    if kind == "t":
        return r.choice(TEXTS)
    if kind == "n":
        return r.choice(["0.00", "1.50", "2.25", "-1.50", "3.00", "2.00"])
    if kind == "b":
        return r.choice(["true", "false"])
    if kind == "f":
        return r.choice(["0.0::float8", "1.5::float8", "2.25::float8", "-1.5::float8", "2::float8", "3::float8"])
    if kind == "c":
        return "char(3) " + r.choice(["''", "'a'", "'b'", "'ab'", "'abc'", "' a'"])
    if kind == "v":
        return "varchar(4) " + r.choice(["''", "'a'", "'b '", "'ab'", "'abc'", "'a'"])
    if kind == "p":
        return "timestamp " + r.choice(["'2024-01-01'", "'2024-01-02 12:00'", "'2024-02-29'", "'1999-12-31 23:59:59.5'"])
    return r.choice(["date '2024-01-01'", "date '2024-01-02'", "date '2024-02-29'", "date '1999-12-31'"])


def typed_null(kind):
    return f"cast(null as {TYPES[kind]})"


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.tables = {}   # name: column names
        self.keys = {}     # name: its key column or None
        self.views = {}
        self.serial = 0
        self.fails = self.chance(0.4)  # Some divide.
        self.extra = "".join(self.r.sample("sfcvp", self.r.choice([0, 1, 2, 5])))

    def chance(self, share):
        return self.r.random() < share

    def name(self, prefix="q"):
        self.serial += 1
        return f"{prefix}{self.serial}"

    # ------------------------------------------------------------- schema ----

    def setup(self):
        r, out = self.r, []
        for n in range(r.randint(2, 4)):
            name, columns = f"t{n}", []
            for letter in r.sample("iiijttnbd" + self.extra * 2, r.randint(2, 5)):
                column = letter + r.choice(["1", "2", "3"])
                if column not in columns:
                    columns.append(column)
            key = None
            extra = []
            if self.chance(0.5):
                key = "ik"
                columns.insert(0, key)
            for column in columns:
                extra.append(f"{column} {TYPES[column[0]]}" + (" primary key" if column == key else
                                                               " not null" if self.chance(0.15) else ""))
            self.tables[name], self.keys[name] = columns, key
            out.append(f"create table {name} ({', '.join(extra)})")
            rows = r.choice([0, 1, 3, 8, 15, 40, 150])
            not_null = {c for c, e in zip(columns, extra) if "not null" in e or "primary" in e}
            values = []
            for i in range(rows):
                values.append("(" + ", ".join(
                    str(i) if c == key else "null" if c not in not_null and self.chance(0.2) else constant(r, c[0])
                    for c in columns) + ")")
            half = len(values) // 2 if self.chance(0.5) else 0
            for part in (values[:half], values[half:]):
                if part:
                    out.append(f"insert into {name} values {', '.join(part)}")
            if self.chance(0.5):
                out.append(f"create index {name}_x on {name} ({', '.join(r.sample(columns, min(len(columns), r.randint(1, 2))))})")
        for _ in range(r.randint(0, 2)):
            name = self.name("v")
            sql, columns = self.query([], 2)
            out.append(f"create view {name} as {sql}")
            self.views[name] = columns
        return out

    # -------------------------------------------------------- expressions ----

    def columns_of(self, scopes, kind):
        """References of a type; the innermost scope weighs most."""
        found = []
        for depth, scope in enumerate(reversed(scopes)):
            mine = [sql for sql, k in scope if k == kind]
            if mine:
                found.append(mine)
                if self.chance(0.7):
                    break
        return self.r.choice(found) if found else []

    def expr(self, kind, scopes, depth):
        r = self.r
        refs = self.columns_of(scopes, kind)
        if refs and self.chance(0.55 if depth > 0 else 0.85):
            return r.choice(refs)
        if depth <= 0 or self.chance(0.15):
            return constant(r, kind) if not self.chance(0.08) else typed_null(kind)
        sub = lambda k=kind: self.expr(k, scopes, depth - 1)
        general = [
            lambda: f"coalesce({sub()}, {sub()})",
            lambda: f"case when {self.cond(scopes, depth - 1)} then {sub()} else {sub()} end",
            lambda: f"case {sub('i')} when {sub('i')} then {sub()} when 2 then {sub()} end",
            lambda: f"nullif({sub()}, {sub()})",
            lambda: self.scalar(kind, scopes, depth),
            lambda: self.scalar(kind, scopes, depth),
        ]
        own = {
            "i": [lambda: f"({sub()} + {sub()})", lambda: f"({sub()} - {sub()})", lambda: f"(- {sub()})",
                  lambda: f"abs({sub()})", lambda: f"length({sub('t')})", lambda: f"({sub()} * 2)",
                  lambda: f"({sub()} / {sub()})" if self.fails and self.chance(0.5) else sub(),
                  lambda: f"(case when {sub()} <> 0 then {sub()} / {sub()} end)" if self.fails and self.chance(0.3) else sub()],
            "j": [lambda: f"({sub()} + {sub('i')})", lambda: f"cast({sub('i')} as bigint)"],
            "t": [lambda: f"({sub()} || {sub()})", lambda: f"upper({sub()})", lambda: f"cast({sub('i')} as text)",
                  lambda: f"substr({sub()}, 1, 2)"],
            "n": [lambda: f"({sub()} + {sub()})", lambda: f"cast({sub('i')} as numeric(8,2))"],
            "b": [lambda: self.cond(scopes, depth - 1)],
            "s": [lambda: f"cast({sub('i')} as smallint)", lambda: f"({sub()} % 3::smallint)", lambda: f"(- {sub()})"],
            "f": [lambda: f"({sub()} + {sub()})", lambda: f"({sub()} - {sub('i')})", lambda: f"cast({sub('n')} as float8)", lambda: f"abs({sub()})"],
            "c": [lambda: f"cast({sub('t')} as char(3))", lambda: f"cast({sub('v')} as char(3))"],
            "v": [lambda: f"cast({sub('t')} as varchar(4))", lambda: f"cast({sub('c')} as varchar(4))", lambda: f"greatest({sub()}, {sub()})"],
            "p": [lambda: f"cast({sub('d')} as timestamp)", lambda: f"date_trunc('day', {sub()})", lambda: f"least({sub()}, {sub()})"],
            "d": [lambda: f"({sub()} + 1)", lambda: f"greatest({sub()}, {sub()})"],
        }[kind]
        return r.choice(general + own + own)()

    def scalar(self, kind, scopes, depth):
        """A subquery of one value."""
        way = self.r.random()
        if way < 0.5 and kind != "b":
            inner, scope = self.source(scopes, depth - 1)
            where = self.where(scopes + [scope], depth - 1)
            ops = ["min", "max"]
            arg = self.expr(kind, scopes + [scope], 1)
            if kind == "j":
                return self.r.choice([f"(select count(*) from {inner}{where})",
                                      f"(select count({arg}) from {inner}{where})",
                                      f"(select coalesce(max({arg}), -5) from {inner}{where})"])
            return f"(select {self.r.choice(ops)}({arg}) from {inner}{where})"
        if way < 0.6:
            return f"(select {self.expr(kind, scopes, depth - 1)})"
        sql, _ = self.query(scopes, depth - 1, [kind], one=way < 0.9)
        return f"({sql})"

    def cond(self, scopes, depth):
        r = self.r
        kind = r.choice("iiiijttnbd" + self.extra * 2)
        if self.extra and self.chance(0.15):
            return f"({self.mixed(scopes, depth)})"
        a = lambda: self.expr(kind, scopes, max(depth - 1, 0))
        simple = [
            lambda: f"{a()} {r.choice(COMPARE)} {a()}",
            lambda: f"{a()} {r.choice(COMPARE)} {a()}",
            lambda: f"{a()} {r.choice(COMPARE)} {constant(r, kind)}",
            lambda: f"{a()} is {r.choice(['', 'not '])}null",
            lambda: f"{a()} is {r.choice(['', 'not '])}distinct from {a()}",
            lambda: f"{a()} {r.choice(['', 'not '])}in ({a()}, {constant(r, kind)}, {a()})",
            lambda: f"{a()} between {a()} and {a()}",
            lambda: f"{self.expr('t', scopes, 0)} {r.choice(['', 'not '])}like {r.choice(TEXTS + ['%s' % chr(39) + '%a%' + chr(39), chr(39) + '_b%' + chr(39)])}",
        ]
        if depth <= 0:
            return "(" + r.choice(simple)() + ")"
        more = [
            lambda: f"{self.cond(scopes, depth - 1)} and {self.cond(scopes, depth - 1)}",
            lambda: f"{self.cond(scopes, depth - 1)} or {self.cond(scopes, depth - 1)}",
            lambda: f"({a()} = {constant(r, kind)} and {self.cond(scopes, depth - 1)}) or ({a()} = {constant(r, kind)} and {self.cond(scopes, depth - 1)})",
            lambda: f"not {self.cond(scopes, depth - 1)}",
            lambda: f"{self.cond(scopes, depth - 1)} is {r.choice(['', 'not '])}{r.choice(['true', 'false', 'unknown'])}",
            lambda: f"{r.choice(['', 'not '])}exists ({self.query(scopes, depth - 1)[0]})",
            lambda: f"{r.choice(['', 'not '])}exists ({self.query(scopes, depth - 1)[0]})",
            lambda: f"{a()} {r.choice(['', 'not '])}in ({self.query(scopes, depth - 1, [kind])[0]})",
            lambda: f"{a()} {r.choice(['', 'not '])}in ({self.query(scopes, depth - 1, [kind])[0]})",
            lambda: f"{a()} {r.choice(COMPARE)} {r.choice(['any', 'all'])} ({self.query(scopes, depth - 1, [kind])[0]})",
            lambda: f"({a()}, {self.expr('i', scopes, 0)}) {r.choice(['', 'not '])}in ({self.query(scopes, depth - 1, [kind, 'i'])[0]})",
        ]
        return "(" + r.choice(simple + more)() + ")"

    def mixed(self, scopes, depth):
        """A comparison of different types."""
        r = self.r
        one, other = r.choice(MIXED)
        a, b = (lambda: self.expr(one, scopes, max(depth - 1, 0))), (lambda: self.expr(other, scopes, max(depth - 1, 0)))
        simple = [lambda: f"{a()} {r.choice(COMPARE)} {b()}", lambda: f"{a()} {r.choice(['', 'not '])}in ({b()}, {constant(r, one)}, {a()})",
                  lambda: f"{a()} is {r.choice(['', 'not '])}distinct from {b()}", lambda: f"{a()} between {b()} and {b()}",
                  lambda: f"{a()} {r.choice(['', 'not '])}in ({constant(r, one)}, {constant(r, other)})"]
        if depth <= 0:
            return r.choice(simple)()
        return r.choice(simple + [lambda: f"{a()} {r.choice(['', 'not '])}in ({self.query(scopes, depth - 1, [other])[0]})",
                                  lambda: f"{a()} {r.choice(COMPARE)} {r.choice(['any', 'all'])} ({self.query(scopes, depth - 1, [other])[0]})",
                                  lambda: f"({a()}, {self.expr('i', scopes, 0)}) {r.choice(['=', '<', '>='])} ({b()}, {self.expr('j', scopes, 0)})"])()

    def where(self, scopes, depth):
        return f" where {self.cond(scopes, depth)}" if self.chance(0.75) else ""

    # -------------------------------------------------------------- FROM ----

    def item(self, outer, depth, ctes):
        """One item of FROM: its text, and what may be named."""
        r, alias = self.r, self.name("a")
        way = r.random()
        if way < 0.08 and ctes:
            name, columns = r.choice(ctes)
        elif way < 0.15 and ctes:
            name, columns = ctes[-1]
        elif way < 0.3 and depth > 0:
            sql, columns = self.query(outer, depth - 1)
            return f"({sql}) {alias}", [(f"{alias}.{c}", c[0]) for c in columns], columns
        elif way < 0.34:
            a, b = r.randint(0, 3), r.randint(1, 6)
            return f"generate_series({a}, {b}) {alias}(i9)", [(f"{alias}.i9", "i")], ["i9"]
        elif way < 0.39:
            kinds = [r.choice("ijtnd") for _ in range(r.randint(1, 2))]
            columns = [k + str(8 - n) for n, k in enumerate(kinds)]
            rows = ", ".join("(" + ", ".join(constant(r, k) if n or not self.chance(0.2) else typed_null(k) for k in kinds) + ")"
                             for n in range(r.randint(1, 4)))
            # The first row gives the types.
            first = "(" + ", ".join(f"cast({constant(r, k)} as {TYPES[k]})" for k in kinds) + "), "
            return (f"(values {first}{rows}) {alias}({', '.join(columns)})", [(f"{alias}.{c}", c[0]) for c in columns], columns)
        elif way < 0.45 and self.views:
            name, columns = r.choice(list(self.views.items()))
        else:
            name, columns = r.choice(list(self.tables.items()))
        return f"{name} {alias}", [(f"{alias}.{c}", c[0]) for c in columns], columns

    def source(self, outer, depth, ctes=()):
        """What follows FROM, and the columns it gives."""
        r = self.r
        sql, scope, columns = self.item(outer, depth, ctes)
        count = r.choice([0, 0, 1, 1, 1, 2, 2, 3]) if depth > 0 else r.choice([0, 0, 0, 1])
        for _ in range(count):
            kind = r.choice(["inner", "inner", "left", "left", "right", "full", "cross", "comma", "lateral", "left lateral", "using", "natural"])
            if kind in ("lateral", "left lateral") and depth > 0:
                inner, names = self.query(outer + [scope], depth - 1)
                alias = self.name("l")
                named = [sql for sql, k in scope if k == "i"]
                if named and self.chance(0.2):
                    sql += f" cross join generate_series({r.choice(['1', r.choice(named)])}, least({r.choice(named)}, 4)) {alias}(i7)"
                    scope = scope + [(f"{alias}.i7", "i")]
                    columns = None
                    continue
                added = [(f"{alias}.{c}", c[0]) for c in names]
                if kind == "lateral":
                    sql += f", lateral ({inner}) {alias}" if self.chance(0.5) else f" cross join lateral ({inner}) {alias}"
                else:
                    sql += f" left join lateral ({inner}) {alias} on {r.choice(['true', self.cond(outer + [scope + added], 0)])}"
                scope = scope + added
                columns = None
                continue
            other, added, names = self.item(outer, depth - 1, ctes)
            if kind in ("using", "natural") and columns is not None:
                common = [c for c in columns if c in names]
                side = r.choice(["", "left ", "right ", "full "])
                if len(set(names)) == len(names) and len(set(columns)) == len(columns) and (common or kind == "natural"):
                    if kind == "using":
                        common = r.sample(common, r.randint(1, len(common)))
                        sql += f" {side}join {other} using ({', '.join(common)})"
                    else:
                        sql += f" natural {side}join {other}"
                    columns = common + [c for c in columns if c not in common] + [c for c in names if c not in common]
                    # The merged column goes by its bare name; as long as no other item has it.
                    scope = scope + added
                    if _ == count - 1:
                        scope = scope + [(c, c[0]) for c in common]
                    continue
                kind = "inner"
            both = scope + added
            if kind in ("cross", "comma") or (kind in ("lateral", "left lateral")):
                sql += f" cross join {other}" if kind != "comma" else f", {other}"
                # What follows a comma does not see what stood before it.
                scope = both
                columns = None
                if kind == "comma":
                    break
                continue
            if kind in ("using", "natural"):
                kind = "left"
            pairs = [(a, b) for a, k in scope for b, l in added if k == l or (self.extra and k + l in MIXED and self.chance(0.3))]
            if pairs and self.chance(0.85):
                cond = "%s = %s" % r.choice(pairs)
                if kind != "full" and self.chance(0.35):
                    cond += " and " + self.cond(outer + [both], 1 if kind == "inner" and self.chance(0.3) else 0)
            elif kind == "full":
                cond = "true" if self.chance(0.2) or not pairs else "%s = %s" % r.choice(pairs)
            else:
                cond = self.cond(outer + [both], 0)
            sql += f" {kind} join {other} on {cond}"
            scope = both
            columns = None
        return sql, scope

    # ------------------------------------------------------------ queries ----

    def query(self, outer, depth, kinds=None, one=False, ctes=()):
        """A query and the names of its columns. kinds: their types. one: of at most one row."""
        r = self.r
        if kinds is None:
            kinds = [r.choice("iiijtttnbd" + self.extra) for _ in range(r.randint(1, 3))]
        names = []
        for n, k in enumerate(kinds):
            names.append(f"{k}{r.randint(1, 3)}" if f"{k}1" not in names and self.chance(0.5) else f"{k}{4 + n}")
        if len(set(names)) < len(names):
            names = [f"{k}{4 + n}" for n, k in enumerate(kinds)]
        if not one and depth > 0 and self.chance(0.12):
            return self.set_operation(outer, depth, kinds, names, ctes), names
        if depth > 0 and self.chance(0.12):
            inner = list(ctes)
            parts = []
            for _ in range(r.randint(1, 2)):
                sql, columns = self.query(outer, depth - 1, ctes=inner)
                name = self.name("c")
                parts.append(f"{name} as {r.choice(['', '', 'materialized ', 'not materialized '])}({sql})")
                inner.append((name, columns))
            sql, names = self.select(outer, depth - 1, kinds, names, one, inner)
            return f"with {', '.join(parts)} {sql}", names
        return self.select(outer, depth, kinds, names, one, ctes)

    def set_operation(self, outer, depth, kinds, names, ctes):
        r = self.r
        sides = []
        for n in range(r.choice([2, 2, 3])):
            if self.chance(0.2):
                sides.append(f"({self.set_operation(outer, depth - 1, kinds, names, ctes)})" if depth > 1 else
                             self.select(outer, 0, kinds, names, False, ctes)[0])
            else:
                sides.append(f"({self.select(outer, depth - 1, kinds, names, False, ctes)[0]})")
        sql = sides[0]
        for side in sides[1:]:
            sql += f" {r.choice(['union', 'union all', 'union all', 'intersect', 'intersect all', 'except', 'except all'])} {side}"
        return sql

    def order(self, count):
        columns = [str(n + 1) for n in range(count)]
        self.r.shuffle(columns)
        return " order by " + ", ".join(c + self.r.choice(["", "", " desc"]) + self.r.choice(["", "", " nulls first", " nulls last"])
                                        for c in columns)

    def select(self, outer, depth, kinds, names, one, ctes):
        r = self.r
        if self.chance(0.03):
            items = ", ".join(f"{self.expr(k, outer, depth)} as {n}" for k, n in zip(kinds, names))
            return f"select {items}", names
        source, scope = self.source(outer, depth, ctes)
        scopes = outer + [scope]
        where = self.where(scopes, depth)
        grouped = not one and self.chance(0.3)
        distinct = ""
        if one and self.chance(0.6) and all(k != "b" for k in kinds):
            items = ", ".join(f"{self.aggregate(k, scopes)} as {n}" for k, n in zip(kinds, names))
            return f"select {items} from {source}{where}", names
        if grouped:
            by, inner = [], []
            for _ in range(r.randint(0, 2)):
                k = r.choice("iijtnbd")
                expr = self.expr(k, scopes, r.choice([0, 0, 1]))
                if re.search(r"[a-z]\d+\.", expr) and "(select" not in expr:
                    by.append(expr)
                    inner.append((expr, k))
            plain = [(sql, k) for sql, k in inner if re.fullmatch(r"\w+\.\w+", sql)]
            group_scope = inner + [(self.aggregate(k, scopes), k) for k in r.sample("ijtnd" + self.extra, 2)]
            # Subqueries see the grouped columns only.
            items = ", ".join(f"{self.grouped_expr(k, outer, group_scope, plain, depth)} as {n}" for k, n in zip(kinds, names))
            sql = f"select {items} from {source}{where}"
            if by:
                sql += f" group by {', '.join(by)}"
            if self.chance(0.35):
                sql += f" having {self.grouped_cond(outer, group_scope, plain, depth)}"
        else:
            items = [f"{self.expr(k, scopes, depth)} as {n}" for k, n in zip(kinds, names)]
            if self.chance(0.15):
                distinct = "distinct "
            elif self.chance(0.06):
                order = ", ".join(["1"] + [str(n + 1) for n in range(1, len(kinds))])
                return (f"select distinct on (1) {', '.join(items)} from {source}{where} order by {order}"
                        + (" limit 1" if one else ""), names)
            sql = f"select {distinct}{', '.join(items)} from {source}{where}"
        if one or self.chance(0.2):
            sql += self.order(len(kinds))
            if one:
                sql += " limit 1"
            elif self.chance(0.6):
                sql += r.choice([f" limit {r.randint(0, 6)}", f" offset {r.randint(0, 4)}", f" limit {r.randint(1, 9)} offset {r.randint(0, 30)}",
                                 " limit null", f" fetch first {r.randint(1, 3)} rows only"])
        return sql, names

    def grouped_expr(self, kind, outer, group_scope, plain, depth):
        if depth > 0 and self.chance(0.2):
            return self.scalar(kind, outer + [plain], depth)
        return self.expr(kind, outer + [group_scope], 0) if self.chance(0.7) else \
            f"coalesce({self.expr(kind, outer + [group_scope], 0)}, {self.expr(kind, outer + [group_scope], 0)})"

    def grouped_cond(self, outer, group_scope, plain, depth):
        if depth > 0 and self.chance(0.3):
            return self.r.choice(["", "not "]) + f"exists ({self.query(outer + [plain], depth - 1)[0]})"
        return self.cond(outer + [group_scope], 0)

    def aggregate(self, kind, scopes):
        r = self.r
        innermost = scopes[-1:]
        arg = self.expr(kind, innermost, r.choice([0, 0, 1]) if self.chance(0.9) else 2) if kind != "b" else ""
        if "(select" in arg or not re.search(r"\.", arg):
            own = [sql for sql, k in scopes[-1] if k == kind]
            arg = r.choice(own) if own else constant(r, kind)
        filtered = f" filter (where {self.cond(innermost, 0)})" if self.chance(0.2) else ""
        distinct = "distinct " if self.chance(0.2) else ""
        if kind == "i":
            return r.choice([f"min({distinct}{arg}){filtered}", f"max({arg}){filtered}"])
        if kind == "j":
            own = [sql for sql, k in scopes[-1] if k == "i"]
            return r.choice([f"count(*){filtered}", f"count({distinct}{arg}){filtered}",
                             f"sum({distinct}{r.choice(own) if own else '1'}){filtered}"])
        if kind == "t":
            return r.choice([f"min({arg}){filtered}", f"max({arg}){filtered}",
                             f"string_agg({distinct}{arg}, ',' order by {arg}){filtered}" if not distinct else
                             f"min({distinct}{arg}){filtered}"])
        if kind == "n":
            return r.choice([f"sum({distinct}{arg}){filtered}", f"max({arg}){filtered}", f"round(avg({distinct}{arg}){filtered}, 2)"])
        if kind == "b":
            return f"bool_and({self.cond(innermost, 0)}){filtered}"
        return r.choice([f"min({arg}){filtered}", f"max({distinct}{arg}){filtered}"])

    # ------------------------------------------------------------ changes ----

    def change(self):
        r = self.r
        table = r.choice(list(self.tables))
        columns, key = self.tables[table], self.keys[table]
        own = [(f"x.{c}", c[0]) for c in columns]
        free = [c for c in columns if c != key]
        returning = f" returning {', '.join(columns)}" if self.chance(0.4) else ""
        way = r.random()
        if way < 0.3:
            source, _ = self.query([], 2, [c[0] for c in free])
            if key:
                source = f"select row_number.* from ({source}) row_number" if False else source
                if self.chance(0.5):
                    source = f"select (select coalesce(max({key}), 0) from {table}) + 1, z.* from ({source} limit 1) z" if " limit " not in source and " offset " not in source and "fetch first" not in source else source
                else:
                    return None
                if "z.*" not in source:
                    return None
                return None  # Which row a bare LIMIT keeps is anybody's choice.
            return f"insert into {table} ({', '.join(free)}) {source}{returning.replace(key or chr(0), key or '')}"
        if way < 0.65 and free:
            sets = ", ".join(f"{c} = {self.expr(c[0], [own], 2)}" for c in r.sample(free, min(len(free), r.randint(1, 2))))
            others = [t for t in self.tables if self.keys[t] and t != table]
            if others and self.chance(0.4):
                other = r.choice(others)
                other_own = [(f"y.{c}", c[0]) for c in self.tables[other]]
                link = [sql for sql, k in own if k == "i"]
                if link:
                    sets = ", ".join(f"{c} = {self.expr(c[0], [own + other_own], 1)}" for c in r.sample(free, 1))
                    return (f"update {table} x set {sets} from {other} y where y.{self.keys[other]} = {r.choice(link)} and "
                            f"{self.cond([own + other_own], 1)}{self.qualify(returning)}")
            return f"update {table} x set {sets}{self.where([own], 2)}{self.qualify(returning)}"
        if self.chance(0.3):
            source, scope = self.item([], 1, ())[:2]
            return f"delete from {table} x using {source} where {self.cond([own + scope], 1)}{self.qualify(returning)}"
        return f"delete from {table} x where {self.cond([own], 2)} and {self.cond([own], 1)}{self.qualify(returning)}"

    @staticmethod
    def qualify(returning):
        return re.sub(r"\b([ijtnbdsfcvp]\w)\b", r"x.\1", returning) if returning else ""

    def script(self, count):
        out = self.setup()
        for _ in range(count):
            if self.chance(0.15):
                change = self.change()
                if change:
                    out.append(change)
                    continue
            depth = self.r.choice([1, 2, 2, 3])
            sql, names = self.query([], depth)
            if self.chance(0.3) and " order by " not in sql and " limit " not in sql and not sql.startswith("("):
                sql += self.order(len(names)) + self.r.choice(["", f" limit {self.r.randint(0, 9)}"])
            out.append(sql)
        for table, columns in self.tables.items():
            out.append(f"select * from {table}")
        return out


# ------------------------------------------------------------- comparing ----

NUMBER = re.compile(r"-?\d+(\.\d+)?$")


def value(text):
    if text is not None and NUMBER.match(text):
        number = decimal.Decimal(text)
        return f"{number:.6f}" if "." in text else f"{number}.000000"
    return "\0" if text is None else text.rstrip(" ")  # CHAR(n) loses its blanks in CASE and UNION.


def canonical(result, sql):
    rows = [tuple(value(v) for v in row) for row in result.rows()]
    tail = sql.rsplit(")", 1)[-1]
    return rows if re.search(r"order by \d", tail) else sorted(rows)


def differs(reference, other, sql, strict):
    if reference.code == "XX000" or other.code == "XX000":
        return f"internal error: {reference.message if reference.code == 'XX000' else other.message}"
    if reference.code:
        return None
    if other.code:
        # What another database supports or never evaluates is not our error.
        return None if not strict and other.code in ("0A000", "21000", "22012", "22003") else f"{other.code}: {other.message}"
    try:
        a, b = canonical(reference, sql), canonical(other, sql)
    except (decimal.InvalidOperation, ValueError):
        return None
    if a == b:
        return None
    return f"{len(a)} rows {a[:6]} against {len(b)} rows {b[:6]}"


class Ways:
    """How a script can be run; the first is what the others are compared with."""

    def __init__(self, args):
        self.ways, self.refused = [], {}
        if args.oracle:
            self.ways.append(("oracle", args.oracle, []))
        if not args.oracle or args.both:
            self.ways.append(("optimizer off", args.kodiak, ["set optimizer = off", "set threads = 1"]))
        self.ways.append(("optimizer on", args.kodiak, ["set threads = 1"]))
        if not args.oracle:
            self.ways.append(("two threads", args.kodiak, ["set threads = 2"]))
        if args.other:
            self.ways.append(("other", args.other, ["set threads = 2"]))

    def run(self, way, script):
        _, program, before = way
        options = ["-s", "threads=2"] if before else []
        done = kdk.run(program, ":memory:", before + script, options, seconds=60)
        return done.results[len(before):], done.trouble

    def difference(self, script):
        """(statement index, text) of the first difference, or None; and how many statements the reference ran."""
        reference, trouble = self.run(self.ways[0], script)
        if trouble.startswith("no end"):
            self.refused["took too long"] = self.refused.get("took too long", 0) + 1
            return None, 0
        if trouble:
            return (0, f"{self.ways[0][0]}: {trouble}", self.ways[0]), 0
        ran = sum(not r.code for r in reference)
        for way in self.ways[1:]:
            results, trouble = self.run(way, script)
            for i, sql in enumerate(script):
                why = differs(reference[i], results[i], sql, self.ways[0][0] != "oracle")
                if why is None and results[i].code and not reference[i].code and re.match("insert|update|delete|create", sql):
                    self.refused[results[i].message] = self.refused.get(results[i].message, 0) + 1
                    trouble = ""
                    break  # From here on the tables differ.
                if results[i].code == "0A000":
                    self.refused[results[i].message] = self.refused.get(results[i].message, 0) + 1
                if why:
                    return (i, f"{self.ways[0][0]} against {way[0]}: {why}", way), ran
            if trouble:
                return (len(script) - 1, f"{way[0]}: {trouble}", way), ran
        return None, ran


TOKEN = re.compile(r"'(?:[^']|'')*'|\w+(?:\.\w+)?|\s+|[<>=|]+|.")


def spans(tokens):
    """Balanced parts, large ones first."""
    stack, found = [], []
    for i, token in enumerate(tokens):
        if token == "(":
            stack.append(i)
        elif token == ")" and stack:
            found.append((stack.pop(), i + 1))
    return sorted(found, key=lambda s: s[0] - s[1])


def shrink(ways, script, at, way, seconds):
    """A shorter script whose last statement still differs between the reference and one way."""
    pair = Ways.__new__(Ways)
    pair.ways, pair.refused = [ways.ways[0], way], {}
    end = time.monotonic() + seconds

    def bad(candidate):
        if time.monotonic() > end:
            return False
        if re.search(r"select\s*($|\)|from|where)", candidate[-1]):
            return False
        found, _ = pair.difference(candidate)
        return found is not None and found[0] == len(candidate) - 1 and "no end after" not in found[1]

    script = script[:at + 1]
    if not bad(script):
        return script
    needed = [sql for sql in script[:-1] if re.match("create|insert|update|delete", sql)] + script[-1:]
    if bad(needed):
        script = needed
    for i in range(len(script) - 2, -1, -1):
        if bad(script[:i] + script[i + 1:]):
            script = script[:i] + script[i + 1:]
    changed = True
    while changed and time.monotonic() < end:
        changed = False
        for s in range(len(script) - 1, -1, -1):
            tokens = TOKEN.findall(script[s])
            again = True
            while again and time.monotonic() < end:
                again = False
                candidates = []
                for a, b in spans(tokens):
                    candidates += [tokens[:a] + ["true"] + tokens[b:], tokens[:a] + ["1"] + tokens[b:], tokens[:a] + tokens[a + 1:b - 1] + tokens[b:]]
                    if tokens[max(a - 2, 0):a] == [",", " "]:
                        candidates.append(tokens[:a - 2] + tokens[b:])
                for size in (40, 24, 16, 12, 8, 6, 4, 3, 2, 1):
                    for a in range(0, len(tokens) - size + 1, max(1, size // 3)):
                        candidates.append(tokens[:a] + tokens[a + size:])
                for candidate in candidates:
                    text = "".join(candidate).strip()
                    if len(text) < len("".join(tokens)) and text.count("(") == text.count(")") and bad(script[:s] + [text] + script[s + 1:]):
                        tokens, again, changed = candidate, True, True
                        script[s] = text
                        break
    return script


def main():
    parser = argparse.ArgumentParser(description="Compares ways to run random statements; see the head of this file.")
    parser.add_argument("--kodiak", required=True)
    parser.add_argument("--other")
    parser.add_argument("--oracle")
    parser.add_argument("--both", action="store_true", help="with --oracle: the optimizer off, too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1000000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--statements", type=int, default=30)
    parser.add_argument("--shrink", type=float, default=60, help="seconds for a difference")
    parser.add_argument("--all", action="store_true", help="do not stop at the tenth difference")
    parser.add_argument("--show", action="store_true", help="print the script of the seed")
    args = parser.parse_args()

    ways, tally = Ways(args), kdk.Tally()
    started, total, ran_total = time.monotonic(), 0, 0
    for seed in range(args.seed, args.seed + args.rounds):
        if time.monotonic() - started > args.seconds:
            break
        script = Generator(seed).script(args.statements)
        if args.show:
            print(";\n".join(script) + ";")
            continue
        found, ran = ways.difference(script)
        total += len(script)
        ran_total += ran
        tally.passed += len(script) - (found is not None)
        if found:
            at, why, way = found
            small = shrink(ways, script, at, way, args.shrink)
            again, _ = ways.difference(small)
            tally.check(False, f"seed {seed}, statement {at}: {why[:600]}\n  " + ";\n  ".join(small)
                        + ";\n  -- " + (again[1][:600] if again else "?"))
            if tally.failed >= 10 and not args.all:
                break
    print(f"{total} statements, {ran_total} without an error in the reference")
    for message, count in sorted(ways.refused.items(), key=lambda item: -item[1]):
        print(f"  refused {count} times: {message}")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
