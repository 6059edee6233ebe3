# algobot: every target makes its own set-up in .venv on first use. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ONLY ?=
export OMP_NUM_THREADS ?= 1
export MPLBACKEND ?= agg
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test lab docs bench export readme check-notebooks check-readme lint types test-notebooks test-package clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

$(STAMP): settings.ini setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || { echo "algobot needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "No venv module. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV) (two minutes or so) ..."
	$(BIN)/python -m pip install -q setuptools wheel cython numpy -c constraints.txt
	$(BIN)/python -m pip install -q -e '.[dev]' -c constraints.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation --use-pep517 --config-settings=--global-option=build_ext learn2learn==0.2.0
	@mkdir -p $(VENV)/etc/jupyter && ln -sf ../../../.jupyter/jupyter_server_config.py $(VENV)/etc/jupyter/
	@if git rev-parse --git-dir >/dev/null 2>&1; then git config --local include.path ../.gitconfig; fi
	@touch $@

setup: $(STAMP) ## install everything into .venv (the other targets do it themselves)

demo: $(STAMP) ## train an agent on real bars, judge it on years it never saw, write the report
	$(BIN)/algobot demo

test: check-notebooks check-readme lint types test-notebooks test-package docs ## every check, as CI runs them
	@echo "All checks passed."

lab: $(STAMP) ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab nbs $(if $(filter 0,$(shell id -u)),--allow-root)

docs: $(STAMP) ## build the site into docs/_site (a warning is an error)
	$(BIN)/python docs/build.py

bench: $(STAMP) ## measure beside the peers; one of them with ONLY=name
	$(BIN)/python benchmarks/run.py $(if $(ONLY),--only $(ONLY))

export: $(STAMP) ## notebooks -> package, clean notebooks, README
	$(BIN)/nbdev_export
	$(BIN)/nbdev_clean
	$(BIN)/python docs/build.py readme

readme: $(STAMP) ## README.md from nbs/index.ipynb
	$(BIN)/python docs/build.py readme

check-notebooks: $(STAMP) ## package and notebooks agree, and the notebooks are clean
	$(BIN)/python .ci/check_notebooks.py

check-readme: $(STAMP) ## README.md is what nbs/index.ipynb says
	$(BIN)/python docs/build.py readme --check

lint: $(STAMP) ## ruff over the exported package and the scripts
	$(BIN)/ruff check .

types: $(STAMP) ## mypy over the exported package
	$(BIN)/mypy

test-notebooks: $(STAMP) ## run every notebook
	$(BIN)/nbdev_test --n_workers 2 --do_print

test-package: $(STAMP) ## pytest over the tests that the notebooks export
	$(BIN)/python -m pytest -n 2 --dist loadfile algobot/tests

clean: ## remove the environment and all that was built
	rm -rf $(VENV) .venv-bench _proc docs/_site docs/_build .mypy_cache .ruff_cache .pytest_cache
