# Every target makes the environment that it needs when it is missing. `make` alone lists them.

PYTHON ?= python3
VENV ?= .venv
SIZE ?= full
ARGS ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PACKAGES := core data zoom rewards sft grpo bench cli
EDITABLE := $(foreach name,$(PACKAGES),-e packages/$(name))
TOOLS := ruff "pyright[nodejs]" import-linter pytest pytest-randomly hypothesis scikit-image fastapi uvicorn
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
TORCH := $(shell grep '^torch==' constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help install demo test check lint format data sft own grpo evaluate audit assess report ablate ablate-full \
	ablate-coverage ablate-resampling bench-rewards bench-grpo bench-gpu restoration modes test-fit pocket clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  Variables: SIZE=full|small (demo), ARGS="key=value ..." (handed to the stage), PYTHON, VENV'

install: $(STAMP) ## Make the environment and install the eight packages and the tools

# torch comes first and alone: so a machine with an index of CPU builds takes the CPU build, and the rest agrees with it.
$(STAMP): constraints.txt $(wildcard packages/*/pyproject.toml)
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH)
	$(PIP) $(EDITABLE) $(TOOLS)
	@touch $@

demo: $(STAMP) ## Data, SFT, GRPO, evaluation and report with the pocket agent, on two CPU cores
	$(BIN)/loupe demo --size $(SIZE) $(ARGS)

test: $(STAMP) ## Run the tests
	$(BIN)/python -m pytest tests

check: lint test ## Lint, then test

lint: $(STAMP) ## Formatting, lint rules, import contracts, types
	$(BIN)/ruff format --check packages tests
	$(BIN)/ruff check packages tests
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(STAMP) ## Bring the code into the form that lint wants
	$(BIN)/ruff check --fix packages tests
	$(BIN)/ruff format packages tests

data: $(STAMP) ## Make the labelled images of the pocket recipe
	$(BIN)/loupe data synth --config configs/pocket/data.yaml $(ARGS)

sft: $(STAMP) ## Train on grounded rationales
	$(BIN)/loupe sft --config configs/pocket/sft.yaml $(ARGS)

own: $(STAMP) ## Train on, on the agent's own words
	$(BIN)/loupe sft --config configs/pocket/own.yaml $(ARGS)

grpo: $(STAMP) ## Go on by reinforcement learning
	$(BIN)/loupe grpo --config configs/pocket/grpo.yaml $(ARGS)

evaluate: $(STAMP) ## Judge the held-out images
	$(BIN)/loupe evaluate --config configs/pocket/evaluate.yaml $(ARGS)

audit: $(STAMP) ## Judge them, and the zooming too: is it honest?
	$(BIN)/loupe evaluate --zoom-audit --config configs/pocket/audit.yaml $(ARGS)

assess: $(STAMP) ## Rate images: make assess ARGS="photo.jpg"
	$(BIN)/loupe assess $(ARGS)

report: $(STAMP) ## Make one HTML page of evaluations and trainings
	$(BIN)/loupe report --config configs/pocket/report.yaml $(ARGS)

ablate: $(STAMP) ## What rewards are worth, in a hurry: three rows x two seeds
	$(BIN)/loupe ablate configs/ablations/quick.yaml $(ARGS)

ablate-full: $(STAMP) ## The same with every row and three seeds (hours); goes on where it was stopped
	$(BIN)/loupe ablate configs/ablations/rewards.yaml $(ARGS)

ablate-coverage: $(STAMP) ## What KL-coverage does to entropy, spread and SRCC: three rows x three seeds
	$(BIN)/loupe ablate configs/ablations/coverage.yaml $(ARGS)

ablate-resampling: $(STAMP) ## What re-sampling does where most opinions crowd in the middle: three rows x three seeds
	test -f data/pocket-skewed/manifest.json || $(BIN)/loupe data skew
	$(BIN)/loupe ablate configs/ablations/resampling.yaml $(ARGS)

bench-rewards: $(STAMP) ## Time the rank reward beside loops over the same formula, on one core
	OMP_NUM_THREADS=1 $(BIN)/loupe bench rewards

bench-grpo: $(STAMP) ## Time a GRPO step beside TRL's own trainer on the same work, on one core
	OMP_NUM_THREADS=1 $(BIN)/loupe bench grpo $(ARGS)

bench-gpu: $(STAMP) ## Time a QLoRA step of a 7B model with random weights on this GPU
	$(BIN)/loupe bench gpu $(ARGS)

restoration: $(STAMP) ## What the agent's diagnosis is worth to classical restoration, on held-out images
	OMP_NUM_THREADS=1 $(BIN)/loupe bench restoration --config configs/pocket/restoration.yaml $(ARGS)

modes: $(STAMP) ## Fast, reasoning, zoom and several judgements side by side, on one core
	OMP_NUM_THREADS=1 $(BIN)/loupe bench modes --config configs/pocket/modes.yaml $(ARGS)

test-fit: $(STAMP) ## How much of a PLCC fitted on the test labels is noise: simulated (minutes), into docs/
	OMP_NUM_THREADS=1 $(BIN)/loupe bench test-fit out=docs $(ARGS)

pocket: $(STAMP) ## Make both pocket checkpoints from nothing (hours on two cores)
	$(BIN)/loupe pocket $(ARGS)

clean: ## Remove the environment and all caches; data/ and runs/ stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find packages tests -name __pycache__ -type d -prune -exec rm -rf {} +
