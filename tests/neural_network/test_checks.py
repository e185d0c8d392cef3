"""scikit-learn's checks of estimators, and its tools around them."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import sklearn.neural_network as theirs
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from lamina.neural_network import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
PAIRS = [(MLPClassifier, theirs.MLPClassifier), (MLPRegressor, theirs.MLPRegressor)]


COMPILED = (
    "check_estimators_overwrite_params",
    "check_estimators_fit_returns_self",
    "check_estimators_pickle",
)
"""Checks that train as users do; all of them pass so, too, but would compile hundreds of tiny networks."""


@pytest.mark.few(14)
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)])
def test_the_checks_of_scikit_learn(estimator, check, request):
    if any(name in request.node.name for name in COMPILED):
        request.getfixturevalue("compiled")
    check(estimator)


@pytest.mark.parametrize(("own", "their"), PAIRS)
def test_signatures_tags_and_routing_are_theirs(own, their):
    assert inspect.signature(own) == inspect.signature(their)
    assert own().get_params() == their().get_params() and repr(own(alpha=1)) == repr(their(alpha=1))
    for name in ("fit", "partial_fit", "predict", "score"):
        assert str(inspect.signature(getattr(own, name))) == str(inspect.signature(getattr(their, name)))
    assert own().__sklearn_tags__() == their().__sklearn_tags__()
    assert str(own().get_metadata_routing()) == str(their().get_metadata_routing())
    assert is_classifier(own()) == is_classifier(their()) != is_regressor(own())
    assert {name for name in dir(own) if not name.startswith("_")} == {
        name for name in dir(their) if not name.startswith("_")
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.usefixtures("compiled")
def test_tools_around_estimators_find_the_same():
    grid = {"mlp__alpha": [1e-4, 10.0], "mlp__hidden_layer_sizes": [(5,), (8,)]}
    found = []
    for module in (MLPClassifier, theirs.MLPClassifier):
        network = module((6,), max_iter=15, random_state=0, learning_rate_init=0.01)
        search = GridSearchCV(
            make_pipeline(StandardScaler(), clone(network)), grid_of(network, grid), cv=2
        ).fit(X, Y)
        many = BaggingClassifier(network, 2, random_state=0).fit(X, Y)
        found.append((search.cv_results_["mean_test_score"], many.predict_proba(X)))
    for ours, expected in zip(*found, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-9)


def grid_of(network, grid):
    return {
        name.replace("mlp__", f"{type(network).__name__.lower()}__"): values for name, values in grid.items()
    }


def test_without_scikit_learn_an_error_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None; import lamina.neural_network"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'lamina[sklearn]'" in done.stderr
