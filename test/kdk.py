"""Drives the `kodiak` command from scripts: statements in, results out.

All statements of a script are written to the shell's standard input at once; after each, a `select` of a
marker tells where its output ends. Standard error joins standard output, so that an error stands among
the rows where it happened. Inside a failed transaction the marker's own select is refused (25P02); the
refusals then come in pairs, and are told apart by counting.
"""
import csv
import io
import os
import re
import subprocess
import tempfile

NULL = "<~null~>"
MARKER = re.compile(rb"^#kdk#(\d+)#\r?\n", re.M)
ERROR = re.compile(rb"^ERROR ([0-9A-Z]{5}): (.*)$", re.M)
DETAILS = re.compile(rb"\A(?:(?:CONTEXT|DETAIL|HINT|LINE \d+)[: ].*\n|\s+\^\n)+")  # What may follow an error.
NOTE = re.compile(rb"^(?:NOTICE|WARNING)\b.*\n", re.M)
ABORTED = "25P02"


class Result:
    """What a statement gave: CSV bytes, or an SQLSTATE and a message."""

    __slots__ = ("output", "code", "message")

    def __init__(self, output=b"", code=None, message=""):
        self.output, self.code, self.message = output, code, message

    def rows(self):
        """Lists of texts and None."""
        if not self.output:
            return []
        if b'"' in self.output or b"\r" in self.output:
            rows = csv.reader(io.StringIO(self.output.decode("utf-8", "replace"), newline=""))
            # A line with nothing on it is one empty text.
            return [[None if v == NULL else v for v in row] or [""] for row in rows]
        lines = self.output.decode("utf-8", "replace").split("\n")
        lines.pop()  # What follows the last newline.
        return [[None if v == NULL else v for v in line.split(",")] for line in lines]


def split_errors(text):
    """The (code, message) of each error in the text, in order."""
    return [(m.group(1).decode(), m.group(2).decode("utf-8", "replace")) for m in ERROR.finditer(text)]


def one(text):
    """The result of one statement from its part of the output."""
    if b"\nNOTICE" in text or b"\nWARNING" in text or text.startswith((b"NOTICE", b"WARNING")):
        text = NOTE.sub(b"", text)
    if b"ERROR " in text:
        errors = split_errors(text)
        if errors:
            return Result(b"", *errors[0])
    return Result(text)


def several(text, count):
    """The results of `count` statements of which all but the last lost their marker to a failed transaction."""
    errors = split_errors(text)
    results = []
    for i in range(count - 1):
        if 2 * i + 1 >= len(errors) or errors[2 * i + 1][0] != ABORTED:
            return [Result(text, "XX000", "the shell's output does not match its input")] * count
        results.append(Result(b"", *errors[2 * i]))
    rest = list(ERROR.finditer(text))[2 * (count - 1) - 1]
    return results + [one(DETAILS.sub(b"", text[text.find(b"\n", rest.end()) + 1:], count=1))]


class Run:
    """results: one for each statement. trouble: how the shell ended badly, or nothing."""

    def __init__(self, results, trouble):
        self.results, self.trouble = results, trouble


def run(kodiak, database, statements, options=(), seconds=600):
    script = "".join(f"{sql}\n;\nselect '#kdk#{i}#';\n" for i, sql in enumerate(statements)).encode()
    argv = [*kodiak.split(), database, "--format", "csv", "--no-header", "--no-bail", "--null", NULL, *options]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    late = False
    try:
        output, _ = process.communicate(script, timeout=seconds)
    except subprocess.TimeoutExpired:
        late = True
        process.kill()
        output, _ = process.communicate()

    results, end = [], 0
    for match in MARKER.finditer(output):
        count = int(match.group(1)) + 1 - len(results)
        text = output[end:match.start()]
        results += [one(text)] if count == 1 else several(text, count) if count > 1 else []
        end = match.end()
    tail = output[end:]
    missing = len(statements) - len(results)
    if missing and not late and process.returncode >= 0:
        errors = split_errors(tail)  # The script ended inside a failed transaction.
        if len(errors) == 2 * missing and all(code == ABORTED for code, _ in errors[1::2]):
            results += [Result(b"", *error) for error in errors[::2]]
            missing, tail = 0, b""
    trouble = ""
    if late:
        trouble = f"no end after {seconds} s"
    elif process.returncode < 0 or missing or tail.strip():
        trouble = f"ended with code {process.returncode}: {tail[-3000:].decode('utf-8', 'replace').strip()}"
    results += [Result(b"", "XX000", "the shell did not get here: " + trouble)] * missing
    return Run(results, trouble)


class Session:
    """One shell that is asked statement by statement, for measuring."""

    def __init__(self, kodiak, database, options=()):
        argv = [*kodiak.split(), database, "--format", "csv", "--no-header", "--no-bail", "--null", NULL, *options]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.count = 0

    def ask(self, sql):
        """The result of one statement; raises when it fails or the shell is gone."""
        self.count += 1
        marker = f"#kdk#{self.count}#\n"
        self.process.stdin.write(f"{sql}\n;\nselect '{marker[:-1]}';\n".encode())
        self.process.stdin.flush()
        lines = []
        while not lines or lines[-1] != marker.encode():
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("the shell ended: " + b"".join(lines[-20:]).decode("utf-8", "replace"))
            lines.append(line)
        result = one(b"".join(lines[:-1]))
        if result.code:
            raise RuntimeError(f"{result.code}: {result.message}: {sql[:300]}")
        return result

    def peak_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def query(kodiak, database, sql, options=(), seconds=600):
    """The rows of one statement; raises on an error."""
    done = run(kodiak, database, [sql], options, seconds)
    if done.results[0].code or done.trouble:
        raise RuntimeError(f"{sql}: {done.results[0].code} {done.results[0].message} {done.trouble}")
    return done.results[0].rows()


def scratch():
    """A context manager's folder for a database; it vanishes."""
    return tempfile.TemporaryDirectory(prefix="kdk-test-")


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def top(*parts):
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), *parts)


class Tally:
    """Counts, prints failures, and ends with the line that test/run.py reads."""

    def __init__(self, shown_max=60):
        self.passed = self.failed = 0
        self.shown_max = shown_max

    def check(self, ok, what):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            if self.failed <= self.shown_max:
                print(f"FAILED {what}", flush=True)
        return ok

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0
