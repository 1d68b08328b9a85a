"""The files of the project, as the house rules see them."""
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED = {".git", ".venv", "build", "__pycache__"}
DATA = ("test/data/", "examples/data/", "test/fuzz/corpus/")


def load():
    """Every text file of the project but data: {path from the top: text}."""
    files = {}
    for folder, folders, names in os.walk(TOP):
        folders[:] = [f for f in folders if f not in SKIPPED and not f.endswith(".kdk")]
        for name in set(names) - SKIPPED:
            path = os.path.relpath(os.path.join(folder, name), TOP)
            if path.startswith(DATA) and not path.endswith(".md"):
                files[path] = ""
                continue
            try:
                with open(os.path.join(TOP, path), encoding="utf-8") as file:
                    files[path] = file.read()
            except UnicodeDecodeError:
                files[path] = ""
    return files


def sources(files, *endings):
    """Our C files under src/ with one of the endings, sorted."""
    return [path for path in sorted(files) if path.startswith("src/") and path.endswith(endings or (".c", ".h", ".re"))]


NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def bare(text):
    """C text with comments and the insides of literals blanked; lines stay where they were."""
    return NOISE.sub(lambda m: '""' + "\n" * m.group().count("\n") if m.group()[0] == '"' else
                     re.sub(r"[^\n]", " ", m.group()), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
