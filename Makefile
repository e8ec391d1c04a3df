# What to type first. `make` alone tells what else there is.
#
#   PYTHON           the Python to build on: make bench PYTHON=python3.12
#   TENSORFLOW       the release to test with: make test TENSORFLOW=2.20.0
#   DETCOST_PROFILE  how much to measure: quick, standard or full
#   ASV_ARGS         more for asv run: make bench ASV_ARGS="--bench conv --show-stderr"

PYTHON     ?= python3
TENSORFLOW ?= 2.21.0
# The machine that README's table and answer are of.
MACHINE    ?= epyc-avx512-2core-vm

VENV := .venv
BIN  := $(VENV)/bin
PINS := $(wildcard constraints/*.txt)
# Every pip call may only install what is pinned.
PIP   = $(BIN)/python -m pip install --quiet $(patsubst %,--constraint %, \
        constraints/detcost.txt $(wildcard constraints/tensorflow-$(TENSORFLOW).txt))

# Installs what checks the page's program and the documents' prose. Nothing else needs npm.
NPM_TOOLS := npm ls >/dev/null 2>&1 || npm install --silent --fetch-retries=0 --no-package-lock --no-audit --no-fund >/dev/null 2>&1

.DEFAULT_GOAL := help
.PHONY: help bench test lint format docs mutants readme setup clean
.DELETE_ON_ERROR:

help:  ## list what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# asv clones this checkout, which git refuses where another user owns it (a container's mount).
bench: export GIT_CONFIG_SYSTEM = $(CURDIR)/.asv/gitconfig
bench: $(VENV)/bench.stamp  ## measure this machine, publish the site, print the table
	@mkdir -p .asv
	@printf '[%s]\n\t%s = %s\n' include path /etc/gitconfig safe directory "$(CURDIR)" \
	  safe directory "$(CURDIR)/.git" >"$(GIT_CONFIG_SYSTEM)"
	@$(BIN)/python -c "$$machine_is_known" 2>/dev/null || \
	{ echo "Noting this machine in ~/.asv-machine.json"; $(BIN)/detcost machine >/dev/null; }
	@DETCOST_FAILURES="$(CURDIR)/.asv/failures" $(BIN)/asv run $(ASV_ARGS); code=$$?; \
	if [ $$code -ne 0 ] && [ $$code -ne 2 ]; then exit $$code; fi; \
	if $(BIN)/asv publish && $(BIN)/detcost summary; then \
	echo "asv's graphs: $(BIN)/asv preview --browser"; \
	echo "The page to choose on, which opens from disk: $(CURDIR)/.asv/html/chooser/index.html"; \
	else code=$$?; fi; \
	if [ -s .asv/failures ]; then echo "Not measured:" >&2; sed 's/^/  /' .asv/failures >&2; fi; \
	exit $$code

test: lint  ## lint, check types, run every test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/dev-$(TENSORFLOW).stamp  ## check code, types, layers and prose
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@if $(NPM_TOOLS); then \
	npm run --silent lint && npm run --silent types && npm run --silent prose -- --quiet; \
	else echo "npm cannot install its tools: the page's program and the prose stay unchecked" >&2; fi

format: $(VENV)/dev-$(TENSORFLOW).stamp  ## put the code into its format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	if $(NPM_TOOLS); then npm run --silent format; fi

docs: $(VENV)/dev-$(TENSORFLOW).stamp  ## build the documentation's site in build/docs
	$(BIN)/sphinx-build -q -W --keep-going -c docs -d build/doctrees . build/docs

mutants: $(VENV)/dev-$(TENSORFLOW).stamp  ## change the sources here and there; list what no test notices
	$(BIN)/python tools/mutants.py

readme: $(VENV)/dev-$(TENSORFLOW).stamp  ## write the documents' tables, answer and pictures from results
	$(BIN)/detcost agreement --settings default,onednn=off+isa=AVX2 --write docs/agreement.md
	$(BIN)/detcost summary --results results/$(MACHINE) --write README.md
	$(BIN)/detcost show --results results/$(MACHINE) --write docs/results.md
	$(BIN)/detcost choose --machine $(MACHINE) --scenario conv2d_backward \
	  --survive repeat,process,threads --write README.md
	$(BIN)/detcost folklore --results results --markdown --write docs/folklore.md
	$(BIN)/detcost summary --machine hopper-16core-vm --write docs/gpu.md
	$(BIN)/detcost agreement --settings default,op_determinism --write docs/gpu.md
	$(BIN)/detcost show --results results/hopper-16core-vm/tensorflow2.21.0.folklore.jsonl \
	  --write docs/gpu.md
	$(BIN)/python docs/pictures.py

setup: $(VENV)/dev-$(TENSORFLOW).stamp  ## make .venv with everything to develop with

clean:  ## remove what was made, but no results
	rm -rf $(VENV) .asv build dist mutants node_modules report .import_linter_cache .mypy_cache .ruff_cache .pytest_cache mutants
	find src benchmarks tests -name __pycache__ -prune -exec rm -rf {} +

# asv's own rule: the machine of this name, or the only one there is.
define machine_is_known
from asv.machine import Machine, MachineCollection
MachineCollection.load(Machine.get_unique_machine_name())
endef
export machine_is_known

$(BIN)/python:
	@version=$$($(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null); \
	case "$$version" in 3.11.*|3.12.*|3.13.*) ;; *) \
	  echo "detcost needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is $${version:-missing};" \
	    "name another one: make PYTHON=python3.12" >&2; exit 1;; \
	esac
	$(PYTHON) -m venv $(VENV)

$(VENV)/pip.stamp: $(BIN)/python $(PINS)
	$(PIP) --upgrade pip
	@touch $@

# Without TensorFlow: asv brings its own, the build that fits, into environments of its own.
$(VENV)/bench.stamp: $(VENV)/pip.stamp pyproject.toml
	$(PIP) --editable . asv virtualenv
	@touch $@

$(VENV)/dev-%.stamp: $(VENV)/pip.stamp pyproject.toml
	requirement=$$($(BIN)/python -P src/detcost/asv_integration/tensorflow_build.py $*) && \
	$(PIP) --editable . --group dev "$$requirement"
	@touch $@
