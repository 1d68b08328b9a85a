"""Words that do not belong into the repository, and files that grew too long."""
import re

UNFINISHED = re.compile(r"\b(" + "|".join(a + b for a, b in (("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("HA", "CK"))) + r")\b")
MACHINE = re.compile(r"(?<![\w.])/(?:work|home|root|Users)/[\w.]")
HOSTS = re.compile("|".join(a + b for a, b in ((r"\bpypi\.", "org"), (r"\bdebian\.", "org"), (r"\bnpmjs\.", "org"),
                                               (r"\bpythonhosted\.", "org"), ("archive\\.", "ubuntu"))))
LINES_MAX = 1500


def words(files):
    for path, text in sorted(files.items()):
        for number, line in enumerate(text.splitlines(), 1):
            for what, pattern in (("unfinished work", UNFINISHED), ("a machine's path", MACHINE), ("a package host", HOSTS)):
                match = pattern.search(line)
                if match:
                    yield f"{path}:{number}: {what}: {match.group()}"


def length(files):
    for path, text in sorted(files.items()):
        if path.endswith((".c", ".h", ".py", ".re")) and text.count("\n") > LINES_MAX:
            yield f"{path}: {text.count(chr(10))} lines; a second idea has moved in"


RULES = [
    ("no unfinished work", words, {"a.c": "/* TO" + "DO: later */"}, {"a.c": "/* todo list of a user */"}),
    ("no machine paths", words, {"a.sh": "cd /wo" + "rk/main"}, {"a.sh": "cd network/main; ls ../work/x"}),
    ("no package hosts", words, {"a.sh": "get https://py" + "pi.org/x"}, {"a.sh": "pip install x"}),
    ("length of files", length, {"a.c": "\n" * (LINES_MAX + 1)}, {"a.c": "\n" * 1000}),
]
