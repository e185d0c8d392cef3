# neighbours.sh BIN: estimators in the packages of others, which need an environment of their own, and the pages about them
set -eu
bin=$1
"$bin/uv" venv --quiet --clear --python "$bin/python" .venv-neighbours
"$bin/uv" pip install --quiet --python .venv-neighbours/bin/python -e '.[neighbours]'
"$bin/uv" pip install --quiet --python .venv-neighbours/bin/python --no-deps mlserver  # for its file of the protocol
.venv-neighbours/bin/python -m pytest tests/neighbours
# In a process of its own: programs of pages leave MLflow and Weights & Biases as they set them.
.venv-neighbours/bin/python -m pytest tests/docs/test_pages.py tests/docs/test_gallery.py -k "page_run or catboost"
