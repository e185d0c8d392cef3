"""Dask as a backend of joblib: the same bits as in one process."""

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import cross_val_predict

import lamina
from lamina import autograd, nd

rng = np.random.default_rng(0)
X = rng.normal(size=(240, 60)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
SMALL = {"preset": "fast", "hidden_layer_sizes": (32, 16), "max_iter": 2, "random_state": 0, "dropout": 0.3}


@pytest.mark.slow
def test_members_and_folds_have_the_bits_of_one_process(client):
    model = lamina.MLPClassifier(**SMALL, members=2)
    together = lamina.MLPClassifier(**SMALL, members=2).fit(X, Y)
    folds = cross_val_predict(lamina.MLPClassifier(**SMALL, members=1), X, Y, cv=2, method="predict_proba")
    with parallel_config("dask"):
        model.fit(X, Y)
        np.testing.assert_array_equal(
            cross_val_predict(lamina.MLPClassifier(**SMALL, members=1), X, Y, cv=2, method="predict_proba"),
            folds,
        )
    np.testing.assert_array_equal(model.predict_proba(X), together.predict_proba(X))
    assert model.loss_curve_ == together.loss_curve_


@pytest.mark.slow
def test_trials_of_a_search_have_the_bits_of_one_process(client):
    given = {
        "hidden_layer_sizes": (8,),
        "activation": "mish",
        "batch_size": 100,
        "members": 2,
        "random_state": 0,
    }
    alone = lamina.MLPClassifier(trials=3, **given).fit(X[:, :3], Y)
    heard = []
    with parallel_config("dask"):
        together = lamina.MLPClassifier(
            trials=3, callbacks=lambda _, epoch: heard.append(epoch.number), **given
        ).fit(X[:, :3], Y)
    np.testing.assert_array_equal(together.predict_proba(X[:, :3]), alone.predict_proba(X[:, :3]))
    assert len(heard) == sum(trial["epochs"] for trial in together.trials_)


@pytest.mark.slow
def test_workers_have_the_threads_that_dask_gives_them(client):
    assert set(client.run(lamina.get_num_threads).values()) == {1}


def test_compiled_closures_are_sent_and_train(client):
    w = nd.ones((3, 1))
    w.attach_grad()

    @lamina.compile
    def step(x):
        with autograd.record():
            loss = nd.sum(nd.dot(x, w) ** 2)
        loss.backward()
        w[:] = w - 0.01 * w.grad
        return loss

    def trained(x):
        x = nd.array(x)
        return [float(step(x).asscalar()) for _ in range(3)]

    parts = [X[:10, :3], X[10:20, :3]]
    with parallel_config("dask"):
        found = Parallel()(delayed(trained)(part) for part in parts)
    for part, losses in zip(parts, found, strict=True):
        w[:] = 1
        assert trained(part) == losses
