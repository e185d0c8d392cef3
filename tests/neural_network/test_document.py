"""docs/from-scikit-learn.md: its table names all that is public, and tests that exist."""

import re
from pathlib import Path

import numpy as np
import pytest
import sklearn
import sklearn.neural_network as theirs

import lamina
from lamina.neural_network import MLPClassifier, MLPRegressor

DOCUMENT = (Path(__file__).parents[2] / "docs" / "from-scikit-learn.md").read_text()
ROWS = re.findall(r"^\| (same|different|missing) \| (.*) \| (.*) \|$", DOCUMENT, re.MULTILINE)
VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
X = np.random.default_rng(0).normal(size=(60, 3))
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_all_public_names_are_in_the_table():
    pandas = pytest.importorskip("pandas")
    names: set[str] = set()
    for kind in (theirs.MLPClassifier, theirs.MLPRegressor):
        model = kind(max_iter=2, early_stopping=True).fit(
            pandas.DataFrame(X, columns=list("abc")), X[:, 0] > 0
        )
        names |= set(model.get_params()) | {
            name for name in (*dir(kind), *vars(model)) if not name.startswith("_")
        }
    listed = {name for kind, what, _ in ROWS if kind == "same" for name in re.findall(r"`(\w+)`", what)}
    assert names <= listed
    later = set(re.findall(r"`(\w+)` \(1\.7 and later\)", DOCUMENT)) if VERSION < (1, 7) else set()
    assert listed - names <= {"lbfgs"} | later


def test_the_tests_that_the_table_names_exist():
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    known = set(re.findall(r"def (test_\w+)", source)) | {
        path.stem for path in Path(__file__).parent.glob("*.py")
    }
    assert len(ROWS) > 10
    for _, _, tests in ROWS:
        assert set(re.findall(r"`(\w+)`", tests)) <= known and "test_" in tests


def test_what_is_missing():
    missing = {name for name in theirs.__all__ if not hasattr(lamina.neural_network, name)}
    assert missing == {
        name for kind, what, _ in ROWS if kind == "missing" for name in re.findall(r"`(\w+)`", what)
    }


@pytest.mark.usefixtures("compiled")
def test_the_same_bits_each_time():
    y, threads, found = X[:, 0] * X[:, 1], lamina.get_num_threads(), []
    try:
        for count in (1, 2, 1):
            lamina.set_num_threads(count)
            model = MLPRegressor(hidden_layer_sizes=(200, 100), max_iter=3, random_state=0).fit(X, y)
            found.append(model.coefs_[1])
    finally:
        lamina.set_num_threads(threads)
    assert all(np.array_equal(found[0], other) for other in found)


def test_a_trained_network_becomes_one_of_laminas_own():
    model = MLPClassifier((5,), solver="lbfgs", random_state=0).fit(X, X[:, 0] > 0)
    np.testing.assert_allclose(lamina.from_sklearn(model).predict_proba(X), model.predict_proba(X), atol=1e-5)


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL):
        exec(block, space)
