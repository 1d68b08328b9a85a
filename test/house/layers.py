"""The order of the layers and who may include what."""
import os
import re

from tree import line_of, sources

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
AFTER = ["shell", "server"]


def layer_order(files):
    match = re.search(r"set\(KDK_LAYERS ([\w\s]+)\)", files.get("CMakeLists.txt", ""))
    return (match.group(1).split() if match else []) + AFTER


def includes(files):
    """(path, own folder, line, included name, its folder or nothing)."""
    for path in sources(files):
        for match in INCLUDE.finditer(files[path]):
            name = match.group(1)
            yield path, path.split("/")[1], line_of(files[path], match.start()), name, os.path.dirname(name)


def layers(files):
    order = layer_order(files)
    for path, own, line, name, folder in includes(files):
        if own not in order:
            yield f"{path}: folder {own} is not in KDK_LAYERS of CMakeLists.txt"
        elif folder in order and order.index(folder) > order.index(own):
            yield f"{path}:{line}: {own} includes {name} of the later layer {folder}"
        elif name == "check.h" and not path.endswith("_test.c"):
            yield f"{path}:{line}: only unit tests include check.h"


def private(files):
    for path, own, line, name, folder in includes(files):
        if name.endswith("_int.h") and folder not in ("", own):
            yield f"{path}:{line}: {name} is private to {folder}"


def own_first(files):
    for path in sources(files, ".c"):
        header = path[:-2] + ".h"
        first = re.search(r'^\s*#\s*include\s*["<]([^">]+)', files[path], re.M)
        if header not in files or not first or first.group(1).endswith("_int.h"):
            continue  # The folder's private header includes the public ones.
        if first.group(1) not in (header[len("src/"):], os.path.basename(header)):
            yield f"{path}: includes {first.group(1)} before its own header"


CMAKE = {"CMakeLists.txt": "set(KDK_LAYERS base os wal)"}
RULES = [
    ("layering of includes", layers, {**CMAKE, "src/base/a.c": '#include "wal/wal.h"\n'},
     {**CMAKE, "src/wal/a.c": '#include "base/err.h"\n#include "kodiak_status.h"\n'}),
    ("folders are layers", layers, {**CMAKE, "src/misc/a.c": '#include "misc/a.h"\n'}, CMAKE),
    ("private headers", private, {"src/wal/a.c": '#include "os/os_int.h"\n'}, {"src/os/a.c": '#include "os/os_int.h"\n'}),
    ("own header first", own_first, {"src/os/a.c": '#include <x.h>\n#include "os/a.h"\n', "src/os/a.h": ""},
     {"src/os/a.c": '/* */\n#include "os/a.h"\n', "src/os/a.h": ""}),
]
