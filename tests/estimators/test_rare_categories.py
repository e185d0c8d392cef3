"""Embeddings of rare categories, and of unknown ones, stay small; exact in files, processes and warm starts."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import lamina
from lamina.estimators import _initialize
from lamina.estimators.data import Data, decays_of_categories, rare_columns

N = 600
RNG = np.random.default_rng(0)
COUNTS = [300, 120, 60, 40, 30, 20, 12, 8, 4, 2, 2, 1, 1]
NAMES = np.repeat([f"name {i:02}" for i in range(len(COUNTS))], COUNTS)
FRAME = pd.DataFrame({"x": RNG.normal(size=N), "name": NAMES})
Y = FRAME["x"] + RNG.normal(size=N)
QUICK = {"preset": "fast", "number_embedding": False, "random_state": 0}


@pytest.fixture(scope="module")
def model():
    return lamina.MLPRegressor(**QUICK, early_stopping=False).fit(FRAME, Y)


def test_decays_are_one_and_the_squared_share_of_ten_rows():
    codes = np.repeat(np.arange(1, 14), COUNTS).reshape(-1, 1).astype(np.int32)
    data = Data(np.zeros((N, 1), np.float32), codes, np.zeros(N, np.float32))
    expected = [101, 1, 1, *(1 + (10 / count) ** 2 for count in COUNTS[2:])]
    np.testing.assert_allclose(decays_of_categories(data, 0, 14), expected)
    some = dataclasses.replace(data, rows=np.arange(300, dtype=np.int32))
    np.testing.assert_allclose(decays_of_categories(some, 0, 14), [101, 1] + [101] * 12)
    assert rare_columns(data, (14,)) == {0} and rare_columns(some, (2,)) == set()


@pytest.mark.slow
def test_rare_and_unknown_categories_stay_smaller(model, monkeypatch):
    monkeypatch.setattr(_initialize, "rare_columns", lambda data, cardinalities: set())
    plain = lamina.MLPRegressor(**QUICK, early_stopping=False).fit(FRAME, Y)
    ours, theirs = (
        np.mean(
            [np.linalg.norm(m["embedding0"].asnumpy(), axis=1) for m in one.fitted_.network.members], axis=0
        )
        for one in (model, plain)
    )
    counts = np.array([0, *COUNTS])
    assert ours[0] < 0.5 * theirs[0]
    assert ours[(counts > 0) & (counts <= 2)].mean() < 0.9 * theirs[(counts > 0) & (counts <= 2)].mean()


@pytest.mark.slow
def test_a_table_without_rare_categories_has_none_of_it():
    frame = pd.DataFrame({"name": np.repeat([*"abcdefghij"], 120)})
    model = lamina.MLPRegressor(**QUICK, early_stopping=False, max_iter=1).fit(frame, np.arange(1200.0))
    assert model.fitted_.network.architecture.rare == ()
    assert not any("rarity" in name for name in model.fitted_.network.state())


@pytest.mark.slow
def test_files_and_other_processes_have_the_same_bits(model, tmp_path):
    lamina.save(model, tmp_path / "model.safetensors")
    loaded = lamina.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(FRAME), model.predict(FRAME))
    assert loaded.fitted_.network.architecture == model.fitted_.network.architecture
    apart = lamina.MLPRegressor(**QUICK, early_stopping=False, n_jobs=2).fit(FRAME, Y)
    np.testing.assert_array_equal(apart.predict(FRAME), model.predict(FRAME))


def test_a_training_in_parts_counts_no_rows():
    model = lamina.MLPRegressor(**QUICK).partial_fit(FRAME, Y)
    assert model.fitted_.network.architecture.rare == ()


@pytest.mark.slow
def test_shards_decay_alike():
    whole, cut = (
        lamina.MLPRegressor(**QUICK, early_stopping=False, max_iter=2, members=1, dropout=0.0, shards=shards)
        for shards in (1, 2)
    )
    embeddings = [m.fit(FRAME, Y).fitted_.network.members[0]["embedding0"].asnumpy() for m in (whole, cut)]
    np.testing.assert_allclose(*embeddings, atol=1e-4)
