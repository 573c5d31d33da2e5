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
VENV     = .venv
IN_VENV  = PYTHONPATH=python:. $(VENV)/bin/python

.PHONY: help run test build bench bench-functions bench-quick gap install update-hashes clean format lint
.PHONY: fuzz fuzz-quick test-exhaustive test-torch test-swift test-c test-arm64 test-python test-library test-dependant test-vectors
.DEFAULT_GOAL := help

help:
	@echo 'make run                   build, compare Swift, C, Python and NumPy, train on real digits, write a report'
	@echo 'make test                  every test and the linters'
	@echo 'make test-exhaustive       the exponential of all 2^32 inputs'
	@echo 'make test-torch            crossentropy.torch beside PyTorch (which it installs outside the checkout)'
	@echo 'make fuzz SECONDS=1800     calls from random bytes, checked beside long double, so long on each of two builds'
	@echo 'make fuzz-quick            the kept corpus and a minute more, with AddressSanitizer'
	@echo 'make build                 $(LIBRARY)'
	@echo 'make update-hashes         Tests/Hashes/hashes.txt anew, after a change that means to change bits'
	@echo 'make bench                 beside NumPy, PyTorch, JAX ... (installs them outside the checkout)'
	@echo 'make bench-quick           beside NumPy alone'
	@echo 'make bench-functions       what stands beside the plain loss: binary, KL, softmax, statistics ...'
	@echo 'make gap                   the error of confident predictions beside PyTorch (installs what bench does)'
	@echo 'make install PREFIX=/usr   library, header and pkg-config file (also DESTDIR=)'
	@echo 'make format, make lint     swift-format, ruff, mypy'
	@echo 'make clean'

# --- Setting up ---------------------------------------------------------------------------------

$(VENV)/ready: tools/run/requirements.txt python/tests/requirements.txt tools/require.sh
	@tools/require.sh python
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --disable-pip-version-check -r tools/run/requirements.txt -r python/tests/requirements.txt
	@touch $@

# --- Building -----------------------------------------------------------------------------------

build:
	@tools/require.sh swift
	$(EMBEDDED)
	@mkdir -p $(dir $(LIBRARY))
	@# Moved into place, so that a process that has the old one loaded keeps it.
	@cp "$$($(EMBEDDED) --show-bin-path)/libcrossentropy.so" $(LIBRARY).new && mv $(LIBRARY).new $(LIBRARY)

build/vectors.txt: Tests/Vectors/vectors.json tools/flatten_vectors.py
	@mkdir -p build
	$(PYTHON) tools/flatten_vectors.py $@

# C programs, under each compiler: build/gcc/vectors, build/clang/contract ...
C_FLAGS   = -std=c99 -Wall -Wextra -pedantic -Werror -O1 -Iinclude
CXX_FLAGS = -std=c++17 -Wall -Wextra -pedantic -Werror -Iinclude
C_LIBS    = $(LIBRARY) -Wl,-rpath,$(CURDIR)/$(dir $(LIBRARY)) -lm -ldl -pthread
CONSUMERS = vectors accepts contract loading example hashes binary partial pairs messages cancel

define compile_with
build/$(1)/%: Tests/CConsumer/%.c $(wildcard Tests/CConsumer/*.h) include/crossentropy.h $(LIBRARY)
	@mkdir -p $$(@D)
	$(1) $(C_FLAGS) $$< -o $$@ $(C_LIBS)
build/$(1)/loading: Tests/CConsumer/loading.c
	@mkdir -p $$(@D)
	$(1) $(C_FLAGS) $$< -o $$@ -ldl -pthread
build/$(1)/header: Tests/CConsumer/header.cpp include/crossentropy.h $(LIBRARY)
	@mkdir -p $$(@D)
	$(2) $(CXX_FLAGS) $$< -o $$@ $(C_LIBS)
endef
$(eval $(call compile_with,gcc,g++))
$(eval $(call compile_with,clang,clang++))
build/gcc/cancel build/clang/cancel: Tests/CConsumer/closed_pages.h

$(LIBRARY):
	$(MAKE) build

# --- The main job -------------------------------------------------------------------------------

run: $(VENV)/ready build build/vectors.txt
	@tools/require.sh gcc
	$(MAKE) -s build/gcc/vectors
	$(NORMAL) --product crossentropy-vectors
	$(IN_VENV) -m tools.run --c-program build/gcc/vectors \
		--swift-program "$$($(NORMAL) --show-bin-path)/crossentropy-vectors" --output build/report.html

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
	PYTHONPATH=python:. $(BENCH)/venv/bin/python -m benchmarks --picture docs/bench.svg

bench-functions: $(BENCH)/ready build
	PYTHONPATH=python:. $(BENCH)/venv/bin/python -m benchmarks.functions

bench-quick: $(VENV)/ready build
	$(IN_VENV) -m benchmarks --quick --peers NumPy --json build/bench-quick.json

gap: $(BENCH)/ready build
	PYTHONPATH=python:. $(BENCH)/venv/bin/python -m benchmarks.gap

# --- Tests --------------------------------------------------------------------------------------

test: test-swift test-c test-arm64 test-library test-python test-dependant test-vectors lint
	@$(PYTHON) tools/tally.py build/logs

# Runs a command and keeps what it prints, for the tally: $(call logged,NAME,COMMAND)
logged = mkdir -p build/logs; set -o pipefail; { $(2); } 2>&1 | tee build/logs/$(1).log
SHELL  = /bin/bash

test-swift:
	@tools/require.sh swift
	$(call logged,swift,$(SWIFT) test -c release)

# The exponential of all 2^32 inputs on every instruction set: minutes, so not part of `make test`, which takes a few.
test-exhaustive:
	@tools/require.sh swift
	$(NORMAL) --product crossentropy-exhaustive
	"$$($(NORMAL) --show-bin-path)/crossentropy-exhaustive"

# Calls from random bytes, each beside a computation in long double: see tools/fuzz/README.md. The normal build first, then
# the one with AddressSanitizer; what is found lies in build/fuzz/findings.
SECONDS = 300
fuzz:
	@tools/require.sh swift
	SWIFT=$(SWIFT) tools/fuzz/run.sh plain $(SECONDS)
	SWIFT=$(SWIFT) tools/fuzz/run.sh asan $(SECONDS)

fuzz-quick:
	@tools/require.sh swift
	SWIFT=$(SWIFT) tools/fuzz/run.sh asan quick

test-c: build build/vectors.txt
	@tools/require.sh gcc g++ clang qemu-x86_64
	$(MAKE) -s $(foreach cc,gcc clang,$(patsubst %,build/$(cc)/%,$(CONSUMERS) header))
	$(call logged,c,tools/test_c.sh)

# The library for AArch64, cross-compiled, under emulation.
test-arm64: build build/vectors.txt
	$(MAKE) -s build/gcc/vectors
	$(call logged,arm64,SWIFT=$(SWIFT) tools/test_arm64.sh build/vectors.txt Tests/Hashes/hashes.txt build/gcc/vectors)

# After a change that means to change bits.
update-hashes: build
	$(MAKE) -s build/gcc/hashes build/gcc/binary
	build/gcc/hashes --write >Tests/Hashes/hashes.txt
	build/gcc/binary --write >Tests/Hashes/binary.txt

test-library: build
	@tools/require.sh objdump
	$(call logged,library,$(PYTHON) tools/check_library.py $(LIBRARY))

ROUTED = $(addprefix python/tests/test_,properties.py ranges.py row_stats.py)

test-python: $(VENV)/ready build
	$(call logged,python,$(IN_VENV) -m pytest -q python/tests)
	@# The other instruction sets, on everything that computes; the full suite ran on the best one.
	$(call logged,python-avx2,CROSSENTROPY_ISA=avx2 $(IN_VENV) -m pytest -q python/tests)
	$(call logged,python-baseline,CROSSENTROPY_ISA=baseline $(IN_VENV) -m pytest -q python/tests)
	@# Each way through rows of logits, which the shape and layout of a call choose among (Sources/Core/Route.swift).
	$(call logged,python-rows,CROSSENTROPY_ROUTE=rows $(IN_VENV) -m pytest -q $(ROUTED))
	$(call logged,python-columns,CROSSENTROPY_ROUTE=columns $(IN_VENV) -m pytest -q $(ROUTED))
	$(call logged,python-shared,CROSSENTROPY_ROUTE=shared $(IN_VENV) -m pytest -q $(ROUTED))

# Not part of `make test`, which does not install PyTorch for itself and skips them.
test-torch: $(TORCH)/ready build
	@tools/require.sh g++
	$(call logged,torch,PYTHONPATH=python:. $(TORCH)/venv/bin/python -m pytest -q python/tests/test_torch*.py)

test-dependant:
	@tools/require.sh swift
	$(call logged,dependant,tools/test_dependant.sh)

test-vectors: $(VENV)/ready
	$(call logged,generator,$(IN_VENV) tools/make_vectors.py --check)

lint: $(VENV)/ready
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

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
