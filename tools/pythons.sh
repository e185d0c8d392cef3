# pythons.sh BIN VERSION...: what may differ between versions of Python is tested on each that this machine has, beside BIN's
set -eu
bin=$1
shift

# The interpreter of a version: on PATH (where pyenv may have a shim that refuses to run), pyenv's, or uv's
python_of() {
  for python in "python$1" "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$1".*/bin/python \
    "$("$bin/uv" python find --system --no-python-downloads "$1" 2>/dev/null)"; do
    if "$python" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
      "$python" -c 'import sys; print(sys.executable)'
      return
    fi
  done
}

# Bytecode and frames (deferral, compiled functions), reference counts (core), tracebacks, signatures and annotations
# (what errors suggest, Gluon), start methods and pickles (training, data loaders), typing (files, settings); doctests
TESTS="tests/core tests/deferral tests/compiler/front tests/test_tracebacks.py tests/test_messages.py tests/test_habits.py
  tests/test_suggestions.py tests/test_readme.py tests/training tests/gluon tests/nd/test_semantics.py
  tests/neural_network tests/estimators/test_estimators.py tests/cli/test_one_folder.py src"

for version; do
  python=$(python_of "$version")
  if [ -z "$python" ]; then
    echo "NOT TESTED: Python $version, which this machine has not"
    continue
  fi
  if "$bin/python" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')"; then
    continue # the version that all tests run on
  fi
  "$bin/uv" venv --quiet --clear --python "$python" ".venv-$version"
  "$bin/uv" pip install --quiet --python ".venv-$version/bin/python" -e '.[test,dask]'
  echo "Python $version: $(".venv-$version/bin/python" -VV)"
  # shellcheck disable=SC2086  # words are paths
  ".venv-$version/bin/python" -m pytest -n 2 --dist worksteal -m "not slow" $TESTS
done
