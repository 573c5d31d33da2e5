# `make run` shows the library at work, `make test` tests everything; both set up what they need.
# `make help` lists the rest.

PYTHON  ?= python3
SWIFT   ?= swift
PREFIX  ?= /usr/local
VERSION := $(shell cat VERSION)

# The two builds never meet: see Package.swift.
# Without --disable-local-rpath SwiftPM has the library look for others beside itself, and it needs none.
EMBEDDED = CROSSENTROPY_EMBEDDED=1 $(SWIFT) build -c release --scratch-path .build-embedded --disable-local-rpath \
	--product crossentropy
NORMAL   = $(SWIFT) build -c release
LIBRARY  = python/crossentropy/lib/libcrossentropy.so.0
# A stage of the tests: its name, and a command, or several. What it prints is kept for the tally; or just shown.
stage    = @tools/stage.sh $(1) bash -ec '$(2)'
shown    = @tools/stage.sh --shown $(1) bash -ec '$(2)'
SHELL    = /bin/bash
VENV     = .venv
IN_VENV  = PYTHONPATH=python:. $(VENV)/bin/python

.PHONY: help run test test-all side-by-side build bench bench-functions bench-quick ledger gap install update-hashes clean format lint
.PHONY: verify-hashes check-release signatures fuzz fuzz-quick test-exhaustive test-torch test-swift test-c test-arm64 test-library test-dependant test-vectors
.PHONY: test-python test-python-avx2 test-python-baseline test-python-routes c-vectors c-programs
.DEFAULT_GOAL := help

help:
	@echo 'make run                   build, compare Swift, C, Python and NumPy, train on real digits, write a report'
	@echo 'make test                  the tests and the linters'
	@echo 'make test-all              all of it: every instruction set, compiler and processor, PyTorch, the fuzzer: hours'
	@echo 'make test-c                one stage of them; the others: swift python python-avx2 python-baseline python-routes'
	@echo '                           library vectors dependant arm64, and lint; with ALL=1 as test-all has it'
	@echo 'make test-exhaustive       the exponential of all 2^32 inputs'
	@echo 'make test-torch            crossentropy.torch beside PyTorch (which it installs outside the checkout)'
	@echo 'make fuzz SECONDS=1800     calls from random bytes, checked beside long double, so long on each of two builds'
	@echo 'make fuzz-quick            the kept corpus and a minute more, with AddressSanitizer'
	@echo 'make build                 $(LIBRARY)'
	@echo 'make signatures            what the table of options says of the Python functions, after a change of it'
	@echo 'make update-hashes         the lists of Tests/Hashes anew, after a change that means to change bits'
	@echo 'make verify-hashes         those lists on every instruction set of this machine; records it in Tests/Hashes/verified'
	@echo 'make check-release         fails while an instruction set has not reproduced them from today'"'"'s sources'
	@echo 'make bench                 beside NumPy, PyTorch, JAX ... (installs them outside the checkout); docs/speed.md shows it'
	@echo 'make bench-quick           beside NumPy alone'
	@echo 'make bench-functions       what stands beside the plain loss: binary, KL, softmax, statistics ...'
	@echo 'make ledger                instructions of some forty calls, beside those in benchmarks/instructions.json'
	@echo 'make gap                   the error of confident predictions beside PyTorch (installs what bench does)'
	@echo 'make install PREFIX=/usr   library, header and pkg-config file (also DESTDIR=)'
	@echo 'make format, make lint     swift-format, ruff, mypy'
	@echo 'make clean'

# --- Setting up ---------------------------------------------------------------------------------

$(VENV)/ready: tools/run/requirements.txt python/tests/requirements.txt tools/require.sh
	@tools/require.sh python
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --disable-pip-version-check -r tools/run/requirements.txt -r python/tests/requirements.txt
	@# With it the exact results of mpmath take half as long. It is not for every Python, and building it takes more than pip.
	@$(VENV)/bin/pip install -q --disable-pip-version-check --only-binary :all: gmpy2 || echo "goes on without gmpy2"
	@touch $@

# --- Building -----------------------------------------------------------------------------------

build:
	@tools/require.sh swift
	$(call shown,build,$(EMBEDDED))
	@mkdir -p $(dir $(LIBRARY))
	@# Moved into place, so that a process that has the old one loaded keeps it; not where it is the same, so that what was
	@# built with it stays.
	@cp "$$($(EMBEDDED) --show-bin-path)/libcrossentropy.so" $(LIBRARY).new
	@if cmp -s $(LIBRARY).new $(LIBRARY); then rm $(LIBRARY).new; else mv $(LIBRARY).new $(LIBRARY); fi

build/vectors.txt: Tests/Vectors/vectors.json tools/flatten_vectors.py
	@mkdir -p build
	$(PYTHON) tools/flatten_vectors.py $@

# C programs, under each compiler: build/gcc/vectors, build/clang/threads ... What they share are headers.
C_FLAGS   = -std=c99 -Wall -Wextra -pedantic -Werror -O1 -Iinclude
CXX_FLAGS = -std=c++17 -Wall -Wextra -pedantic -Werror -Iinclude
C_LIBS    = $(LIBRARY) -Wl,-rpath,$(CURDIR)/$(dir $(LIBRARY)) -lm -ldl -pthread
C_PROGRAMS = $(patsubst Tests/C/%.c,%,$(wildcard Tests/C/*.c))
C_HEADERS = $(wildcard Tests/C/*.h Tests/C/*/*.h)

# Moved into place whole, for stages side by side that compile the same one.
define compile_with
build/$(1)/%: Tests/C/%.c $(C_HEADERS) include/crossentropy.h $(LIBRARY)
	@mkdir -p $$(@D)
	$(1) $(C_FLAGS) $$< -o $$@.$$$$$$$$ $(C_LIBS) && mv $$@.$$$$$$$$ $$@
build/$(1)/loading: Tests/C/loading.c Tests/C/common.h include/crossentropy.h
	@mkdir -p $$(@D)
	$(1) $(C_FLAGS) $$< -o $$@.$$$$$$$$ -ldl -pthread && mv $$@.$$$$$$$$ $$@
build/$(1)/header: Tests/C/header.cpp include/crossentropy.h $(LIBRARY)
	@mkdir -p $$(@D)
	$(2) $(CXX_FLAGS) $$< -o $$@.$$$$$$$$ $(C_LIBS) && mv $$@.$$$$$$$$ $$@
endef
$(eval $(call compile_with,gcc,g++))
$(eval $(call compile_with,clang,clang++))

$(LIBRARY):
	$(MAKE) build

# --- The main job -------------------------------------------------------------------------------

run: $(VENV)/ready c-vectors
	$(call shown,run,$(NORMAL) --product crossentropy-vectors; \
		$(IN_VENV) -m tools.run --c-program build/gcc/vectors \
		--swift-program "$$($(NORMAL) --show-bin-path)/crossentropy-vectors" --output build/report.html)

# Kept outside the checkout, as the peers take some 8 GB and do not change with it.
BENCH = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/crossentropy-bench

$(BENCH)/ready: benchmarks/requirements.txt
	@tools/require.sh python g++
	$(PYTHON) -m venv $(BENCH)/venv
	@sed 's/ *#.*//; /^$$/d' $< | while read -r package; do \
		$(BENCH)/venv/bin/pip install -q --disable-pip-version-check "$$package" || echo "goes on without $$package"; \
	done
	@touch $@

# Likewise PyTorch, for the tests of crossentropy.torch.
TORCH = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/crossentropy-torch

$(TORCH)/ready: python/tests/requirements-torch.txt
	@tools/require.sh python
	$(PYTHON) -m venv $(TORCH)/venv
	$(TORCH)/venv/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

bench: $(BENCH)/ready build
	PYTHONPATH=python:. $(BENCH)/venv/bin/python -m benchmarks --keep

bench-functions: $(BENCH)/ready build
	PYTHONPATH=python:. $(BENCH)/venv/bin/python -m benchmarks.functions

bench-quick: $(VENV)/ready build
	$(IN_VENV) -m benchmarks --quick --peers NumPy --json build/bench-quick.json

# Of the AVX2 kernels, whatever this machine has besides: valgrind knows no AVX-512.
ledger: build
	@tools/require.sh gcc valgrind
	@mkdir -p build
	gcc $(C_FLAGS) benchmarks/ledger.c -o build/ledger $(C_LIBS)
	$(call stage,ledger,$(PYTHON) benchmarks/ledger.py build/ledger $(if $(UPDATE),--update))

gap: $(BENCH)/ready build
	PYTHONPATH=python:. $(BENCH)/venv/bin/python -m benchmarks.gap

# --- Tests --------------------------------------------------------------------------------------

# Two stages at a time; Swift's compiler takes both cores where it can. What a stage prints is shown if it fails, and what is
# not part of it goes on.
JOBS         = 2
side_by_side = QUIET=1 $(MAKE) -s -k -j$(JOBS) --output-sync=target
# In this order: what others wait for, then the longest first. Make goes through the list once before it comes back to a stage
# that had to wait, so what a stage needs stands far enough before it to be done by then.
TESTS = build $(VENV)/ready build/vectors.txt test-dependant test-swift test-c test-python test-python-baseline \
	test-python-routes test-python-avx2 test-library lint test-vectors
# The count comes last, whatever failed.
counted = failed=0; $(1); $(PYTHON) tools/tally.py build/logs || failed=1; exit $$failed

test:
	@rm -rf build/logs
	@$(call counted,$(side_by_side) $(TESTS) || failed=1)

# Every night. ALL=1 has the stages of `make test` leave nothing out.
test-all: ALL = 1
test-all: SECONDS = 1800
test-all:
	@rm -rf build/logs
	@$(call counted,$(side_by_side) $(TESTS) ALL=$(ALL) || failed=1; \
		$(side_by_side) test-arm64 test-torch test-exhaustive ledger || failed=1; \
		$(side_by_side) run || failed=1; \
		$(side_by_side) fuzz SECONDS=$(SECONDS) || failed=1)

# Any stages: make side-by-side STAGES='test-c lint'
side-by-side:
	@$(side_by_side) $(STAGES)

test-swift:
	@tools/require.sh swift
	$(call stage,swift,$(SWIFT) test -c release)

# The exponential of all 2^32 inputs on every instruction set: minutes.
test-exhaustive:
	@tools/require.sh swift
	$(call stage,exhaustive,$(NORMAL) --product crossentropy-exhaustive; \
		"$$($(NORMAL) --show-bin-path)/crossentropy-exhaustive")

# Calls from random bytes, each beside a computation in long double: see tools/fuzz/README.md. The normal build first, then
# the one with AddressSanitizer; what is found lies in build/fuzz/findings.
SECONDS = 300
fuzz:
	@tools/require.sh swift
	$(call stage,fuzz-plain,SWIFT=$(SWIFT) tools/fuzz/run.sh plain $(SECONDS))
	$(call stage,fuzz-asan,SWIFT=$(SWIFT) tools/fuzz/run.sh asan $(SECONDS))

fuzz-quick:
	@tools/require.sh swift
	$(call stage,fuzz-quick,SWIFT=$(SWIFT) tools/fuzz/run.sh asan quick)

c-vectors: build build/vectors.txt
	@tools/require.sh gcc
	@$(MAKE) -s --no-print-directory build/gcc/vectors

# Both compilers read the header; the programs are built by both at night.
COMPILERS = gcc $(if $(ALL),clang)
compile_all = +@$(MAKE) -s --no-print-directory $(foreach cc,$(COMPILERS),$(patsubst %,build/$(cc)/%,$(C_PROGRAMS))) \
	build/gcc/header build/clang/header
c-programs: build
	@tools/require.sh gcc g++ clang
	$(compile_all)

# The programs are compiled here: a target before it would put it last, see TESTS.
test-c: build build/vectors.txt
	@tools/require.sh gcc g++ clang qemu-x86_64
	$(compile_all)
	$(call stage,c,tools/test_c.sh $(if $(ALL),all))

# The library for AArch64, cross-compiled, under emulation.
test-arm64: c-vectors
	$(call stage,arm64,SWIFT=$(SWIFT) tools/test_arm64.sh build/vectors.txt Tests/Hashes build/gcc/vectors)

# After a change that means to change bits. Each list has the name of the program that makes and checks it.
LISTS = hashes binary pairs partial statistics
update-hashes: build
	$(MAKE) -s $(addprefix build/gcc/,$(LISTS))
	for list in $(LISTS); do build/gcc/$$list --write >Tests/Hashes/$$list.txt || exit; done

# The whole lists on each instruction set that this machine has, AArch64's under emulation: minutes. Tests only say what is
# not verified; this alone records it.
verify-hashes: build build/vectors.txt
	$(MAKE) -s $(addprefix build/gcc/,$(LISTS) vectors)
	SWIFT=$(SWIFT) $(PYTHON) tools/verified.py --reproduce

check-release:
	$(PYTHON) tools/verified.py --check

# The signatures, "Args" and types of Python's functions anew, from their table of options.
signatures: $(VENV)/ready build
	$(IN_VENV) tools/make_signatures.py

test-library: build
	@tools/require.sh objdump
	$(call stage,library,$(PYTHON) tools/check_library.py $(LIBRARY))

# The threads of NumPy and scikit-learn spin while they wait, at the cost of other stages; the library's own do not.
PYTEST = OMP_NUM_THREADS=1 CROSSENTROPY_NUM_THREADS=2 $(IN_VENV) -m pytest -q
test_files = $(patsubst %,python/tests/test_%.py,$(1))

# On the best instruction set of this machine.
test-python: $(VENV)/ready build
	@tools/require.sh gcc objdump
	$(call stage,python,$(PYTEST) python/tests)

# On the others, at night the whole suite. By day without what computes little, what test-c runs on each set (the vectors),
# what forces the sets itself, and KL divergence, whose cost is the reference's and whose bits are held by pairs.c.
NOT_AGAIN = $(call test_files,api array_outputs array_packages arrays bench_page claims documentation errors import \
	interrupts isa kl kl_values messages option_errors sklearn threads vectors verified version) \
	$(wildcard python/tests/test_torch*.py)
AGAIN     = $(filter-out $(NOT_AGAIN),$(wildcard python/tests/test_*.py)) $(COMPUTE)
# Nor what only looks at arguments, or at the reference.
COMPUTE   = -k "not overlap and not the_reference_differentiates"
test-python-avx2 test-python-baseline: test-python-%: $(VENV)/ready build
	@tools/require.sh gcc objdump
	$(call stage,python-$*,CROSSENTROPY_ISA=$* $(PYTEST) $(if $(ALL),python/tests,$(AGAIN)))

# Each way through rows of logits, which the shape and layout of a call choose among (Sources/Core/Route.swift).
test-python-routes: $(VENV)/ready build
	$(call stage,python-routes,for route in rows columns shared; do \
		CROSSENTROPY_ROUTE=$$route $(PYTEST) $(call test_files,overlap properties ranges row_stats same_bits) $(if $(ALL),,$(COMPUTE)); done)

# Installs PyTorch outside the checkout; `make test` does not, and skips them.
test-torch: $(TORCH)/ready build
	@tools/require.sh g++
	$(call stage,torch,PYTHONPATH=python:. $(TORCH)/venv/bin/python -m pytest -q python/tests/test_torch*.py)

test-dependant:
	@tools/require.sh swift
	$(call stage,dependant,tools/test_dependant.sh $(if $(ALL),all))

# Whether tools/make_vectors.py and the vectors belong together; at night also whether it would make the same ones.
test-vectors: $(if $(ALL),$(VENV)/ready)
	$(call stage,vectors,$(PYTHON) tools/check_vectors.py; $(if $(ALL),$(IN_VENV) tools/make_vectors.py --check))

lint: $(VENV)/ready
	@! grep -nE "^.{101,}" include/crossentropy.h
	$(call shown,lint,$(SWIFT) format lint --strict --recursive Package.swift Sources Tests; \
		$(VENV)/bin/ruff check .; $(VENV)/bin/ruff format --check .; $(VENV)/bin/mypy)

format: $(VENV)/ready
	$(SWIFT) format --in-place --recursive Package.swift Sources Tests
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# --- Installing ---------------------------------------------------------------------------------

install: build
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 644 include/crossentropy.h $(DESTDIR)$(PREFIX)/include/
	install -m 755 $(LIBRARY) $(DESTDIR)$(PREFIX)/lib/libcrossentropy.so.$(VERSION)
	ln -sf libcrossentropy.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libcrossentropy.so.0
	ln -sf libcrossentropy.so.0 $(DESTDIR)$(PREFIX)/lib/libcrossentropy.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' tools/crossentropy.pc.in \
		> $(DESTDIR)$(PREFIX)/lib/pkgconfig/crossentropy.pc

clean:
	rm -rf .build .build-embedded .build-fuzz build $(VENV) $(dir $(LIBRARY)) dist *.egg-info python/*.egg-info
