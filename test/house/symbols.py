"""The libraries show kdk_* and Adbc* and nothing else. Judges what is built under build/release."""
import os
import re
import subprocess

from tree import TOP

PUBLIC = re.compile(r"(kdk_|Adbc)\w+")


def exported(argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [line.split()[-1] for line in done.stdout.splitlines() if len(line.split()) == 3 and line.split()[1] in "TDBRVWGSu"]


def judge(where, names):
    for name in names:
        if not PUBLIC.fullmatch(name.split("@")[0]):
            yield f"{where} exports {name}"
    if not any(name.startswith("kdk_") for name in names):
        yield f"{where} exports no kdk_ function"


def symbols(files):
    if "nm" in files:  # A sample.
        yield from judge("sample", files["nm"].split())
    elif any(path.startswith("src/api/") and path.endswith(".c") for path in files):
        for argv, name in ((["nm", "-D", "--defined-only"], "libkodiak.so"), (["nm", "-g", "--defined-only"], "libkodiak.a")):
            path = os.path.join(TOP, "build/release", name)
            if os.path.exists(path):
                yield from judge(name, exported([*argv, path]))
            elif os.path.exists(os.path.join(TOP, "build/release")):
                yield f"build/release/{name} is not built"


RULES = [("exported symbols", symbols, {"nm": "kdk_open wal_open"}, {"nm": "kdk_open AdbcDriverInit"}),
         ("something is exported", symbols, {"nm": "AdbcDriverInit"}, {"nm": "kdk_open"})]
