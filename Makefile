# make demo    install, run the default pipeline on the sample collection, say where things are
# make test    install, lint, run the test suite
# make bench   install what only comparisons need, run the benchmarks

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Rare extras are never implied; they are installed by hand, as in: uv pip install -e ".[spark]"
EXTRAS := --extra app --extra map --extra dev

UV_INSTALL = index="$$($(BIN)/python -m pip config list | sed -n "s/^\(global\|:env:\)\.index-url='\(.*\)'$$/\2/p" | tail -n 1)"; \
	export VIRTUAL_ENV=$(VENV) $${index:+UV_DEFAULT_INDEX="$$index"}; \
	$(BIN)/uv pip install --quiet --require-hashes --constraints requirements.lock -r pyproject.toml

.PHONY: demo test install bench lock clean

demo: install
	$(BIN)/kedro run
	@$(BIN)/python -m veneer.demo

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadfile

install: $(VENV)/installed

# uv installs what the lock names, with its hashes, in a fraction of pip's time; pip brings uv, and
# uv is told of the registry that pip is configured for.
$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "veneer needs Python 3.11 or later; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' requirements.lock > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	$(UV_INSTALL) $(EXTRAS)
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

bench: install
	$(UV_INSTALL) $(EXTRAS) --extra bench
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

# Pin everything that pyproject.toml asks for, for all platforms and extras.
lock:
	$(BIN)/uv pip compile pyproject.toml --universal --all-extras --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  --upgrade --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV)
