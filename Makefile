# Two commands matter: `make report` and `make test`. Both set up .venv from requirements.lock first; after that they work offline.
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
MIRROR ?=

.PHONY: report test test-fast setup packages lint format lock real watch figures clean help

report: setup  ## build results/report.html from generated data
	$(BIN)/snakemake --cores $(CORES) results/report.html

test: setup packages lint  ## everything: linters, unit tests, whole workflows, chaos, browser
	$(BIN)/python -m pytest -n auto --dist loadfile -m "" tests

test-fast: setup  ## unit tests only, at most three minutes
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow and not browser" tests

setup: .venv/.installed  ## only the environment

.venv/.installed: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "rematch needs Python 3.11 or newer, found %d.%d: run make PYTHON=/path/to/python3.11" % v[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

packages:  # what the browser and SLURM tests need from the system; they are skipped, with the reason, where it cannot be had
	@sh tests/integration/packages.sh

lint: setup  ## ruff, snakefmt, snakemake --lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

lock: setup  ## requirements.in -> requirements.lock, exact versions of everything
	$(BIN)/python envs/lock.py

real: setup  ## the report on public data; MIRROR=folder takes the files from there, relative to this folder
	$(BIN)/snakemake --cores $(CORES) --configfile config/real.yaml $(if $(MIRROR),--config mirror=$(MIRROR)) --directory real -- results/report.html

watch: setup  ## a live view of all runs, from their files alone
	$(BIN)/python -m rematch.watch

figures: setup  ## every figure as PDF and SVG, tables as LaTeX, a methods paragraph per study
	$(BIN)/snakemake --cores $(CORES) figures

clean:  ## results, data and states; the environment stays
	rm -rf results data state logs real smoke .snakemake

help:
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 14
