# make help says what there is. Nothing here needs a tool that pip cannot install.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
ARGS   ?=

.PHONY: help install demo test test-all faults power-cuts kills check format bench soak trial models lock clean

help:            ## what can be made
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

install: $(READY) ## everything, into .venv

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Shoptwin needs Python 3.11 to 3.13 and $(PYTHON) is $$($(PYTHON) --version 2>&1); name another: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m shoptwin.daemon.bytecode
	@touch $@

demo: $(READY)    ## watch a bearing wear out on a live twin; ARGS="--headless --seconds 120" without a terminal
	@$(BIN)/python deploy/demo $(ARGS)

test: $(READY)    ## every test but the slow ones
	$(BIN)/python -m pytest $(ARGS)

test-all: $(READY) ## the slow ones too
	$(BIN)/python -m pytest -m "slow or not slow" $(ARGS)

faults: $(READY)  ## 10,000 seeded faults of Modbus, 1,000 of OPC UA; ARGS="--fault tcp/reply/late/7", "--round poll/none/cut/4" repeats one
	$(BIN)/python -m pytest -m "slow or not slow" tests/system/modbus tests/system/opcua $(ARGS)

power-cuts: $(READY) ## the power goes at each step of a busy while, in each way that a disk may forget: half an hour
	$(BIN)/python -m pytest -m "slow or not slow" tests/system/powercut $(ARGS)

kills: $(READY)   ## kill -9 of daemon and broker, 500 times: half an hour
	$(BIN)/python -m pytest -m "slow or not slow" tests/system/daemon/test_kill.py $(ARGS)

check: $(READY)   ## lint, types, import rules, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/docs --ignore tests/docs/test_howto_commands.py --ignore tests/docs/test_write_a_driver.py

format: $(READY)  ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)   ## the numbers, as ratios against named baselines: a table, and build/bench.json
	$(BIN)/python benchmarks $(ARGS)

soak: $(READY)    ## the long ones: 10,000 tags for ten minutes, flapping devices for an hour, 20 minutes of endurance; build/soak.json
	$(BIN)/python benchmarks --soak $(ARGS)

trial: $(READY)   ## 1,200 machine-months of faults on the practice plant; ARGS="--seeds 2 --misses" for a short one
	$(BIN)/python models/training/plant_trial.py $(ARGS)

models: $(READY)  ## build the shipped models anew, to the same bytes
	$(BIN)/python models/training/build.py $(ARGS)

lock: $(READY)    ## resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --no-header \
	  --no-emit-index-url --no-emit-find-links --extra demo --extra dev --extra parquet pyproject.toml --output-file requirements.lock

clean:           ## remove what was made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
