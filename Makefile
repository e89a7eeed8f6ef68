# Davy's two commands are `make demo` and `make test`. Each sets up everything it needs in .venv by itself, from nothing
# but python3 >= 3.11 and PyPI, as root and as an ordinary user; a second run starts at once.
#
#   make demo       200 simulated homes, a leak, and its story on the terminal; Ctrl-C prints the ledger
#   make test       lint, types, and every test (or TESTS=path); says at its end what was skipped and why
#   make test-deep  the rule engine against its naive reference on 10,000 random cases of each property (or EXAMPLES=n)
#   make lock       resolve the dependencies of pyproject.toml anew into the hashed lock files
#   make clean      remove what the above made (never your data)

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test test-deep lock clean run-ready test-ready

VENV := .venv
BIN := $(VENV)/bin
# The newest python that is there; `make PYTHON=/path/to/python3.12 test` takes another.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_ROOT_USER_ACTION := ignore

help:
	@sed -n '4,10s/^# //p' Makefile

# -m: on a terminal davy gets a process group of its own, so that Ctrl-C ends it and not make (status 130) too.
demo: $(VENV)/.ready-run
	@[ ! -t 0 ] || set -m; $(BIN)/davy up --demo

test: $(VENV)/.ready-test
	@PYTHON=$(BIN)/python .ci/test $(TESTS)

# Hours, on as many cores as there are: every test that DAVY_TEST_EXAMPLES speaks to. What was tried is said at the end.
EXAMPLES ?= 10000
test-deep: $(VENV)/.ready-test
	@DAVY_TEST_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q -n "$${DAVY_TEST_WORKERS:-auto}" --dist worksteal \
		--hypothesis-show-statistics $$(grep -rl --include='*.py' DAVY_TEST_EXAMPLES tests/rules)

# $(1): name of the lock file
define install
	@echo "davy: installing requirements-$(1).txt into $(VENV) (once; a minute or two)"
	@.ci/pip $(BIN)/python install -q --require-hashes -r requirements-$(1).txt
	@.ci/pip $(BIN)/python install -q --no-deps --no-build-isolation --editable .
	@touch $@
endef

$(BIN)/python:
	@.ci/venv "$(PYTHON)" $(VENV)

$(VENV)/.ready-run: $(BIN)/python requirements-run.txt pyproject.toml
	$(call install,run)

$(VENV)/.ready-test: $(BIN)/python requirements-test.txt pyproject.toml
	$(call install,test)
	@touch $(VENV)/.ready-run

# Needs uv, which is on PyPI: $(BIN)/python -m pip install uv. No index address gets into the files.
lock:
	@for set in run test; do \
		UV_NO_CONFIG=1 $(BIN)/uv pip compile pyproject.toml --extra build $$([ $$set = test ] && echo --extra test) \
			--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --quiet \
			--custom-compile-command "make lock" --output-file requirements-$$set.txt || exit 1; \
	done

clean:
	rm -rf $(VENV) .cache dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
