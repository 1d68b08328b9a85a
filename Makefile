# Thin: what does the work are CMakeLists.txt, CMakePresets.json, test/run.py and tools/.
# `make run` and `make test` install what is missing on a Debian 12 machine and need nothing else.
CMAKE ?= cmake
build = $(CMAKE) --preset $(1) >build/$(1).log 2>&1 || { cat build/$(1).log; exit 1; }; $(CMAKE) --build --preset $(1)

release debug asan tsan tiny coverage:
	@mkdir -p build
	@$(call build,$@)

run:
	@tools/bootstrap.sh build
	@$(MAKE) --no-print-directory release
	@tools/run_demo.sh build/release/kodiak

test:
	@tools/bootstrap.sh build test
	@python3 test/run.py

test-all:
	@tools/bootstrap.sh build test
	@python3 test/run.py --all

soak: release tiny
	@python3 test/run.py --soak

coverage-report: coverage
	@python3 test/run.py --build coverage unit
	@tools/coverage.sh build/coverage

fuzz:
	@tools/bootstrap.sh build fuzz
	@mkdir -p build
	@$(call build,fuzz)
	@tools/fuzz.sh build/fuzz

bench:
	@tools/bootstrap.sh build test bench
	@$(MAKE) --no-print-directory release
	@bench/run.sh build/release

install: release
	@$(CMAKE) --install build/release

format:
	@tools/bootstrap.sh lint
	@git ls-files '*.c' '*.h' ':!test/tpch' | xargs clang-format-14 -i

lint:
	@tools/bootstrap.sh build lint
	@$(MAKE) --no-print-directory debug
	@tools/lint.sh build/debug

clean:
	@rm -rf build

help:
	@echo "make            build/release: kodiak, kodiak-sim, libkodiak.so (as make release)"
	@echo "make debug      likewise asan, tsan, tiny (every constant shrunk), coverage: other builds"
	@echo "make run        builds, loads US flights, queries them, leaves you in the shell"
	@echo "make test       builds release, tiny, asan and tsan, and runs the tests (see test/README.md)"
	@echo "make test-all   those that take hours, too"
	@echo "make soak       a million power cuts, ten million rows"
	@echo "make fuzz       libFuzzer on everything that parses"
	@echo "make bench      beside SQLite and DuckDB"
	@echo "make coverage-report   lines that no unit test runs"
	@echo "make format lint       clang-format; that, clang-tidy and cppcheck"
	@echo "make install clean"

.DEFAULT_GOAL := release
.PHONY: release debug asan tsan tiny coverage run test test-all soak coverage-report fuzz bench install format lint clean help
