#!/usr/bin/env python3
"""Random histories of one table, told to a database in memory and to one on disk: what each statement says must agree.

    test/random_storage.py --kodiak PATH [--seed N] [--seconds N] [--keep]

One round is one seed: three connections insert (loads among them), change rows and keys, delete and insert again, add and drop columns and indexes, in blocks
that overlap and end either way; some statements fail. Others hold snapshots, and ask the same again and again. On disk there are also checkpoints and freezes,
in between and in the background, and the process ends now and then, by itself or killed. At the end `kodiak check` must find nothing.
The tiny build shows most: there a strip has 64 rows.
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile
import time

import kdk

COLUMNS = {
    "integer": ["({g}*7)%101", "{g}-50", "-{g}", "{g}%5", "{g}"],
    "bigint": ["{g}*1000000007", "-{g}*4611686018", "{g}%3", "9223372036854775000+{g}%800", "-9223372036854775000-{g}%800"],
    "text": ["'k'||({g}%13)", "repeat('ab',{g}%9)||{g}", "''", "'long text that is no inline string '||({g}%29)", "chr(1+{g}%5)||'x'",
             "case when {g}%50=0 then repeat('wide',{g}%7*9000) else 'n' end"],
    "numeric(12,2)": ["{g}*1.25", "-{g}/3.0", "0.00", "{g}%4*100000.01"],
    "numeric(30,6)": ["{g}*123456789012345678901.5", "-{g}*0.000001", "{g}"],
    "double precision": ["{g}*0.5", "-0.0::double precision*{g}", "case when {g}%5=0 then 'NaN'::double precision else {g}/7.0 end", "-1.0/({g}+1)",
                         "case when {g}%2=0 then 'Infinity'::double precision else '-Infinity'::double precision end"],
    "date": ["date '2024-01-01'+({g}%400)::int", "date '1999-12-31'"],
    "boolean": ["{g}%2=0", "{g}%3=0"],
    "smallint": ["({g}%7)::smallint", "(-({g}%300))::smallint"],
}
READY = "all was said"


class History:
    """steps: (connection, statement). Those of nobody are for the disk alone; None is the end of a process."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.columns, self.indexes, self.steps, self.serial, self.high = [], [], [], 0, 0

    def value(self, kind, g, null=0.3):
        text = self.r.choice(COLUMNS[kind]).format(g=g)
        if self.r.random() < null:
            text = f"case when {g}%{self.r.choice([2, 5, 7])}=0 then null else {text} end"
        return text

    def new_column(self):
        self.serial += 1
        return f"c{self.serial}", self.r.choice(list(COLUMNS))

    def new_index(self):
        self.serial += 1
        keys = self.r.sample([c for c, _ in self.columns], min(len(self.columns), self.r.randint(1, 3)))
        unique = self.r.random() < 0.25
        if unique or self.r.random() < 0.3:
            keys.insert(self.r.randint(0, len(keys)), "id")
        keys = [(key, self.r.choice(["", "desc", "", "desc nulls last", "nulls first"])) for key in keys]
        self.indexes.append((f"x{self.serial}", keys))
        return [f"create {'unique ' if unique else ''}index x{self.serial} on t ({', '.join(f'{c} {order}' for c, order in keys)})"]

    def create(self):
        self.columns = [self.new_column() for _ in range(self.r.randint(2, 5))]
        return [f"create table t (id bigint primary key, {', '.join(f'{c} {kind}' for c, kind in self.columns)})"] + self.new_index()

    def fill(self, columns, first, last, step=1, where="", order="order by g"):
        names = "".join(f", {c}" for c, _ in columns)
        values = "".join(f", {self.value(kind, 'g')}" for _, kind in columns)
        return f"insert into t (id{names}) select g{values} from generate_series({first},{last},{step}) as q(g) {where} {order}"

    def insert(self):
        rows, step, how = self.r.choice([1, 3, 20, 70, 150, 400]), self.r.choice([1, 1, 1, 2]), self.r.random()
        first, where = self.high + self.r.randint(1, 5), ""
        if how < 0.2 and self.high > 20:
            first, where = self.r.randint(1, self.high), "where not exists (select 1 from t where id=g)"
        elif how < 0.3 and self.high > 20:  # A key that is there, perhaps the last one.
            first = self.high - rows + 1 - self.r.choice([0, 1, rows])
        last = first + rows * step - 1
        self.high = max(self.high, last)
        order = self.r.choice(["order by g", "order by g", "order by g desc", "order by (g*7919)%104729", "order by g%5, g"])
        return [self.fill([c for c in self.columns if self.r.random() < 0.9], first, last, step, where, order)]

    def some(self):
        how, first = self.r.random(), self.r.randint(1, max(self.high, 1))
        last = first + self.r.choice([0, 0, 1, 5, 40, 1000])
        column = self.r.choice(self.columns)[0]
        if how < 0.6:
            return f"id between {first} and {last}"
        if how < 0.8:
            return f"id%{self.r.choice([2, 3, 17, 50])}=1"
        return f"{column} is null" if how < 0.9 else f"{column} is not null and id between {first} and {last}"

    def update(self):
        if self.r.random() < 0.3:
            return [f"update t set id = id + {self.r.choice([1, -1, 5, 1000, -1000, 100000])} where {self.some()}"]
        columns = self.r.sample(self.columns, min(len(self.columns), self.r.randint(1, 2)))
        changes = [f"{c} = {self.value(kind, 'id')}" for c, kind in columns]
        return [f"update t set {', '.join(changes)} where {self.some()}"]

    def swap(self):
        return ["update t set id = (select min(id)+max(id) from t) - id"]

    def delete(self):
        return [f"delete from t where {self.some()}"]

    def again(self):
        first = self.r.randint(1, max(self.high, 1))
        last = first + self.r.choice([0, 3, 80])
        return [f"delete from t where id between {first} and {last}", self.fill(self.columns, first, last)]

    def define(self):
        how = self.r.random()
        if how < 0.25:
            return self.new_index()
        if how < 0.5 and self.indexes:
            return [f"drop index if exists {self.indexes.pop(self.r.randrange(len(self.indexes)))[0]}"]
        if how < 0.8 or len(self.columns) < 2:
            column, kind = self.new_column()
            self.columns.append((column, kind))
            default = f" default {self.value(kind, self.r.randint(1, 50), 0)}" if self.r.random() < 0.7 else ""
            return [f"alter table t add column {column} {kind}{default}"]
        column = self.columns.pop(self.r.randrange(len(self.columns)))[0]
        self.indexes = [(name, keys) for name, keys in self.indexes if column not in [c for c, _ in keys]]
        return [f"alter table t drop column {column}"]

    def questions(self):
        out = ["select * from t order by id", "select count(*), min(id), max(id) from t"]
        kinds = dict(self.columns, id="bigint")
        for _, keys in self.indexes:
            first = keys[0][0]
            value = self.value(kinds[first], self.r.randint(0, 400), 0)
            out += [f"select id, {', '.join(c for c, _ in keys)} from t order by {', '.join(f'{c} {order}' for c, order in keys)}, id limit 30",
                    f"select id from t where {first} = {value} order by id", f"select id from t where {first} >= {value} order by {first}, id limit 15",
                    f"select count(*) from t where {first} < {value}"]
        first = self.r.randint(1, max(self.high, 1))
        return out + [f"select * from t where id = {first}", f"select id from t where id between {first} and {first + 10} order by id desc"]

    def say(self, connection, statements):
        self.steps += [(connection, statement) for statement in statements]

    def rows_change(self, alone):
        kinds = [(self.insert, 6), (self.update, 5), (self.delete, 2), (self.again, 2), (self.swap, 0.5 if alone else 0)]
        return self.r.choices([k for k, _ in kinds], [w for _, w in kinds])[0]()

    def live(self, length):
        r, blocks, held = self.r, set(), {}
        self.say("a", self.create())
        for _ in range(length):
            who, how = r.choice("abc"), r.random()
            if who in blocks:
                if how < 0.36:
                    self.say(who, ["commit" if how < 0.22 else "rollback"])
                    blocks.remove(who)
                else:
                    self.say(who, self.rows_change(False))
            elif how < 0.3:
                self.say(who, ["begin", "select count(*) from t"])
                blocks.add(who)
            elif how < 0.8:
                self.say(who, self.insert() if blocks and r.random() < 0.75 else self.rows_change(True))
            else:
                for other in sorted(blocks):  # Definitions wait for nobody.
                    self.say(other, [r.choice(["commit", "rollback"])])
                blocks.clear()
                self.say(who, self.define())
            how = r.random()
            if how < 0.25:
                self.say("", ["checkpoint" if how < 0.13 else "checkpoint freeze"])
            elif how < 0.33:
                holder = r.choice(["h", "i", "j"])
                self.say(holder, ["commit"] * (holder in held))
                held[holder] = self.questions()
                self.say(holder, ["begin isolation level repeatable read"] + held[holder])
            elif how < 0.37:
                self.say("a", [])
                for one in sorted(blocks) + sorted(held):
                    self.say(one, ["rollback"])
                blocks.clear()
                held.clear()
                self.steps.append(None)
            if r.random() < 0.2:
                self.say(r.choice("abc"), self.questions())
            for holder in sorted(held):
                if r.random() < 0.25:
                    self.say(holder, held[holder])
        for one in sorted(blocks):
            self.say(one, ["rollback"])
        self.say("a", self.questions())


def run(kodiak, database, steps, options, kill, scratch):
    """What the connections are told, as lines. With `kill` the process does not end by itself."""
    script, output = os.path.join(scratch, "steps"), os.path.join(scratch, "output")
    lines = [f"{who or 'disk'}: {statement}" for who, statement in steps]
    if kill:
        lines += [f"disk: select '{READY}'", "disk: select count(*) from generate_series(1,100000000000) as s (g) where g % 7 = 3"]
    with open(script, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    with open(output, "w+b") as file:
        argv = ["stdbuf", "-oL"] * kill + [kodiak, *database, "--no-bail", "--null", kdk.NULL, "--steps", script, *options]
        process = subprocess.Popen(argv, stdout=file, stderr=subprocess.STDOUT)
        end = time.monotonic() + 300
        while process.poll() is None:
            with open(output, "rb") as so_far:
                if time.monotonic() > end or (kill and READY.encode() in so_far.read()):
                    process.kill()
            time.sleep(0.01)
        file.seek(0)
        text = file.read().decode("utf-8", "replace")
    trouble = [] if process.returncode in ((-9,) if kill else (0, 1)) and time.monotonic() < end else [f"ended with code {process.returncode}"]
    # Of a key that is there and another that is in flight either may be met first.
    text = text.replace(": ERROR 40001", ": ERROR 23505")
    return [line for line in text.split("\n") if line.strip() and not line.startswith(("disk:", "NOTICE", "WARNING"))] + trouble


def round_of(kodiak, seed, keep):
    """What went wrong, or nothing."""
    history = History(seed)
    history.live(50)
    r = history.r
    options = ["-s", f"bulk_load_rows={r.choice([1, 1, 10, 100])}"]
    if r.random() < 0.4:
        options += ["-s", f"checkpoint_log_bytes={r.choice([65536, 200000])}"]
    with tempfile.TemporaryDirectory() as scratch:
        database = keep or os.path.join(scratch, "db.kdk")
        hot = run(kodiak, [], [step for step in history.steps if step and step[0]], [], False, scratch)
        cold, life = [], []
        for step in history.steps + [None]:
            if step:
                life.append(step)
            else:
                cold += run(kodiak, [database], life, options, r.random() < 0.6, scratch)
                life = []
        for one, other in zip(hot, cold):
            if one != other:
                return f"in memory: {one[:300]}\n  on disk: {other[:300]}"
        if len(hot) != len(cold):
            return f"in memory {len(hot)} lines, on disk {len(cold)}: {(hot + cold)[-1][:300]}"
        check = subprocess.run([kodiak, "check", database], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return check.stdout.decode("utf-8", "replace")[-1000:] if check.returncode else ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kodiak", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--keep", help="one round, whose database stays in this directory")
    options = parser.parse_args()
    tally = kdk.Tally()
    end = time.monotonic() + options.seconds
    seed = options.seed
    while True:
        wrong = round_of(options.kodiak, seed, options.keep)
        tally.check(not wrong, f"seed {seed}: {wrong}")
        seed += 1
        if options.keep or time.monotonic() > end:
            break
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
