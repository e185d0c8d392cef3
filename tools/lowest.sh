# lowest.sh UV PYTHON: the lowest versions that pyproject.toml allows of what lamina imports
set -eu
"$1" venv --quiet --clear --python "$2" .venv-lowest
"$1" pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct -e '.[test]'
.venv-lowest/bin/python -m pytest -n 2 --dist worksteal -m "not slow" \
  tests/nd/test_interop.py tests/files/test_tensors.py tests/files/test_atomic.py tests/files/test_foreign.py \
  tests/interchange/test_operators.py tests/serve/test_refusals.py
