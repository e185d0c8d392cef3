"""The estimators keep scikit-learn's rules: its own checks, and its tools around them."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from lamina import MLPClassifier, MLPRegressor

REASON = "rows are drawn into mini-batches, so a row of weight 2 is not the same as two rows"
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": REASON,
    "check_sample_weight_equivalence_on_sparse_data": REASON,
}
SMALL = {"preset": "fast", "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
X, Y = load_iris(return_X_y=True)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        MLPClassifier(preset="fast", hidden_layer_sizes=(32,), random_state=0),
        MLPRegressor(preset="fast", hidden_layer_sizes=(32,), random_state=0),
    ],
    expected_failed_checks=lambda _estimator: EXPECTED,
)
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_partial_fit_goes_on_and_can_be_pickled():
    model = MLPClassifier(**SMALL)
    for _ in range(3):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    assert model.n_iter_ == 3
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert copy.partial_fit(X, Y).n_iter_ == 4


def test_partial_fit_after_fit_trains_the_new_network():
    model = MLPClassifier(**SMALL).partial_fit(X, Y).fit(X, Y)
    before = model.coefs_[0]
    model.partial_fit(X, Y)
    assert not np.array_equal(model.coefs_[0], before)


def test_grid_search_over_a_pipeline():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MLPClassifier(**SMALL)), {"mlpclassifier__dropout": [0.0, 0.1]}, cv=2
    )
    assert 0 <= search.fit(X, Y).best_score_ <= 1


def test_the_same_seed_gives_the_same_model():
    model = MLPClassifier(**SMALL).fit(X, Y)
    np.testing.assert_array_equal(clone(model).fit(X, Y).predict_proba(X), model.predict_proba(X))
