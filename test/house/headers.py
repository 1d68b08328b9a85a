"""Every header compiles alone."""
import concurrent.futures
import os
import subprocess
import tempfile

from tree import sources

FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-DKDK_TINY=0", '-DKDK_VERSION="0"', "-Wall", "-Wextra", "-Wstrict-prototypes",
         "-Werror", "-Wno-unused-function", "-fsyntax-only", "-x", "c"]


def compile_alone(root, path):
    """The header twice, so that its guard is tried too. Our -I folders only: nothing else is found."""
    text = f'#include "{path}"\n#include "{path}"\n'
    done = subprocess.run(["gcc", *FLAGS, f"-I{root}/src", f"-I{root}/include", f"-I{root}", "-"], input=text,
                          capture_output=True, text=True, cwd=root)
    return f"{path}: {done.stderr.splitlines()[0] if done.stderr else 'does not compile'}" if done.returncode else None


def headers(files):
    wanted = sources(files, ".h") + [p for p in sorted(files) if p.startswith("include/") and p.endswith(".h")]
    with tempfile.TemporaryDirectory() as root, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path in (p for p in files if p.endswith(".h")):
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(files[path])
        yield from filter(None, pool.map(lambda path: compile_alone(root, path), wanted))


RULES = [("headers compile alone", headers, {"src/os/a.h": "static inline uint8_t f(void) { return 0; }\n"},
          {"src/os/a.h": "#ifndef A\n#define A\n#include <stdint.h>\n#include \"os/b.h\"\nstruct a { uint8_t b; };\n#endif\n",
           "src/os/b.h": ""})]
