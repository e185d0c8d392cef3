# Two commands on a fresh machine with git, make and Python >= 3.11:
#   make train   trains the chapter's network on MNIST
#   make test    runs the tests: some minutes; ORDER=random shuffles them, ORDER=12345 repeats an order; COVERAGE=1 adds
#                the coverage to the table at the end, for half as much time again
#   make test-all  and the slow ones besides
#   make coverage  measures the lines and branches of src that the tests run; fails under 95 % of lines
#   make redundant  lists quick tests that take half a second and run no line or branch that others don't
#   make docs    builds the documentation's site into site/
#   make neighbours  tries estimators in skops, MLflow, TensorBoard, Weights & Biases and DiCE; the server with clients of KServe and Triton, and OpenTelemetry
#   make fuzz    tries many more random programs and damaged files than the tests do
#   make size    prints the size of the source beside the commit before; fails above a ceiling
#   make instructions  counts the instructions of ten workloads, likewise
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: train test test-slow test-all coverage redundant wheel docs fuzz modes devices processors check size instructions format clean pythons lowest neighbours sklearn-versions release-check release

train: $(VENV)/.user
	$(BIN)/lamina train mnist

# Three processes for two cores, since tests wait for processes that they start; SLOWEST=100 lists as many tests by time
WORKERS := -n 3 --dist worksteal
PYTEST := $(BIN)/python -m pytest $(WORKERS)

# ORDER: the seed of a random order of modules, and of the tests in each; `random` chooses a seed, and says it
ifneq ($(ORDER),)
  SEED_OF_ORDER := $(patsubst random,$(strip $(shell od -An -N4 -tu4 /dev/urandom)),$(ORDER))
  $(info tests in a random order, to be repeated by ORDER=$(SEED_OF_ORDER))
  PYTEST += --random-order --random-order-seed=$(SEED_OF_ORDER)
endif

ifneq ($(COVERAGE),)
test: coverage
else
test: $(VENV)/.dev
	$(PYTEST) -m "not slow"
endif

# What takes long and rarely finds what the others don't; in two processes, since these tests start more of their own
test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

test-all: test test-slow

# Lines and branches of src that the tests run, also in the processes that they start; COVERED="not untraced" measures the slow ones, too
COVERED ?= not slow and not untraced
coverage: $(VENV)/.dev
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(WORKERS) -m "$(COVERED)"
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python tools/coverage_table.py

# Quick tests that may as well be slow ones; this takes three times as long as `make test`
redundant: $(VENV)/.dev
	$(BIN)/python -m coverage erase
	LAMINA_CONTEXTS=1 $(BIN)/python -m coverage run -m pytest $(WORKERS) -m "$(COVERED)" --junitxml=.pytest_cache/times.xml
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python tools/redundant_tests.py .pytest_cache/times.xml

# What may differ between versions of Python, on those beside .venv's; the lowest versions of what lamina imports
pythons: $(VENV)/.dev
	sh tools/pythons.sh $(BIN) 3.11 3.12 3.13

lowest: $(VENV)/.dev
	sh tools/lowest.sh $(BIN)/uv $(BIN)/python

# What others make with estimators, in an environment with their packages (skops, MLflow, TensorBoard, Weights & Biases, DiCE, KServe, Triton, OpenTelemetry)
neighbours: $(VENV)/.dev
	sh tools/neighbours.sh $(BIN)

# Estimators with scikit-learn 1.6, 1.7, 1.8 and the newest, in an environment each
sklearn-versions: $(VENV)/.dev
	$(BIN)/python tools/sklearn_versions.py

wheel: | $(BIN)/python
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w dist .

# Wheel, sdist and SBOM in dist/, checked; the wheel in an empty environment trains on a table, and predicts
release-check: $(VENV)/.release
	sh tools/release_check.sh $(BIN)

# Version VERSION: set, dated in the changelog, committed and tagged
release:
	$(PYTHON) tools/release.py $(VERSION)

# Strictly: a broken link or an undescribed name ends it; then its search is tried
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	LAMINA_SITE=site $(BIN)/python -m pytest tests/docs/test_search.py

# As long as one likes: random programs from SEED on, compiled and eager; damaged files of each kind; killed processes;
# trainings that are interrupted between any two bytecodes
PROGRAMS ?= 20000
SEED ?= 0
FUZZ_RUNS ?= 100000
fuzz: $(VENV)/.dev
	LAMINA_FUZZ_PROGRAMS=$(PROGRAMS) LAMINA_FUZZ_SEED=$(SEED) FUZZ_RUNS=$(FUZZ_RUNS) $(BIN)/python -m pytest -s tests/fuzz tests/interchange/test_edges.py

# Generated code on the GPU that is there (DEVICE=opencl: on any device of OpenCL), which the tests emulate otherwise
DEVICE ?= cuda
devices: $(VENV)/.dev
	LAMINA_TEST_DEVICE=$(DEVICE) $(BIN)/python -m pytest tests/compiler/gpu

# What users write, in the other ways of evaluating it: each operator at once, and deferred without a compiler; and all
# random programs compiled, of which `make test` compiles a part
MODES := tests/nd tests/gluon tests/metric tests/optimizer tests/primitives tests/core tests/deferral tests/test_autograd.py \
  tests/symbol tests/interchange tests/training tests/examples tests/estimators/test_estimators.py tests/estimators/test_engine.py
modes: $(VENV)/.dev
	LAMINA_EAGER=1 $(PYTEST) $(MODES)
	LAMINA_COMPILE=0 $(PYTEST) $(MODES)
	LAMINA_FUZZ_COMPILED=2000 $(PYTEST) tests/deferral/test_equal_to_eager.py -k numbers_compiled

# The compiler's tests and random programs for lesser processors than this one, and in emulators of others
processors: $(VENV)/.dev
	$(BIN)/python tools/processors.py

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/pyright -p examples
	$(BIN)/mypy examples
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/words.py

# Lines of code by package, files, names, circles: beside the commit AGAINST, and under tools/ceilings.toml
AGAINST ?= HEAD~1
size: $(VENV)/.dev
	$(BIN)/python tools/size.py --check --against $(AGAINST)

# Needs valgrind
instructions: $(VENV)/.dev
	$(BIN)/python tools/instructions.py --check --against $(AGAINST)

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "lamina needs Python >= 3.11; $(PYTHON) is $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[sklearn,table,plot,onnx,serve]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.user

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,docs]'
	@touch $@ $(VENV)/.dev $(VENV)/.user

$(VENV)/.release: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[release]'
	@touch $@

clean:
	rm -rf site dist $(VENV) $(VENV)-3.* $(VENV)-lowest .pytest_cache .ruff_cache .hypothesis
