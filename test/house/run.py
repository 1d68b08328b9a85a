#!/usr/bin/env python3
"""The house rules that a program can judge. Each is first tried on a bad sample, which it must refuse,
and on a good one, which it must accept; then on the project. Ends with `N passed, N failed`.

    test/house/run.py [RULE]...      only the rules whose names contain one of the words
"""
import sys

import calls
import documents
import headers
import layers
import symbols
import tree
import words


def main(wanted):
    files = tree.load()
    passed = failed = 0

    def judge(what, complaints):
        nonlocal passed, failed
        passed, failed = (passed, failed + 1) if complaints else (passed + 1, failed)
        for complaint in complaints[:40]:
            print(f"{what}: {complaint}")

    for module in (layers, calls, headers, documents, words, symbols):
        for name, rule, bad, good in module.RULES:
            if wanted and not any(word in name for word in wanted):
                continue
            judge(name + ", self-test", [] if list(rule(bad)) else ["accepts its bad sample"])
            judge(name + ", self-test", [f"refuses its good sample: {c}" for c in rule(good)])
        for rule in dict.fromkeys(rule for name, rule, _, _ in module.RULES if not wanted or any(w in name for w in wanted)):
            judge(rule.__name__, list(rule(files)))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
