# `make run` and `make test` on a fresh machine; the other targets are for whoever works on Concordia.
#
# Everything is installed into .venv, by hash, from constraints*.txt. Four kinds of files in .venv keep account:
#   .made         the virtualenv is complete; holds the directory that it was made in, because it cannot be moved
#   .installing   there while pip works, so that an interrupted installation is found and done again from nothing
#   .lock         locked while pip works, so that a second make waits for the first and does not take it for interrupted
#   .run .test .claude   that part is installed, from lock files no newer than this

# The interpreter that makes .venv. Unset: the newest of those below that will do.
PYTHON ?=
# More arguments for concordiad, pytest, the benchmarks or uv: make test ARGS="-k queue"
ARGS ?=
# Where `make install` puts everything, and what stands before that while a package is made. A prefix in the home
# directory is an installation for that person alone, with `systemctl --user`.
PREFIX ?= $(if $(filter 0,$(shell id -u)),/usr/local,$(HOME)/.local)
DESTDIR ?=

.DEFAULT_GOAL := help
.SUFFIXES:
# Two pips in one virtualenv would fight.
.NOTPARALLEL:
.PHONY: again bench check clean deb help install lock run soak test uninstall wheel

PYTHONS := python3.14 python3.13 python3.12 python3.11 python3
CODE := $(wildcard concordiad ctl shipping tests bench)
PIP := .venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check
# Wheels only: building a source distribution would fetch its build tools unpinned.
LOCKED := $(PIP) --require-hashes --only-binary=:all:
LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-annotate
# What a daemon's agent or a test starts must not take this make for its own.
INSTALL = .venv/bin/python -m shipping.install --prefix='$(PREFIX)' $(if $(DESTDIR),--destdir='$(DESTDIR)') \
	$(if $(filter $(HOME)/%,$(PREFIX)),--personal)
BARE := unset ARGS MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES MAKE_TERMERR MAKE_TERMOUT;

help: ## say what there is to make
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16
	@echo '  ARGS="…" passes more arguments on; PYTHON=… names the interpreter that makes .venv'

run: .venv/.run $(if $(shell command -v claude 2>/dev/null),,.venv/.claude) ## install what is missing and start the daemon here, to try it
	@$(BARE) exec .venv/bin/concordiad --try $(ARGS)

# Tests mostly wait, so four files at a time keep two cores busy; ARGS=-n0 runs one test after the other.
test: .venv/.test .venv/.claude ## run every test, those with the real Claude Code CLI too
	@$(BARE) exec .venv/bin/python -m pytest -n4 --dist=loadfile --no-loadscope-reorder $(ARGS)

check: .venv/.test ## lint, formatting and types
	.venv/bin/ruff check $(CODE)
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/mypy $(CODE)
	.venv/bin/flake8 $$(grep -rlwE --include='*.py' 'trio|anyio|async|asyncio|await' $(CODE))

bench: .venv/.test .venv/.claude ## measure against peers, with the real Claude Code CLI too; ARGS=--json, ARGS=W1
	@$(BARE) exec .venv/bin/python -m bench $(ARGS)

soak: .venv/.test .venv/.claude ## the tests of tests/soak at full length, for an hour at most; ARGS=--seed=… repeats their chances
	@$(BARE) exec timeout --kill-after=30s 1h .venv/bin/python -m pytest tests/soak tests/nspawn/test_agents.py --soak -ra $(ARGS)

install: .venv/.run ## install below PREFIX=/usr/local, or for a person below ~/.local: programs, units, manual, completions
	@$(INSTALL)

uninstall: .venv/.run ## take that away again; configuration and state stay
	@$(INSTALL) --uninstall

deb: .venv/.run ## make a Debian package in dist/
	@.venv/bin/python -m shipping.deb $(ARGS)

wheel: .venv/.run ## make Concordia's own wheel in dist/
	@rm -rf build/lib build/bdist.*
	.venv/bin/python -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir=dist .

lock: .venv/.made ## write constraints*.txt anew from pyproject.toml (ARGS=--upgrade moves every pin)
	$(PIP) uv
	$(LOCK) $(ARGS) --extra otel --group build --group lint --group test -o constraints.txt pyproject.toml
	$(LOCK) --group build -c constraints.txt -o constraints-run.txt pyproject.toml
	$(LOCK) --no-deps --group pyproject.toml:claude -o constraints-claude.txt
	$(LOCK) --group pyproject.toml:bench -c constraints.txt -o constraints-bench.txt

clean: ## remove .venv and everything else that was made
	rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find $(CODE) -name __pycache__ -exec rm -rf {} +

# A virtualenv that was left half done, was moved, or whose interpreter is gone is as good as none.
ifneq ($(shell [ "$$(cat .venv/.made 2>/dev/null)" = "$$(pwd -P)" ] \
	&& { [ ! -e .venv/.installing ] || ! flock --nonblock .venv/.lock true; } \
	&& .venv/bin/python -c '' 2>/dev/null && echo sound),sound)
.venv/.made: again
endif

.venv/.made:
	@seen=; any=; good=; \
	for python in $(if $(PYTHON),'$(PYTHON)',$(PYTHONS)); do \
		version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
		seen="$$seen$${seen:+, }$$python is $$version"; \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue; \
		any=$$version; \
		if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then good=$$python; break; fi; \
	done; \
	if [ -n "$$good" ]; then \
		echo "Making .venv with $$good (Python $$version) …" >&2; \
		"$$good" -m venv --clear .venv && pwd -P >.venv/.made && exit; \
	fi; \
	if [ -n "$$any" ]; then \
		echo "Concordia needs a virtualenv, and Python $$any could not make one, mostly for want of its modules venv and" \
			"ensurepip: install them (Debian, Ubuntu: apt install python3-venv, or python$$any-venv for just this one)," \
			"or name another interpreter with PYTHON=/path/to/python3." >&2; \
	else \
		echo "Concordia needs Python 3.11 or newer, and there is none ($${seen:-tried: $(or $(PYTHON),$(PYTHONS))}):" \
			"install it (Debian, Ubuntu: apt install python3 python3-venv; Fedora: dnf install python3)," \
			"or name one with PYTHON=/path/to/python3." >&2; \
	fi; \
	exit 1

# $(call install,what is being done,commands): bash would go on after a pip that was interrupted, hence the trap.
define install
	@echo '$(1) …' >&2; \
	trap 'exit 130' INT TERM; \
	exec 9>>.venv/.lock; flock --nonblock 9 || { echo 'Another make installs here: waiting for it …' >&2; flock 9; }; \
	touch .venv/.installing; \
	{ $(2); } || { rm .venv/.installing; \
		echo 'That could not be installed; pip says why above. See to the network or the disk and do the same again;' \
			'`make clean` starts from nothing.' >&2; exit 1; }; \
	rm .venv/.installing; \
	touch $@
endef

.venv/.run: .venv/.made constraints-run.txt pyproject.toml
	$(call install,Installing Concordia into .venv (this once),\
		$(LOCKED) -r constraints-run.txt && $(PIP) --no-build-isolation --no-deps -e .)

.venv/.test: .venv/.run constraints.txt
	$(call install,Installing what the tests and checks need (this once),$(LOCKED) -r constraints.txt)

.venv/.claude: .venv/.made constraints-claude.txt
	$(call install,Fetching the Claude Code CLI (a wheel of some 166 MB; this once),\
		$(LOCKED) --no-deps -r constraints-claude.txt || \
			{ echo 'For `make run` a claude of your own on the PATH will do instead.' >&2; false; })
