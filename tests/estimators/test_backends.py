"""Work that joblib's backends share out: the same bits in threads, in processes and without them."""

import pickle
import threading

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_predict
from threadpoolctl import threadpool_limits

import lamina
from lamina import nd
from lamina.estimators.training import JoblibMembers
from lamina.training.loop import Observer

rng = np.random.default_rng(0)
X = rng.normal(size=(240, 60)).astype(np.float32)  # enough for products that a BLAS shares among threads
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
SMALL = {
    "preset": "fast",
    "hidden_layer_sizes": (32,),
    "number_embedding": False,
    "max_iter": 2,
    "random_state": 0,
    "dropout": 0.3,
}


@pytest.fixture(scope="module", autouse=True)
def _workers_end():
    yield
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))


def learned(model):
    return [model.predict_proba(X).tobytes(), model.loss_curve_, model.validation_scores_]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("backend", "more"),
    [("threading", {"normalization": "batch", "solver": "sgd", "drop_last": False}), ("loky", {})],
)
def test_members_that_are_trained_apart_have_the_bits_of_those_side_by_side(backend, more):
    given = {**SMALL, **more, "members": 3}
    together = lamina.MLPClassifier(**given).fit(X, Y)
    with parallel_config(backend):
        apart = lamina.MLPClassifier(**given, n_jobs=2).fit(X, Y)
    assert learned(apart) == learned(together)


def test_the_number_of_jobs_may_come_from_the_context():
    seen = []

    class Seen(Observer):
        def on_begin(self, loop):
            seen.append(any(isinstance(one, JoblibMembers) for one in loop.observers))

    given = {**SMALL, "max_iter": 1, "callbacks": Seen()}
    with parallel_config("threading", n_jobs=2):
        lamina.MLPClassifier(**given, members=2).fit(X, Y)
        lamina.MLPClassifier(**given, members=2, n_jobs=1).fit(X, Y)
        lamina.MLPClassifier(**given, members=1).fit(X, Y)
    lamina.MLPClassifier(**given, members=2).fit(X, Y)
    assert seen == [True, False, False, False]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_folds_trials_and_importances_have_the_same_bits_everywhere(backend):
    model = lamina.MLPClassifier(**SMALL, members=1)

    def everything():
        search = GridSearchCV(model, {"dropout": [0.0, 0.2]}, cv=2).fit(X, Y)
        folds = cross_val_predict(model, X, Y, cv=2, method="predict_proba") if backend == "loky" else X
        importance = permutation_importance(search.best_estimator_, X, Y, n_repeats=1, random_state=0)
        return (
            folds.tobytes(),
            search.cv_results_["mean_test_score"].tolist(),
            importance.importances.tolist(),
        )

    expected = everything()
    with parallel_config(backend, n_jobs=2):
        assert everything() == expected


def test_the_threads_of_a_blas_change_no_bit():
    with threadpool_limits(1):
        one = learned(lamina.MLPClassifier(**SMALL).fit(X, Y))
    assert learned(lamina.MLPClassifier(**SMALL).fit(X, Y)) == one


@pytest.mark.slow
def test_fits_at_once_in_threads_do_not_disturb_each_other_nor_the_users_stream():
    alone = learned(lamina.MLPClassifier(**SMALL).fit(X, Y))
    nd.random.seed(3)
    expected = nd.random.uniform(shape=4).asnumpy()
    found = []
    nd.random.seed(3)
    threads = [
        threading.Thread(target=lambda: found.append(learned(lamina.MLPClassifier(**SMALL).fit(X, Y))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [alone] * 3
    np.testing.assert_array_equal(nd.random.uniform(shape=4).asnumpy(), expected)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_goes_on_after_pickling_as_if_nothing_had_been(solver):
    def trained(between):
        model = lamina.MLPClassifier(**{**SMALL, "solver": solver}, members=2)
        for _ in range(3):
            model = between(model.partial_fit(X, Y, classes=[0, 1]))
        return model

    kept = trained(lambda model: model)
    for between in (through_pickle, lambda model: through_pickle(through_pickle(model))):
        moved = trained(between)
        assert learned(moved) == learned(kept)
        assert (moved.n_iter_, moved.t_) == (kept.n_iter_, kept.t_)


@pytest.mark.slow
def test_a_network_that_was_fitted_after_partial_fit_is_pickled_without_its_moments():
    model = lamina.MLPClassifier(**SMALL).partial_fit(X, Y, classes=[0, 1])
    moved = through_pickle(model).fit(X, Y)
    model.fit(X, Y)
    assert learned(through_pickle(moved).partial_fit(X, Y)) == learned(model.partial_fit(X, Y))
