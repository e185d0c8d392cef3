# lowest.sh UV PYTHON: the lowest versions that pyproject.toml allows of what lamina imports; each extra is touched
set -eu
"$1" venv --quiet --clear --python "$2" .venv-lowest
"$1" pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct -e '.[test]'
.venv-lowest/bin/python -m pytest -n 2 --dist worksteal -m "not slow" \
  tests/nd/test_interop.py tests/nd/test_semantics.py tests/compiler/test_equal.py tests/compiler/llvm tests/files tests/datasets \
  tests/neural_network tests/estimators/test_estimators.py tests/estimators/test_persistence.py \
  tests/table tests/cli/test_tables.py tests/export/test_onnx_tables.py tests/interchange/test_operators.py \
  tests/runs/test_report.py tests/serve/test_predictions.py tests/serve/test_refusals.py
