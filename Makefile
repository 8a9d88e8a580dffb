# make quick     set up .venv and run the quick sweep on the embedded digits
# make test      set up .venv and run the tests
# make scale     measure sweeps of up to 10,000 runs, kill a node during a sweep, measure sets of up to a million images (an hour)
# make check     check formatting, lint and types
# make docs      build the documentation as a site in site/ (one minute)
# make speed     measure the speed of dabench and write docs/benchmarks.md (about an hour; run nothing else meanwhile)
# make reference compare adapters with the hooks of pytorch-adapt and write docs/reference.md (half an hour)
# make survival  cause every known fault in a sweep and print the results (half an hour)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: quick test check docs speed survival scale reference venv dev clean

quick: venv
	$(BIN)/dabench sweep quick

test: dev
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -p no:benchmark

scale: dev
	$(BIN)/python tests/scale/growth.py
	$(BIN)/python tests/scale/two_nodes.py
	$(BIN)/python tests/scale/large_sets.py all --write

check: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy dabench adapters

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

speed: dev
	$(BIN)/pytest tests/speed/test_*.py -s --benchmark-json=.benchmarks/speed.json
	$(BIN)/python tests/speed/table.py .benchmarks/speed.json docs/benchmarks.md
	$(BIN)/python tests/speed/where.py docs/benchmarks.md
	$(BIN)/python tests/speed/profiles.py docs/benchmarks.md
	$(BIN)/python tests/speed/larger.py docs/benchmarks.md

reference: dev
	$(BIN)/dabench sweep tests/reference/pytorch-adapt.toml --plugin tests/reference/hooks.py
	$(BIN)/python tests/reference/table.py runs/pytorch-adapt docs/reference.md

survival: dev
	$(BIN)/python tests/survival/table.py

venv: $(VENV)/.installed

dev: $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dabench needs Python 3.11 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist site *.egg-info
