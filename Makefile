# make test   sets up .venv and runs the tests
# make docs   sets up .venv and builds the documentation into site/
# make release   builds the wheel and tries it in a clean environment
# make demo   sets up .venv, makes a table with every modality, and learns from it
PYTHON ?= python3
TORCH ?= torch==2.13.0
BIN = .venv/bin
JOBS ?= 2

.PHONY: venv test lint docs demo release clean
venv: .venv/ready

# torch comes first and pinned: a newer one would bring gigabytes of GPU libraries that a processor has no use for.
# Of Resemblyzer its weights alone are used; what it depends on would have to be compiled.
.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt "$(TORCH)"
	$(BIN)/pip install -q -c constraints.txt -e ".[dev]"
	$(BIN)/pip install -q -c constraints.txt --no-deps Resemblyzer
	touch .venv/ready

lint: venv
	$(BIN)/ruff check src tests benchmarks examples

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS)

docs: venv
	$(BIN)/mkdocs build --strict

demo: venv
	PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/demo/run.sh demo

release:
	bash .ci/release

clean:
	rm -rf .venv demo site
