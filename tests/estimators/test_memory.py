"""What training allocates beside the table, which is never copied by rows."""

import tracemalloc
from functools import cache

import numpy as np
import polars as pl
import pytest
import scipy.sparse

from lamina import MLPClassifier, MLPRegressor

ROWS, COLUMNS = 120_000, 40
ENCODED = 4 * ROWS * COLUMNS
SMALL = {
    "members": 1,
    "hidden_layer_sizes": (4,),
    "batch_size": 6_000,
    "max_iter": 2,
    "linear_path": False,
    "random_state": 0,
}
rng = np.random.default_rng(0)
Y = rng.integers(3, size=ROWS)
TABLES = {
    "float32": lambda x: x,
    "bytes": lambda x: (255 * x).astype(np.uint8),
    "gaps": lambda x: np.where(x < 0.1, np.nan, x),
    "sparse": lambda x: scipy.sparse.csr_matrix(np.where(x < 0.1, x, 0)),
    "frame": lambda x: pl.DataFrame(dict(zip(map(str, range(COLUMNS)), x.T, strict=True))),
}


@cache
def numbers():
    """A table of float32, which only these tests need in memory."""
    return np.random.default_rng(0).random((ROWS, COLUMNS), np.float32)


def peak(fit, *data, **named):
    """The most that is allocated at one time while `fit` runs, in encoded sizes of the table.

    What compiling takes is no part of it: that does not grow with the rows. So `fit` has run before. Nor is the linear
    path, which looks at a few thousand rows (`test_a_linear_path_looks_at_few_rows`).
    """
    fit(*data, **named)
    tracemalloc.start()
    try:
        fit(*data, **named)
        return tracemalloc.get_traced_memory()[1] / ENCODED
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "table", [pytest.param(one, marks=() if one == "gaps" else pytest.mark.slow) for one in TABLES]
)
def test_training_takes_half_of_the_table_beside_its_encoding(table):
    model = MLPClassifier(**SMALL, number_embedding=False)
    columns = 2 * COLUMNS if table == "gaps" else COLUMNS  # each column gets another that says where
    assert (
        peak(model.fit, TABLES[table](numbers()), Y, sample_weight=rng.random(ROWS)) < 1.5 * columns / COLUMNS
    )


def test_a_linear_path_looks_at_few_rows():
    """Its memory is bounded, not a share of the table, here 19 MB."""
    with_path, without = (
        peak(MLPClassifier(**SMALL | {"linear_path": path}, number_embedding=False).fit, numbers(), Y)
        for path in (True, False)
    )
    assert (with_path - without) * ENCODED < 12 * 2**20


@pytest.mark.slow
def test_judging_many_classes_takes_no_second_table():
    many = {**SMALL, "batch_size": 1000, "number_embedding": False, "validation_fraction": 0.3}
    most = 2.0  # the outputs for the validation rows are 0.45
    assert peak(MLPClassifier(**many).fit, numbers(), rng.integers(60, size=ROWS)) < most


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_float32_is_its_own_encoding_where_nothing_is_to_be_done(early_stopping):
    X = numbers()
    model = MLPRegressor(**SMALL, preset="sklearn", early_stopping=early_stopping)
    assert peak(model.fit, X, X[:, 0]) < 0.5
    assert peak(model.partial_fit, X, X[:, 0]) < 0.5
    assert peak(model.predict, X) < 0.5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_table_that_must_not_be_written_is_not_copied_either(tmp_path):
    X = numbers()
    np.save(tmp_path / "table.npy", X)
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")  # as joblib's processes get it
    model = MLPRegressor(**SMALL, preset="sklearn")
    assert peak(model.fit, mapped, X[:, 0]) < 0.5
    np.testing.assert_array_equal(
        MLPRegressor(**SMALL, preset="sklearn").fit(X, X[:, 0]).predict(X), model.predict(X)
    )
