#!/usr/bin/env python3
"""Random expressions of every type, asked of KodiakDB and of PostgreSQL: values, types and SQLSTATEs must agree.

    test/random_expr.py --kodiak PATH --oracle test/on_postgres.py [--seed N] [--count N] [--depth N]

Constants at the edges of their types, columns, literals of unknown type, NULLs, and every function and operator with arguments that
mostly fit. Each is asked three ways: of constants, of a table's columns (the vector evaluator), and as a condition. Where the answer
is known to differ (NUMERIC's scale is static here) numbers are compared by value. A refusal (0A000, 42601) is counted, not blamed; so is
a function that is not there.
"""
import argparse
import collections
import decimal
import random
import re
import sys
import time

import kdk

decimal.getcontext().prec = 60

COLUMNS = {"s": "smallint", "i": "integer", "b": "bigint", "n": "numeric(12,3)", "r": "real", "f": "double precision", "t": "text",
           "v": "varchar(6)", "c": "char(4)", "y": "bytea", "o": "boolean", "d": "date", "p": "timestamp"}
VALUES = {
    "s": ["0", "1", "-1", "2", "3", "7", "100", "32767", "-32768"],
    "i": ["0", "1", "-1", "2", "3", "5", "10", "100", "-7", "65", "8364", "2147483647", "-2147483648", "1000000"],
    "b": ["0", "1", "-1", "3", "10", "-7", "9223372036854775807", "-9223372036854775808", "4294967296", "1000000007"],
    "n": ["0.000", "1.500", "-1.500", "2.500", "0.001", "-0.005", "999999999.999", "-999999999.999", "10.000", "3.000", "0.500", "32767.5", "2147483647.5"],
    "r": ["0", "1.5", "-1.5", "2.5", "0.1", "3.4028235e38", "1e-45", "-0.0", "'NaN'", "'Infinity'", "'-Infinity'", "16777216", "1e10", "123456.7"],
    "f": ["0", "1.5", "-1.5", "2.5", "0.5", "0.1", "1e308", "5e-324", "-0.0", "'NaN'", "'Infinity'", "'-Infinity'", "9007199254740993", "1e15", "1e16",
          "1e-5", "123456789.125", "2147483647.5", "9.3e18"],
    "t": ["''", "'a'", "'abc'", "'ABC'", "'a%b_c'", "'  x '", "'äöü'", "'€uro😀'", "'12'", "' 7 '", "'-1.5'", "'1e3'", "'true'", "'2024-02-29'", "'abcabc'",
          "'\\x41'", "'a\\b'", "'Infinity'", "'x''y'", "'Hello World'", "'hello_wOrld-foo 1bar'", "'null'"],
    "v": ["''", "'a'", "'abcdef'", "'äöüß'", "'ab  '", "'12'", "'-3'"],
    "c": ["''", "'a'", "'abcd'", "'ab'", "'ä'", "'12'", "' b'"],
    "y": ["'\\x'", "'\\x00'", "'\\x414243'", "'\\xff00'", "'\\xdeadbeef'", "'abc'"],
    "o": ["true", "false"],
    "d": ["'2024-02-29'", "'2000-01-01'", "'1999-12-31'", "'0001-01-01'", "'0044-03-15 BC'", "'4713-01-01 BC'", "'294246-12-31'", "'infinity'",
          "'-infinity'", "'2024-12-30'", "'1970-01-01'", "'2023-01-01'"],
    "p": ["'2024-02-29 23:59:59.999999'", "'2000-01-01'", "'1999-12-31 12:34:56.5'", "'0001-01-01 00:00:00'", "'0044-03-15 01:02:03 BC'",
          "'4713-11-24 00:00:00 BC'", "'294246-12-31 23:59:59.999999'", "'infinity'", "'-infinity'", "'1970-01-01 00:00:00.000001'", "'2024-12-30 13:00'"],
}
# Texts for casts, and for literals without a type.
ODD = ["''", "' '", "'1'", "' 12 '", "'+5'", "'-0'", "'1.5'", "'.5'", "'5.'", "'1e2'", "'1e400'", "'1e-400'", "'0x1F'", "'1_000'", "'abc'", "'NaN'", "'nan'", "'inf'",
       "'-inf'", "'Infinity'", "'32768'", "'-32769'", "'2147483648'", "'9223372036854775808'", "'-9223372036854775809'", "'99999999999999999999999'",
       "'t'", "'tr'", "'true'", "'TRUE'", "' yes '", "'y'", "'on'", "'of'", "'off'", "'o'", "'0'", "'f'", "'no'", "'2024-01-01'", "'2024-1-2'", "'2024-02-30'",
       "'2024-13-01'", "'0000-01-01'", "'20240229'", "'Jan 5 2020'", "'5 January 2020'", "'01/02/2003'", "'2024-02-29 12:00'", "'2024-02-29T12:00:01.5'",
       "'2024-02-29 24:00:00'", "'2024-02-29 25:00:00'", "'2024-02-29 12:60:00'", "'2024-02-29 12:00:60'", "'2024-02-29 12:00:00.1234567'", "'infinity'",
       "'-infinity'", "'epoch'", "'2024-001'", "'2024-366'", "'J2451545'", "'100-01-01'", "'99-01-01'", "'12345-01-01'", "'5874898-01-01'", "'4714-01-01 BC'",
       "'294277-01-01'", "'2024-02-29 12:00 PM'", "'2024-02-29 1 PM'", "'2024-02-29 12:00 AM'", "'12:00'", "'2024-02-29 12:00:00+02'", "'2024-02-29 BC'",
       "'\\x4'", "'\\x4g'", "'\\x41 42'", "'\\101'", "'\\'", "'\\\\'", "'\\400'", "'1.'", "'1e'", "'e1'", "'--1'", "'1 2'", "'1.5e3'", "'12345678901234567890.5'",
       "'0.0000000000001'", "'3.4e39'", "'1e39'", "'1.7976931348623159e308'", "'4.9e-324'", "'1e-46'", "'1e-38'", "'Sat Feb 29 2024'", "'yesterday'",
       "'2024-02-29 12:34:56 BC'", "'1.5.5'", "'\t3\n'", "'3 x'"]
NUMBERS = ["0", "1", "-1", "2", "3", "7", "10", "0.0", "1.5", "2.50", "-0.5", "0.1", "100", "1e3", "1.5e-3", "32767", "32768", "2147483647", "2147483648", "-2147483648",
           "9223372036854775807", "9223372036854775808", "123456789012345678901234567890", "0.000001", ".5", "5."]
TARGETS = ["smallint", "integer", "bigint", "numeric", "numeric(5,2)", "numeric(3)", "numeric(10,4)", "real", "double precision", "text", "varchar", "varchar(3)", "char(3)",
           "char", "bytea", "boolean", "date", "timestamp", "timestamp(0)", "timestamp(3)", "float(10)", "decimal(4,1)", "int2", "int8", "float4"]
NUM, TXT = "sibnrf", "tvc"
ANY = "sibnrftvcyodp"
# Operators: left types, right types.
OPERATORS = [(op, "sibnrf", "sibnrf") for op in ("+", "-", "*", "/", "%", "+", "-", "*", "/")] + [("^", "sibnrf", "sibnrf")] \
    + [(op, "sib", "sib") for op in ("&", "|", "#")] + [(op, "sib", "si") for op in ("<<", ">>")] \
    + [("||", ANY, "tvc"), ("||", "tvc", ANY), ("||", "y", "y"), ("+", "d", "si"), ("+", "si", "d"), ("-", "d", "si"), ("-", "d", "d")] \
    + [(op, "dp", "dp") for op in ("=", "<", ">=", "<>")] + [(op, "y", "y") for op in ("=", "<", ">")] + [(op, "o", "o") for op in ("=", "<", "<>")] \
    + [(op, NUM, NUM) for op in ("=", "<", "<=", ">", ">=", "<>", "!=")] + [(op, TXT, TXT) for op in ("=", "<", "<=", ">", ">=", "<>")] \
    + [(op, TXT, TXT) for op in ("like", "not like", "ilike", "not ilike", "^@")] + [("and", "o", "o"), ("or", "o", "o")] \
    + [("is distinct from", NUM, NUM), ("is not distinct from", TXT, TXT), ("is distinct from", "dp", "dp")]
PREFIX = [("-", NUM), ("+", NUM), ("~", "sib"), ("@", NUM), ("|/", "nf"), ("||/", "nf"), ("not", "o")]
POSTFIX = [("is null", ANY), ("is not null", ANY), ("is true", "o"), ("is not false", "o"), ("is unknown", "o"), ("isnull", ANY), ("notnull", ANY)]
FUNCTIONS = [
    ("abs", NUM), ("ceil", NUM), ("floor", NUM), ("round", NUM), ("trunc", NUM), ("sign", NUM), ("round", "n", "i"), ("trunc", "n", "i"), ("sqrt", NUM), ("cbrt", NUM),
    ("exp", NUM), ("ln", NUM), ("log", NUM), ("log10", NUM), ("log", "nsi", "nsi"), ("power", NUM, NUM), ("mod", "sibn", "sibn"), ("div", "sibn", "sibn"),
    ("gcd", "sib", "sib"), ("lcm", "sib", "sib"), ("sin", "f"), ("cos", "f"), ("tan", "f"), ("cot", "f"), ("asin", "f"), ("acos", "f"), ("atan", "f"),
    ("atan2", "f", "f"), ("sinh", "f"), ("cosh", "f"), ("tanh", "f"), ("asinh", "f"), ("acosh", "f"), ("atanh", "f"), ("sind", "f"), ("cosd", "f"), ("tand", "f"),
    ("cotd", "f"), ("asind", "f"), ("acosd", "f"), ("atand", "f"), ("atan2d", "f", "f"), ("degrees", "f"), ("radians", "f"), ("pi",), ("factorial", "b"),
    ("width_bucket", "f", "f", "f", "i"), ("width_bucket", "n", "n", "n", "i"), ("scale", "n"), ("min_scale", "n"), ("bit_count", "y"),
    ("greatest", NUM, NUM), ("least", NUM, NUM), ("greatest", TXT, TXT, TXT), ("least", "dp", "dp"), ("greatest", "y", "y"), ("least", "o", "o"), ("greatest", "c", "c"),
    ("length", "tvcy"), ("char_length", TXT), ("octet_length", "tvy"), ("bit_length", "tvy"), ("lower", TXT), ("upper", TXT), ("initcap", TXT), ("reverse", TXT),
    ("md5", "tvy"), ("substr", "tvcy", "i"), ("substr", "tvcy", "i", "i"), ("substring", "tv", "i", "i"), ("strpos", TXT, TXT), ("replace", TXT, TXT, TXT),
    ("translate", TXT, TXT, TXT), ("btrim", "tvc"), ("btrim", TXT, TXT), ("ltrim", TXT, TXT), ("rtrim", TXT, TXT), ("ltrim", TXT), ("rtrim", TXT), ("btrim", "y", "y"),
    ("ltrim", "y", "y"), ("get_byte", "y", "i"), ("get_bit", "y", "ib"), ("set_byte", "y", "i", "i"), ("set_bit", "y", "ib", "i"), ("encode", "y", "E"), ("decode", "t", "E"),
    ("quote_literal", ANY), ("quote_nullable", ANY), ("quote_ident", "tv"), ("num_nulls", ANY, ANY), ("num_nonnulls", ANY, ANY, ANY), ("lpad", TXT, "i"), ("lpad", TXT, "i", TXT),
    ("rpad", TXT, "i"), ("rpad", TXT, "i", TXT), ("left", TXT, "i"), ("right", TXT, "i"), ("repeat", TXT, "L"), ("concat", ANY, ANY, ANY), ("concat_ws", TXT, ANY, ANY),
    ("concat", ANY), ("ascii", TXT), ("chr", "i"), ("split_part", TXT, TXT, "i"), ("starts_with", TXT, TXT), ("to_hex", "ib"), ("overlay", TXT, TXT, "i"),
    ("overlay", "tvy", "tvy", "i", "i"), ("coalesce", ANY, ANY), ("coalesce", NUM, NUM, NUM), ("nullif", NUM, NUM), ("nullif", TXT, TXT), ("nullif", "dp", "dp"),
    ("format", "F", ANY, ANY), ("date_part", "D", "dp"), ("date_trunc", "D", "dp"), ("make_date", "i", "i", "i"), ("make_timestamp", "i", "i", "i", "i", "i", "f"),
    ("isfinite", "dp"), ("to_char", "dp", "M"), ("to_char", "ibnrf", "N"), ("pg_typeof", ANY), ("position", "P", "P"),
]
PARTS = ["year", "month", "day", "hour", "minute", "second", "decade", "century", "millennium", "quarter", "week", "dow", "isodow", "doy", "isoyear", "epoch",
         "julian", "millisecond", "microseconds", "timezone", "foo", "YEAR", "y", "qtr"]
FORMATS = ["'%s'", "'%s-%s'", "'%I'", "'%L'", "'%%'", "'%2$s %1$s'", "'%10s|'", "'%-10s|'", "'%x'", "'%'", "'%1$*2$s'", "'%s %s %s'", "'%3$s'", "'%0$s'", "'%*s'"]
MASKS = ["'YYYY-MM-DD HH24:MI:SS.US'", "'Day DD Mon'", "'FMMonth'", "'IYYY-IW-ID'", "'Q J DDD'", "'HH12 AM'", "'Y,YYY CC'", "'BC'", "'MS'", "'WW W'", "'\"x\"YY'"]
NUMASKS = ["'999'", "'000.00'", "'FM999.99'", "'S999'", "'9,999.9'", "'9999MI'", "'999PR'", "'SG9999'", "'PL999'", "'FM0000'", "'99999999999D99'", "'.99'"]


def odd_date(r):
    """Something like a date, a time, or both."""
    year, month, day = r.choice([2024, 2023, 1999, 1, 99, 100, 4713, 12345, 0, 24, r.randint(1, 9999)]), r.randint(0, 13), r.randint(0, 32)
    name = r.choice(["Jan", "feb", "MARCH", "Sept", "december", "Foo", "Mai"])
    date = r.choice([f"{year:04}-{month:02}-{day:02}", f"{year:04}-{month:02}-{day:02}", f"{year}-{month}-{day}", f"{year:04}{month:02}{day:02}", f"{month}/{day}/{year}", f"{day}.{month}.{year}", f"{year}/{month}/{day}",
                     f"{name} {day}, {year}", f"{day} {name} {year}", f"{day}-{name}-{year}", f"{year}-{name}-{day}", f"{name} {day} {year}", f"{year}.{r.randint(1, 366)}", f"{year}-{r.randint(1, 366):03}",
                     f"J{r.randint(0, 3000000)}", f"{month}-{day}-{year}", f"{name}-{day}-{year}", f"{year % 100:02}{month:02}{day:02}", r.choice(["today", "epoch", "infinity", "-infinity", "now", ""])])
    hour, minute, second = r.choice([0, 5, 11, 12, 13, 23, 24, 25]), r.choice([0, 30, 59, 60]), r.choice(["00", "59", "59.5", "60", "61", "07.123456", "07.1234567", "59.9999996", "7"])
    time_of_day = r.choice(["", "", "", f"{hour}:{minute:02}", f"{hour:02}:{minute:02}:{second}", f"{hour:02}:{minute:02}:{second}", f"{hour:02}:{minute:02}:{second}", f"{hour:02}{minute:02}", f"{hour:02}{minute:02}07", f"{hour} pm", f"{hour}:{minute:02} am",
                            f"{hour:02}:{minute:02}:{second} PM", f"T{hour:02}{minute:02}07"])
    joint = r.choice([" ", " ", " ", "T", "  ", "t", ""])
    era = r.choice(["", "", "", "", " BC", " AD", "bc", " b.c."])
    text = r.choice([f"{date}{joint if time_of_day else ''}{time_of_day}{era}", f"{date}{era}{joint}{time_of_day}", f"{time_of_day} {date}", f" {date} "]).replace("'", "")
    return f"'{text}'"


def odd_number(r):
    digits = "".join(r.choice("0123456789") for _ in range(r.choice([1, 2, 3, 5, 9, 10, 18, 19, 20])))
    after = r.choice(["", "", "", ".", "." + "".join(r.choice("0123456789") for _ in range(r.randint(1, 12)))])
    power = r.choice(["", "", "", "", f"e{r.randint(-12, 12)}", f"E+{r.randint(0, 40)}", "e", "e+", f"e{r.choice([-320, 308, 309, 38, 39, -45, -46])}"])
    return f"'{r.choice(['', '', ' ', chr(9)])}{r.choice(['', '', '-', '+', '- ', '+-'])}{digits}{after}{power}{r.choice(['', '', ' ', 'x', ' 1', '_1'])}'"


class Expressions:
    def __init__(self, seed, columns):
        self.r = random.Random(seed)
        self.columns = columns  # Whether columns may be named.

    def chance(self, share):
        return self.r.random() < share

    def constant(self, kind):
        r = self.r
        if kind == "E":
            return r.choice(["'hex'", "'base64'", "'escape'", "'HEX'", "'x'"])
        if kind == "F":
            return r.choice(FORMATS)
        if kind == "M":
            return r.choice(MASKS)
        if kind == "N":
            return r.choice(NUMASKS)
        if kind == "D":
            return f"'{r.choice(PARTS)}'"
        if kind == "L":
            return r.choice(["0", "1", "3", "-1", "2"])
        way = r.random()
        if way < 0.05:
            return r.choice([f"cast(null as {COLUMNS[kind]})", "null"])
        if kind in "sib" and way < 0.35:
            return r.choice(["0", "1", "2", "3", "4", "-1", "-2", "5", "10"]) if kind != "s" else f"{r.choice(['1', '2', '3', '(-1)', '0'])}::smallint"
        if way < 0.15:
            return r.choice(VALUES[kind]) if kind not in "tvcydp" else r.choice(VALUES[kind])
        if kind == "n" and way < 0.4:
            return r.choice(NUMBERS)
        if kind == "n":
            return f"numeric '{r.choice(VALUES[kind])}'" if way < 0.7 else f"cast({r.choice(VALUES[kind])} as numeric(12,3))"
        if kind == "t" and way < 0.5:
            return r.choice(VALUES[kind])
        if kind == "o":
            return r.choice(["true", "false"])
        value = r.choice(VALUES[kind])
        return f"cast({value} as {COLUMNS[kind]})" if way < 0.8 or not value.startswith("'") or " " in COLUMNS[kind] else f"{COLUMNS[kind]} {value}"

    def arg(self, kinds, depth):
        """An argument that fits one of the types; sometimes one that may not."""
        kind = self.r.choice(kinds)
        if kind == "P":
            return self.arg("tvcy", depth)
        if kind in ANY and self.chance(0.03):
            kind = self.r.choice(ANY)
        if kind in ANY and self.chance(0.04):
            return self.r.choice(ODD)
        if kind in ANY and self.columns and self.chance(0.6):
            return kind
        if depth <= 0 or kind not in ANY or self.chance(0.55):
            return self.constant(kind)
        return self.of_type(kind, depth)

    def of_type(self, kind, depth):
        r, d = self.r, depth - 1
        make = {
            "s": lambda: f"{self.arg('s', d)} {r.choice('+-*/%&|#')} {self.arg('s', d)}",
            "i": lambda: r.choice([lambda: f"{self.arg('i', d)} {r.choice('+-*/%&|#')} {self.arg('si', d)}", lambda: f"length({self.arg('t', d)})",
                                   lambda: f"{self.arg('d', d)} - {self.arg('d', d)}", lambda: f"cast({self.arg('nfb', d)} as integer)"])(),
            "b": lambda: f"{self.arg('b', d)} {r.choice('+-*/%&|#')} {self.arg('sib', d)}",
            "n": lambda: f"{self.arg('n', d)} {r.choice('+-*/%')} {self.arg('sibn', d)}",
            "r": lambda: f"{self.arg('r', d)} {r.choice('+-*/')} {self.arg('r', d)}",
            "f": lambda: f"{self.arg('f', d)} {r.choice('+-*/')} {self.arg('sibnrf', d)}",
            "t": lambda: r.choice([lambda: f"{self.arg('t', d)} || {self.arg(ANY, d)}", lambda: f"substr({self.arg('t', d)}, {self.arg('i', d)})",
                                   lambda: f"cast({self.arg(ANY, d)} as text)", lambda: f"upper({self.arg('t', d)})"])(),
            "v": lambda: f"cast({self.arg('tci', d)} as varchar({r.randint(1, 6)}))",
            "c": lambda: f"cast({self.arg('tvi', d)} as char({r.randint(1, 6)}))",
            "y": lambda: f"{self.arg('y', d)} || {self.arg('y', d)}",
            "o": lambda: self.operator(d),
            "d": lambda: f"{self.arg('d', d)} {r.choice('+-')} {self.arg('i', d)}",
            "p": lambda: f"date_trunc('{r.choice(PARTS[:12])}', {self.arg('p', d)})",
        }[kind]
        return f"({make()})"

    def operator(self, depth):
        op, left, right = self.r.choice(OPERATORS)
        return f"{self.arg(left, depth)} {op} {self.arg(right, depth)}"

    def top(self, depth):
        r = self.r
        way = r.random()
        a = lambda kinds: self.arg(kinds, depth - 1)
        if way < 0.3:
            return self.operator(depth - 1)
        if way < 0.34:
            op, kinds = r.choice(PREFIX)
            return f"{op} {a(kinds)}"
        if way < 0.36:
            op, kinds = r.choice(POSTFIX)
            return f"({a(kinds)}) {op}"
        if way < 0.37:
            return f"cast({odd_date(r)} as {r.choice(['date', 'timestamp', 'timestamp', 'timestamp(0)', 'timestamp(3)'])})"
        if way < 0.38:
            return f"cast({odd_number(r)} as {r.choice(TARGETS)})"
        if way < 0.40:
            return f"cast({r.choice(ODD)} as {r.choice(TARGETS)})"
        if way < 0.50:
            return r.choice([f"cast({a(ANY)} as {r.choice(TARGETS)})", f"({a(ANY)})::{r.choice(TARGETS)}"])
        if way < 0.54:
            pick = r.choice(ANY)
            group = next(g for g in (NUM, TXT, "y", "o", "dp") if pick in g)
            b = lambda: a(group)
            return r.choice([lambda: f"case when {a('o')} then {b()} else {b()} end", lambda: f"case {b()} when {b()} then {b()} when {b()} then {b()} end",
                             lambda: f"{b()} in ({b()}, {b()}, {b()})", lambda: f"{b()} not in ({b()}, {b()})", lambda: f"{b()} between {b()} and {b()}",
                             lambda: f"{b()} not between symmetric {b()} and {b()}", lambda: f"coalesce({b()}, {b()}, {b()})",
                             lambda: f"({b()}, {b()}) {r.choice(['=', '<', '>=', '<>'])} ({b()}, {b()})",
                             lambda: f"({b()}, {b()}) is distinct from ({b()}, {b()})", lambda: f"{b()} {r.choice(['=', '<', '<>'])} any (select {b()})",
                             lambda: f"{b()} in (select {b()} union all select {b()})", lambda: f"(select {b()} union select {b()} order by 1 limit 1)",
                             lambda: f"(select min(x) from (values ({b()}), ({b()})) z(x))"])()
        if way < 0.58:
            return r.choice([
                lambda: f"extract({r.choice(PARTS)} from {a('dp')})", lambda: f"position({a('t')} in {a('t')})", lambda: f"substring({a('tvcy')} from {a('i')} for {a('i')})",
                lambda: f"substring({a('tvy')} for {a('i')})", lambda: f"overlay({a('t')} placing {a('t')} from {a('i')} for {a('i')})",
                lambda: f"trim({r.choice(['both', 'leading', 'trailing'])} {a('t')} from {a('tvc')})", lambda: f"trim({a('tvc')})",
                lambda: f"{a('tvc')} like {a('tvc')} escape {r.choice([repr('!'), repr('a'), repr(''), repr('ab'), repr('%'), repr('_')])}",
                lambda: f"{a('tv')} like {r.choice(['%a%', '_b%', '%', '', 'a!%%', '%_', '__', 'ä%', '%c', 'a%b_c', '%😀', '_uro_', '%l_o%', chr(92) * 2 + '%'])!r}"])()
        if way < 0.62:
            kind = r.choice(ANY)
            group = next(g for g in (NUM, TXT, "y", "o", "dp") if kind in g)
            name, kinds = r.choice([("min", "sibnrftvcydp"), ("max", "sibnrftvcydp"), ("sum", NUM), ("avg", NUM), ("count", ANY), ("bool_and", "o"), ("bool_or", "o"), ("every", "o"),
                                    ("stddev", NUM), ("variance", NUM), ("var_pop", NUM), ("stddev_pop", NUM), ("bit_and", "sib"), ("bit_or", "sib"), ("bit_xor", "sib"),
                                    ("sum", NUM), ("avg", NUM), ("string_agg", TXT), ("corr", "f"), ("regr_slope", "f"), ("covar_pop", "f")])
            one = r.choice(kinds)
            cell = lambda: self.arg(one, depth - 1) if not self.columns else self.constant(one)
            first = f"cast({cell()} as {COLUMNS[one]})"
            rows = ", ".join([f"({first})"] + [f"({cell()})" for _ in range(r.randint(0, 3))])
            distinct = r.choice(["", "", "distinct "]) if name != "string_agg" else ""
            call = {"string_agg": "string_agg(x, ',' order by x)", "corr": "corr(x, x * 2)", "regr_slope": "regr_slope(x, x * 2)", "covar_pop": "covar_pop(x, x)"}
            return f"(select {call.get(name, f'{name}({distinct}x)')}{r.choice(['', '', ' filter (where x is not null)'])} from (values {rows}) z(x))"
        name, *kinds = r.choice(FUNCTIONS)
        if name == "position":
            return f"position({a(TXT)} in {a(TXT)})"
        return f"{name}({', '.join(a(k) for k in kinds)})"


def setup(r):
    out = ["create table e (k integer primary key, " + ", ".join(f"{c} {t}" for c, t in COLUMNS.items()) + ")"]
    for k in range(24):
        out.append(f"insert into e values ({k}, " + ", ".join("null" if r.random() < 0.12 else r.choice(VALUES[c]) for c in COLUMNS) + ")")
    return out


NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?$", re.I)
# What the type of NUMERIC tells here it does not tell there; a scale shows wherever a number becomes text.
SAME_TYPES = re.compile(r"\(\d+(,-?\d+)?\)|character varying|character|text|unknown|regtype")
# What differs by intent: see the READMEs of catalog and exec.
EXCUSED = re.compile(r"date_trunc\('\w+', \(?(date|cast\('[^']*' as date\)|\(?d\b)|(min|max)\((distinct )?x\).*bytea|cbrt|[|][|]/|0x1F|_bit\(|pg_typeof\(pg_typeof|(std|var)\w*\(.*(e308|inf)|(?i:inf(inity)?)'")


def same(a, b, close=False):
    if a == b:
        return True
    if a is None or b is None:
        return False
    if NUMBER.match(a) and NUMBER.match(b):
        x, y = decimal.Decimal(a), decimal.Decimal(b)
        return x == y or (close and ("." in a or "." in b) and abs(x - y) <= max(abs(x), abs(y)) * decimal.Decimal("1e-14") + decimal.Decimal("1e-16"))
    return False


def verdict(ours, theirs):
    if ours.code == "XX000":
        return "crash"
    if ours.code and theirs.code:
        if ours.code == theirs.code:
            return None
        return "refused" if ours.code in ("0A000", "42601") else f"code {theirs.code} {ours.code}"
    if ours.code:
        return "refused" if ours.code in ("0A000", "42601") else f"error {ours.code}"
    if theirs.code:
        return f"accepted {theirs.code}"
    a, b = ours.rows(), theirs.rows()
    if len(a) != len(b):
        return "rows"
    if all(len(x) == len(y) and all(same(p, q) for p, q in zip(x, y)) for x, y in zip(a, b)):
        return None
    if all(len(x) == len(y) and all(same(p, q) or SAME_TYPES.sub("", p or "") == SAME_TYPES.sub("", q or "") for p, q in zip(x, y)) for x, y in zip(a, b)):
        return None
    if all(len(x) == len(y) and all(same(p, q, True) for p, q in zip(x, y)) for x, y in zip(a, b)):
        return "digits"
    if all((p or "").rstrip(" ") == (q or "").rstrip(" ") for x, y in zip(a, b) for p, q in zip(x, y)):
        return "padding"
    return "value"


def main():
    parser = argparse.ArgumentParser(description="Compares random expressions with PostgreSQL; see the head of this file.")
    parser.add_argument("--kodiak", required=True)
    parser.add_argument("--oracle", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000, help="expressions")
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--show", type=int, default=3, help="examples of each kind")
    parser.add_argument("--only", default="", help="a pattern of verdicts")
    parser.add_argument("--casts", action="store_true", help="of texts alone")
    parser.add_argument("--columns", type=float, default=0.4, help="share that name columns")
    args = parser.parse_args()

    tally, found, refused, asked = kdk.Tally(), collections.defaultdict(list), collections.Counter(), 0
    for batch in range(0, args.count, 500):
        seed = args.seed + batch // 500
        r = random.Random(seed * 7919)
        statements = setup(r)
        head = len(statements)
        for _ in range(500):
            columns = r.random() < args.columns
            text = Expressions(r.random(), columns).top(args.depth)
            if args.casts:
                columns = False
                text = f"cast({odd_date(r)} as {r.choice(['date', 'timestamp'])})" if r.random() < 0.7 else f"cast({odd_number(r)} as {r.choice(TARGETS)})"
            if columns:
                statements.append(f"select k, {text} from e where k < {r.choice([3, 24, 24])} order by k")
            elif r.random() < 0.15:
                statements.append(f"select pg_typeof({text})")
            else:
                statements.append(f"select {text}")
        theirs = kdk.run(args.oracle, ":memory:", statements, seconds=120)
        with kdk.scratch() as folder:  # Half of the batches: from files.
            frozen = (batch // 500) % 2 == 1
            name = folder + "/a.kdk" if frozen else ":memory:"
            freeze = ["checkpoint freeze", "set threads = 4"] if frozen else []
            ours = kdk.run(args.kodiak, name, statements[:head] + freeze + statements[head:], seconds=120)
            del ours.results[head:head + len(freeze)]
        if ours.trouble:
            found["crash"].append((seed, statements[-1], ours.trouble, ""))
        if theirs.trouble:
            print(f"oracle: {theirs.trouble}")
        for sql, a, b in zip(statements[head:], ours.results[head:], theirs.results[head:]):
            asked += 1
            what = verdict(a, b)
            if what and what != "crash" and EXCUSED.search(sql):
                what = "refused"
            if what == "refused":
                refused[a.message] += 1
            elif what and re.search(args.only, what):
                found[what].append((seed, sql, a.code and f"{a.code}: {a.message}" or a.rows(), b.code and f"{b.code}: {b.message}" or b.rows()))
            tally.passed += what in (None, "refused")
    for what, examples in sorted(found.items()):
        print(f"== {what}: {len(examples)} times")
        for seed, sql, a, b in examples[:args.show]:
            if isinstance(a, list) and isinstance(b, list):
                pairs = [(x, y) for x, y in zip(a, b) if x != y and not all(same(p, q) for p, q in zip(x, y))]
                a, b = ([p[0] for p in pairs[:3]], [p[1] for p in pairs[:3]]) if pairs else (a[:3], b[:3])
            print(f"  [{seed}] {sql}\n      kodiak   {str(a)[:200]}\n      postgres {str(b)[:200]}")
        tally.failed += len(examples)
    print(f"{asked} expressions")
    for message, count in refused.most_common(15):
        print(f"  refused {count} times: {message}")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
