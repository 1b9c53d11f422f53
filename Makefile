# `make demo` and `make test` set everything up by themselves. VENV says where the environment is; by default it is
# outside the checkout and keyed by the lock file, so that several checkouts share one.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help venv demo test test-slow test-long lint package docs bench sync-to-dvc sync-to-snakemake clean lock

PYTHON ?= python3
LONG ?= guide or tables
DIGEST := $(shell $(PYTHON) -c "import hashlib; print(hashlib.sha256(open('requirements.lock', 'rb').read()).hexdigest()[:12])")
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
VENV ?= $(CACHE)/ttame/venv-$(DIGEST)
export PATH := $(VENV)/bin:$(PATH)
export PYTHONUNBUFFERED := 1
# Every job is a process; as some images of containers set it, each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

READY := $(VENV)/.complete-$(DIGEST)

$(READY):
	@$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))" || \
	  { echo "ttame needs Python 3.11 to 3.13; name one: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing the pinned packages into $(VENV) (about 6 GB, once)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python scripts/install_packages.py requirements.lock
	@touch $@

venv: $(READY) ## set the environment up and print its folder
	@echo $(VENV)

demo: $(READY) ## the whole pipeline on the embedded data, some 10 minutes on 2 cores
	snakemake --cores all
	@python -m ttame results

test: $(READY) ## lint, types, workflow lint and the tests of less than five seconds each
	$(MAKE) lint
	pytest --numprocesses auto --dist loadfile -m "not slow and not long"

test-slow: $(READY) ## the other tests: both engines on small experiments, kills, faults, several processes
	pytest --numprocesses auto --dist loadfile -m "slow and not long"

test-long: $(READY) ## the guide and the paper's experiment from their text; LONG= runs every long test
	pytest -m long -k "$(LONG)"

lint: $(READY) ## ruff, mypy, snakemake --lint, snakefmt
	ruff check .
	ruff format --check .
	mypy
	snakemake --lint
	snakefmt --check Snakefile workflow

package: $(READY) ## wheel and sdist in dist/, checked, and tried in an empty environment outside the checkout
	rm -rf dist
	python -m build --no-isolation
	twine check --strict dist/*
	TTAME_DISTRIBUTIONS=dist pytest tests/package

docs: $(READY) ## the documentation site in site/, strictly: a link that leads nowhere ends it
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict --quiet

bench: $(READY) ## the benchmarks, as a Markdown table
	python -m benchmarks

sync-to-dvc: $(READY) ## after Snakemake: let DVC know what was built
	@snakemake --dry-run 2>&1 | grep -q "Nothing to be done" || \
	  { echo "Snakemake still has work to do (see snakemake -n); run it first" >&2; exit 1; }
	dvc repro --quiet specifications # refuses a file of weights that DVC would not see change
	dvc commit --force --no-relink

sync-to-snakemake: $(READY) ## after dvc repro or dvc pull: let Snakemake know what was built
	@dvc status --quiet || { echo "DVC is not up to date (see dvc status): run dvc repro;" \
	  "if only tables differ, those of another run are checked out: git checkout results/" >&2; exit 1; }
	snakemake --touch --forceall --quiet all

lock: ## pin the newest versions (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --upgrade -o requirements.lock
	sed -i.old "s/requirements.lock [0-9a-f]*,/requirements.lock $$($(PYTHON) -c "import hashlib; \
	  print(hashlib.sha256(open('requirements.lock', 'rb').read()).hexdigest()[:12])"),/" workflow/envs/ttame.post-deploy.sh
	rm workflow/envs/ttame.post-deploy.sh.old

clean: ## delete results, work in progress and logs (not the environment, not DVC's cache)
	rm -rf .scratch .snakemake logs
	git clean -fdXq results
