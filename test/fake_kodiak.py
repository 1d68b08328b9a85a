#!/usr/bin/env python3
"""A stand-in for the `kodiak` command, over Python's sqlite3: enough of its command line for the self-tests
of the runners. FAKE_MISTAKE=wrong|error|crash|hang|abort plants a mistake that a runner must notice."""
import csv
import os
import re
import sqlite3
import sys

STATES = (("syntax error", "42601"), ("incomplete input", "42601"), ("no such table", "42P01"), ("UNIQUE", "23505"),
          ("NOT NULL", "23502"), ("no such column", "42703"))


def main():
    mistake = os.environ.get("FAKE_MISTAKE", "")
    null = sys.argv[sys.argv.index("--null") + 1]
    header = "--no-header" not in sys.argv
    connection = sqlite3.connect(":memory:", isolation_level=None)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    aborted, text, count = False, "", 0
    for line in sys.stdin:
        text += line
        if ";" not in line or not sqlite3.complete_statement(text):
            continue
        statement, text = text.strip().rstrip(";").strip(), ""
        count += 1
        if mistake == "crash" and count == 40:
            sys.stdout.flush()
            os.kill(os.getpid(), 11)
        try:
            if re.match(r"CHECKPOINT", statement):
                continue
            if aborted and not re.match(r"rollback", statement, re.I):
                raise sqlite3.Error("current transaction is aborted, commands are ignored until it ends")
            cursor = connection.execute(statement)
            aborted = False
            if cursor.description:
                if header:
                    writer.writerow([column[0] for column in cursor.description])
                for row in cursor:
                    if mistake == "wrong" and count % 39 == 0 and isinstance(row[0], int):
                        row = (row[0] + 1, *row[1:])
                    writer.writerow([null if value is None else value for value in row])
        except sqlite3.Error as error:
            sys.stdout.flush()
            state = "25P02" if "aborted" in str(error) else next((s for part, s in STATES if part in str(error)), "58000")
            print(f"ERROR {state}: {error}", file=sys.stderr, flush=True)
            aborted = connection.in_transaction
        sys.stdout.flush()


if __name__ == "__main__":
    main()
