# Two commands do everything: `make demo` and `make test`. Both set up .venv by themselves.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2

.PHONY: demo test lint types docs clean

demo: .venv/.ready
	$(BIN)/ostinato train --cell examples/coupled_gates.py:CoupledGates --hidden-size 448 \
	  --minutes 3.7 --out runs/demo --overwrite

test: .venv/.ready lint types
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
	$(MAKE) docs

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.ready
	$(BIN)/mypy

docs: .venv/.ready
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"ostinato needs Python 3.11 or newer; $(PYTHON) is {sys.version.split()[0]}. Set it: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[all,dev]'
	@touch $@

clean:
	rm -rf .venv runs docs/_build .pytest_cache .mypy_cache .ruff_cache
