"""Documents name only what is there, and each folder explains itself."""
import fnmatch
import os
import re

from tree import DATA

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)*/?")
SOURCE = (".c", ".h", ".re", ".py", ".sh", ".cmake", ".slt", ".md")
NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?:\(\))?")
PLACEHOLDER = re.compile(r"[A-Z]{2,}|\bfoo|\.\.\.|[<>{}]|\bX\b|NN")
MADE = ("build", ".venv")
NO_NAMES = {"snake_case"}


def folders(files):
    found = set()
    for path in files:
        while "/" in path:
            path = path.rsplit("/", 1)[0]
            found.add(path)
    return found


def present(path, base, every):
    """Is there such a file or folder, seen from the document, the top, src or test? `*` stands for any text."""
    path = path.rstrip("/")
    for root in (base, "", "src", "test"):
        wanted = os.path.normpath(os.path.join(root, path))
        if wanted in every or ("*" in wanted and fnmatch.filter(every, wanted)):
            return True
    return False


def links(files):
    every = set(files) | folders(files)
    for path in sorted(p for p in files if p.endswith(".md")):
        base, text = os.path.dirname(path), files[path]
        for match in LINK.finditer(FENCE.sub("", text)):
            if "://" not in match.group(1) and os.path.normpath(os.path.join(base, match.group(1))) not in every:
                yield f"{path}: link to {match.group(1)}, which is not there"


def documents(files):
    """Ours; those beside foreign data speak of foreign things."""
    return sorted(path for path in files if path.endswith(".md") and not path.startswith(DATA))


def paths(files):
    every = set(files) | folders(files)
    basenames = {os.path.basename(p) for p in files}
    for path in documents(files):
        base = os.path.dirname(path)
        for name in CODE.findall(FENCE.sub("", files[path])):
            if not PATH.fullmatch(name) or PLACEHOLDER.search(name) or name.startswith(MADE):
                continue
            if "/" in name.rstrip("/"):
                known = name.endswith(SOURCE) or present(name.split("/")[0], base, every)
                if known and not present(name, base, every):
                    yield f"{path}: `{name}` is not there"
            elif name.endswith(SOURCE) and name not in basenames and not fnmatch.filter(basenames, name):
                yield f"{path}: `{name}` is not there"


def names(files):
    words = set()
    for path, text in files.items():
        if not path.endswith(".md"):
            words.update(re.findall(r"\w+", text))
    for path in documents(files):
        for name in CODE.findall(FENCE.sub("", files[path])):
            if NAME.fullmatch(name) and name.rstrip("()") not in words | NO_NAMES and not PLACEHOLDER.search(name):
                yield f"{path}: `{name}` is named nowhere in the sources"


def readme(files):
    for folder in sorted(folders(files)):
        parts = folder.split("/")
        if parts[0].startswith(".") or len(parts) > 3 or (len(parts) == 3 and parts[:2] != ["test", "data"]):
            continue
        if len(parts) == 2 and parts[0] not in ("src", "test", "examples") or folder in ("src", "test/data"):
            continue
        if folder + "/README.md" not in files:
            yield f"{folder} has no README.md"


def errors(files):
    """docs/errors.md has every status of the header, with its state, and no other."""
    header, page = files.get("include/kodiak_status.h"), files.get("docs/errors.md")
    if header is None or page is None:
        return
    known = {("KDK_" + name, state) for name, state in re.findall(r'X\((\w+), "(\w+)",', header)}
    told = set(re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.M))
    for name, state in sorted(known ^ told):
        yield f"docs/errors.md: {name} {state} is {'missing' if (name, state) in known else 'not in include/kodiak_status.h'}"


INVARIANT = re.compile(r"^\| (\d+a?) \| (.*) \| `([\w./-]+)` \|$", re.M)
INVARIANT_TEST = re.compile(r"^TEST\(\w+, (invariant_0?(\d+a?)_\w+)\)", re.M)


def invariants(files):
    """The table of test/README.md names a test (or a script) for each invariant, and each test so named stands in it."""
    tests = {match.group(1): match.group(2) for path, text in files.items() if path.endswith("_test.c") for match in INVARIANT_TEST.finditer(text)}
    listed = {name: number for number, _, name in INVARIANT.findall(files.get("test/README.md", ""))}
    for name, number in sorted(listed.items()):
        if name.startswith("invariant_") and tests.get(name) != number:
            yield f"test/README.md: invariant {number}: no test is called {name}"
        elif not name.startswith("invariant_") and "test/" + name not in files:
            yield f"test/README.md: invariant {number}: there is no test/{name}"
    for name in sorted(set(tests) - set(listed)):
        yield f"test/README.md: {name} is not in the table of invariants"


RULES = [
    ("links lead somewhere", links, {"src/README.md": "[a](gone.c)"}, {"src/README.md": "[a](a.c)", "src/a.c": ""}),
    ("paths in documents", paths, {"README.md": "see `src/wal/gone.c`", "src/wal/a.c": ""},
     {"README.md": "see `src/wal/*.c`, `a.c`, `wal/a.c`, `sales.kdk/wal`", "src/wal/a.c": ""}),
    ("files in documents", paths, {"README.md": "see `gone.py`"}, {"README.md": "`a.py`", "test/a.py": ""}),
    ("names in documents", names, {"README.md": "call `wal_gone()`", "src/a.c": "wal_here"},
     {"README.md": "call `wal_here()` or `wal_here`", "src/a.c": "wal_here(1)"}),
    ("a README in each folder", readme, {"src/wal/a.c": ""}, {"src/wal/a.c": "", "src/wal/README.md": ""}),
    ("docs/errors.md has every status", errors,
     {"include/kodiak_status.h": 'X(IO, "58030", "x")', "docs/errors.md": "| `KDK_IO` | 58031 | x |"},
     {"include/kodiak_status.h": 'X(IO, "58030", "x")', "docs/errors.md": "| `KDK_IO` | 58030 | x |"}),
    ("invariants have tests", invariants, {"test/README.md": "| 2 | what | `invariant_02_is_so` |", "src/a/a_test.c": "TEST(a, invariant_03_is_so)\n"},
     {"test/README.md": "| 2 | what | `invariant_02_is_so` |\n| 25 | what | `a.py` |", "test/a.py": "", "src/a/a_test.c": "TEST(a, invariant_02_is_so)\n"}),
]
