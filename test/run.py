#!/usr/bin/env python3
"""Runs all tests and closes with one line `N passed, N failed`, the sum over all runners.

    test/run.py [--all | --soak] [--build NAME] [RUNNER...]

A runner is a program that ends with a line `N passed, N failed` of its own, or a unit test program
(cmocka). A runner that ends without its line, or runs nothing, counts as one failure, and so does a
build that fails and a program that should exist and does not. What is left out because its program
has no sources yet is named. Python's standard library alone; the runners named in PYARROW use .venv.
"""
import argparse
import concurrent.futures
import dataclasses
import glob
import os
import re
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed$")
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


@dataclasses.dataclass
class Job:
    name: str
    argv: list
    unit: bool = False
    seconds: int = 1500
    passed: int = 0
    failed: int = 0
    trouble: str = ""


def python(script, *args, venv=False):
    own = os.path.join(TOP, ".venv/bin/python")
    return [own if venv and os.path.exists(own) else sys.executable, os.path.join("test", script), *args]


def exists(pattern):
    return bool(glob.glob(os.path.join(TOP, pattern)))


def build_dir(build):
    return os.path.join("build", build)


def compile_build(build, targets=()):
    """Configures and builds; returns what went wrong, or nothing."""
    os.makedirs(os.path.join(TOP, "build"), exist_ok=True)
    for argv in (["cmake", "--preset", build], ["ninja", "-C", build_dir(build), *targets]):
        done = subprocess.run(argv, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode != 0:
            return "\n".join([line for line in done.stdout.splitlines() if not re.match(r"\[\d+/\d+\] ", line)][-60:])
    return ""


def unit_programs():
    """The test programs that the sources promise."""
    layers = {os.path.basename(os.path.dirname(path)) for path in glob.glob(os.path.join(TOP, "src/*/*_test.c"))}
    if exists("test/system/*_test.c"):
        layers.add("system")
    return [layer + "_test" for layer in sorted(layers)]


def unit_jobs(build, patterns=()):
    return [Job(f"unit {build} {program}", [os.path.join(build_dir(build), program), *patterns], unit=True)
            for program in unit_programs()]


def stress_jobs():
    """Under the thread sanitizer: the tests whose names say that threads meet in them."""
    jobs = []
    for job in unit_jobs("tsan"):
        listing = subprocess.run([*job.argv, "--list"], cwd=TOP, capture_output=True, text=True)
        names = [n for n in listing.stdout.split() if re.search("stress|concurrent|thread", n)]
        if listing.returncode != 0:
            jobs.append(job)
        elif names:
            jobs.append(Job(job.name, job.argv + names, unit=True))
    return jobs


# Everything below needs a program made from the named sources. (runner, sources, program, jobs)
def shell(build="release"):
    return os.path.join(build_dir(build), "kodiak")


def slt_jobs(build, storages, part, where):
    jobs = []
    for storage in storages:
        for half in (1, 2) if part == 1 else (1,):
            share = f"{half}/{2 * part}" if part == 1 else f"1/{part}"
            jobs.append(Job(f"slt {build} {storage} {where} {share}", python(
                "slt.py", "--kodiak", shell(build), "--storage", storage, "--" + where, "--check", "--part", share)))
    return jobs


def sql_jobs(build, storages):
    return [Job(f"sql {build} {storage}", python("slt.py", "--kodiak", shell(build), "--storage", storage, "--check", "test/sql"))
            for storage in storages]


SHELL = "src/shell/main.c"
SIM = "tools/kodiak-sim.c"
STORAGES = ("hot", "cold", "patched", "mixed")


def quick(everything):
    """The runners in order: (name, builds, what must exist, why it may be missing, jobs)."""
    part = 1 if everything else 10
    return [
        ("house", [], "", lambda: [Job("house", python("house/run.py"))]),
        ("self", [], "", lambda: [Job("self", python("selftest.py"))]),
        ("unit", ["release", "tiny", "asan"], "src/*/*_test.c",
         lambda: unit_jobs("tiny") + unit_jobs("asan") + unit_jobs("release")),
        ("stress", ["tsan"], "src/*/*_test.c", stress_jobs),
        ("fuzz", ["asan"], "test/fuzz/*.c", fuzz_jobs),
        ("arrow", ["release"], "test/tools/arrow_copy.c", lambda: [
            Job("arrow readers", python("python/arrow_readers.py", venv=True))]),
        ("shell", ["release", "asan"], SHELL, lambda: [
            Job(f"shell {b}", python("shell/run.py", "--kodiak", shell(b), venv=True)) for b in ("release", "asan")]),
        ("slt", ["release"], SHELL, lambda: slt_jobs("release", ("hot",), 1, "memory")
         + slt_jobs("release", STORAGES[1:], 1, "disk")),
        ("slt-slow", ["tiny", "asan"], SHELL, lambda: slt_jobs("tiny", ("mixed",), part, "disk")
         + slt_jobs("asan", ("mixed",), part, "disk")),
        ("sql", ["release", "tiny", "asan"], SHELL, lambda: sql_jobs("release", STORAGES)
         + sql_jobs("tiny", ("hot", "mixed")) + sql_jobs("asan", ("mixed",))),
        ("random", ["release", "tiny"], SHELL, lambda: [Job("random SQL", python(
            "random_sql.py", "--kodiak", shell(), "--other", shell("tiny"), "--seconds", "600" if everything else "20"))]),
        ("storage", ["tiny"], SHELL, lambda: [Job("random storage", python(
            "random_storage.py", "--kodiak", shell("tiny"), "--seconds", "600" if everything else "20"))]),
        ("steps", ["release", "tiny"], SHELL, lambda: [
            Job(f"steps {b}", python("steps.py", "--kodiak", shell(b))) for b in ("release", "tiny")]),
        ("copy", ["release", "asan"], SHELL, lambda: [
            Job(f"copy {b}", python("copy_test.py", "--kodiak", shell(b))) for b in ("release", "asan")]),
        ("sizes", ["release", "asan"], SHELL, lambda: [
            Job(f"sizes {b}", python("sizes.py", "--kodiak", shell(b))) for b in ("release", "asan")]),
        ("tpch", ["release", "tiny"], SHELL, lambda: [
            Job("tpch release", python("tpch.py", "--kodiak", shell())),
            Job("tpch renamed", python("tpch.py", "--kodiak", shell(), "--rename", "--shuffle")),
            Job("tpch tiny", python("tpch.py", "--kodiak", shell("tiny"), "--threads", "4"))]),
        ("demo", ["release"], SHELL, lambda: [Job("demo", python("demo.py", "--kodiak", shell(), venv=True))]),
        ("readers", ["release", "tiny"], SHELL, lambda: [
            Job("readers release", python("open_readers.py", "--kodiak", shell(), venv=True)),
            Job("readers tiny", python("open_readers.py", "--kodiak", shell("tiny"), "--rows", "1000", venv=True))]),
        ("flip", ["release", "tiny"], SHELL, lambda: [
            Job(f"flip {b}", python("flip.py", "--kodiak", shell(b))) for b in ("release", "tiny")]),
        ("examples", ["release"], "examples/*.c", lambda: [Job("examples", python("examples.py"))]),
        ("docs", ["release"], SHELL, lambda: [Job("docs", python("docs.py"))]),
        ("install", ["release"], "src/api/*.c", lambda: [Job("install", python("install.py"))]),
        ("sim", ["release", "tiny", "asan"], SIM, lambda: [
            Job("sim release", python("sim.py", "--sim", "build/release/kodiak-sim", "--cuts", "10000", "--breaks")),
            Job("sim tiny", python("sim.py", "--sim", "build/tiny/kodiak-sim", "--cuts", "2000")),
            Job("sim asan", python("sim.py", "--sim", "build/asan/kodiak-sim", "--cuts", "200"))]),
    ]


def slow():
    """What test-all adds."""
    return [
        ("tsan", ["tsan"], "src/*/*_test.c", lambda: unit_jobs("tsan")),
        ("tpch-sf1", ["release"], SHELL, lambda: [
            Job("tpch SF1", python("tpch.py", "--kodiak", shell(), "--sf", "1", venv=True), seconds=7200)]),
        ("sizes-whole", ["release"], SHELL, lambda: [Job("sizes whole", python("sizes.py", "--kodiak", shell(), "--whole"), seconds=7200)]),
        ("flip-whole", ["release"], SHELL, lambda: [Job("flip whole", python("flip.py", "--kodiak", shell(), "--whole"), seconds=7200)]),
        ("mutants", ["debug"], "test/mutants.tsv", lambda: [Job("mutants", ["test/mutants.sh"], seconds=7200)]),
    ]


def soak():
    """A million cuts, shared by the processors: each has seeds of its own."""
    shares = os.cpu_count() or 2
    return [("sim", ["release"], SIM, lambda: [Job(f"sim soak {share}", python(
        "sim.py", "--sim", "build/release/kodiak-sim", "--seed", str(1000 + share), "--cuts", str(-(-1000000 // shares))), seconds=86400)
        for share in range(shares)]),
            ("sizes", ["release"], SHELL, lambda: [Job("sizes soak", python("sizes.py", "--kodiak", shell(), "--soak"), seconds=7200)])]


def fuzz_jobs():
    jobs = []
    for source in sorted(glob.glob(os.path.join(TOP, "test/fuzz/*.c"))):
        name = os.path.basename(source)[:-2]
        inputs = sorted(glob.glob(os.path.join(TOP, "test/fuzz/corpus", name, "*")))
        jobs.append(Job(f"fuzz asan {name}", [f"build/asan/test/fuzz/{name}", *inputs]))
    return jobs


def count_unit(job, text):
    job.passed = len(re.findall(r"^\[ +OK \]", text, re.M))
    listed = re.search(r"^\[  FAILED  \] (?:\w+: )?(\d+) test\(s\), listed below", text, re.M)
    job.failed = int(listed.group(1)) if listed else 0
    ran = re.search(r"^\[==========\] (?:\w+: )?(\d+) test\(s\) run\.", text, re.M)
    return bool(ran) and int(ran.group(1)) == job.passed + job.failed


def count_summary(job, text):
    lines = text.rstrip().splitlines()
    match = SUMMARY.match(lines[-1]) if lines else None
    if match:
        job.passed, job.failed = int(match.group(1)), int(match.group(2))
    return bool(match)


def run(job, quiet=False):
    started = time.monotonic()
    try:
        done = subprocess.run(job.argv, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=job.seconds,
                              env={**os.environ, **ENVIRONMENT})
        text, code = done.stdout, done.returncode
    except FileNotFoundError as missing:
        text, code = str(missing), -1
    except subprocess.TimeoutExpired as late:
        text, code = (late.stdout or b"").decode(errors="replace") + f"\nstopped after {job.seconds} s", -1
    complete = count_unit(job, text) if job.unit else count_summary(job, text)
    why = ""
    if not complete:
        why = f"ended with code {code} and without its summary"
    elif job.passed + job.failed == 0:
        why = "ran nothing"
    elif code != 0 and job.failed == 0:
        why = f"ended with code {code}, yet names no failure"
    if why:
        job.failed += 1
    if job.failed:
        keep = [line for line in text.splitlines() if not re.match(r"^\[( RUN      |       OK )\]|^\d+ passed, \d+ failed$", line)]
        job.trouble = "\n".join((["..."] if len(keep) > 80 else []) + keep[-80:] + ([why] if why else []))
    if not quiet:
        print(f"{'FAILED' if job.failed else 'ok':6} {job.name}: {job.passed} passed, {job.failed} failed, "
              f"{time.monotonic() - started:.1f} s", flush=True)
    return job


def main():
    parser = argparse.ArgumentParser(description="Runs the tests; see the head of this file.")
    parser.add_argument("--all", action="store_true", help="the slow ones too")
    parser.add_argument("--soak", action="store_true", help="the endless ones alone")
    parser.add_argument("--build", help="unit tests in this build alone")
    parser.add_argument("runner", nargs="*", help="these runners alone")
    args = parser.parse_args()

    runners = soak() if args.soak else quick(args.all) + (slow() if args.all else [])
    if args.build:
        runners = [("unit", [args.build], "src/*/*_test.c", lambda: unit_jobs(args.build))]
    unknown = set(args.runner) - {name for name, *_ in runners}
    if unknown:
        parser.error("no runner " + ", ".join(sorted(unknown)))

    jobs, builds, left_out, done = [], {}, [], []
    for name, needs, sources, make in runners:
        if args.runner and name not in args.runner:
            continue
        if sources and not exists(sources):
            left_out.append(f"{name} (no {sources})")
            continue
        for build in needs:
            if build not in builds:
                started = time.monotonic()
                builds[build] = compile_build(build)
                print(f"{'FAILED' if builds[build] else 'built':6} {build}, {time.monotonic() - started:.1f} s", flush=True)
                if builds[build]:
                    done.append(Job(f"build {build}", [], failed=1, trouble=builds[build]))
        if not any(builds[build] for build in needs):
            made = make()
            jobs += made
            if not made and name not in ("stress",):
                done.append(Job(name, [], failed=1, trouble="made no job"))

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        done += list(pool.map(run, jobs))

    for job in done:
        if job.failed:
            print(f"\n==== {job.name}\n{job.trouble}")
    if left_out:
        print("left out for want of sources: " + ", ".join(left_out))
    passed, failed = sum(job.passed for job in done), sum(job.failed for job in done)
    if not done:
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
