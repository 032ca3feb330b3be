# `make demo` and `make test` need nothing but Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check bench bench-faults

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[dev]'
	touch $@

demo: .venv/installed ## train the ballbot, judge, plot and export it, try it on rolling ground
	$(BIN)/plumbrl train configs/train/ballbot_flat.yaml --out runs/demo
	latest=$$(ls -td runs/demo/*/*/*/ | head -1) && $(BIN)/plumbrl plot $$latest \
		&& $(BIN)/plumbrl evaluate $$latest --terrains flat perlin && $(BIN)/plumbrl export $$latest
	$(BIN)/ballbot-visualize-env --env_config configs/env/perlin_directional.yaml --out runs/demo/pictures --no-gui

test: check ## everything that is checked: format, lint, types, tests
	$(BIN)/pytest

check: .venv/installed ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --warnings

bench: .venv/installed ## the benchmarks behind every figure in README and docs
	$(BIN)/python benchmarks/vector_env.py
	$(BIN)/python benchmarks/terrain.py
	$(BIN)/python benchmarks/integrators.py
	$(BIN)/python benchmarks/oracles.py
	$(BIN)/python benchmarks/probes.py
	$(BIN)/python benchmarks/localisation.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/resume.py
	$(BIN)/python benchmarks/published_task.py
	$(BIN)/python benchmarks/watch.py
	$(BIN)/python benchmarks/diagnose.py
	$(BIN)/python benchmarks/healthy.py
	$(BIN)/python benchmarks/sane_settings.py
	$(BIN)/python benchmarks/audit.py
	$(BIN)/python benchmarks/plotting.py
	$(BIN)/python benchmarks/dashboard.py

bench-faults: .venv/installed ## how often is the component at fault named, and a healthy run accused?
	$(BIN)/plumbrl-bench faults --suite quick
