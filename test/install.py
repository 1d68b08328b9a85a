#!/usr/bin/env python3
"""Installs a build into a scratch folder, and from there compiles and runs an example as an embedder would:
by pkg-config, by find_package, against the static library.   test/install.py [--build DIR]"""
import argparse
import glob
import os
import subprocess
import sys

import kdk

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(embedder LANGUAGES C)
find_package(kodiak REQUIRED)
add_executable(shared {source})
target_link_libraries(shared PRIVATE kodiak::kodiak)
add_executable(static {source})
target_link_libraries(static PRIVATE kodiak::static)
"""


def run(argv, **more):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release")
    args = parser.parse_args()
    tally = kdk.Tally()
    example = sorted(glob.glob(kdk.top("examples/*.c")))[:1]
    with kdk.scratch() as folder:
        prefix, work = os.path.join(folder, "prefix"), os.path.join(folder, "work")
        os.mkdir(work)
        done = run(["cmake", "--install", args.build, "--prefix", prefix])
        tally.check(done.returncode == 0, f"install: {done.stdout[-1000:]}")
        pc = glob.glob(os.path.join(prefix, "**/kodiak.pc"), recursive=True)
        tally.check(os.path.exists(os.path.join(prefix, "include/kodiak.h")), "no kodiak.h")
        if tally.check(pc, "no kodiak.pc") and example:
            library = os.path.dirname(os.path.dirname(pc[0]))
            where = {**os.environ, "LD_LIBRARY_PATH": library, "PKG_CONFIG_PATH": os.path.dirname(pc[0])}
            flags = run(["pkg-config", f"--define-variable=prefix={prefix}", "--cflags", "--libs", "kodiak"], env=where)
            done = run(["cc", *example, "-o", os.path.join(work, "by-pc"), *flags.stdout.split()], env=where)
            tally.check(done.returncode == 0, f"pkg-config: {flags.stdout} {done.stdout[-1000:]}")
            with open(os.path.join(work, "CMakeLists.txt"), "w", encoding="utf-8") as file:
                file.write(PROJECT.format(source=example[0]))
            for argv in (["cmake", "-S", work, "-B", work, f"-DCMAKE_PREFIX_PATH={prefix}"], ["cmake", "--build", work]):
                done = run(argv)
                tally.check(done.returncode == 0, f"find_package: {done.stdout[-1500:]}")
            for name in ("by-pc", "shared", "static"):
                program = os.path.join(work, name)
                tally.check(os.path.exists(program) and run([program], env=where, cwd=work).returncode == 0, f"{name} does not run")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
