"""Presets: how long they train, and that their table in the documentation is theirs."""

import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import MLPClassifier, MLPRegressor
from lamina.estimators.presets import PRESETS, enough_epochs, enough_members, for_size
from lamina.estimators.settings import Settings

RNG = np.random.default_rng(0)
ROOT = Path(__file__).parents[2]


@given(
    st.sampled_from([("default", 32, 800), ("medium", 32, 800), ("fast", 6, 800), ("realmlp", 64, 500)]),
    st.integers(1, 10**7),
    st.integers(1, 1024),
)
def test_a_preset_trains_enough_steps_if_epochs_allow(preset, rows, batch):
    name, fewest, steps = preset
    fewest = 1 if rows <= 4000 else fewest
    epochs = enough_epochs(name, rows, batch)
    per_epoch = max(rows // batch, 1)
    assert fewest <= epochs <= 256
    assert epochs == 256 or epochs * per_epoch >= steps
    assert epochs == fewest or (epochs - 1) * per_epoch < steps


@pytest.mark.parametrize(
    ("preset", "small", "medium", "large", "wide"),
    [("default", 10, 5, 5, 5), ("medium", 5, 2, 2, 2), ("fast", 4, 2, 1, 2), ("realmlp", 5, 2, 2, 5)],
)
def test_small_tables_get_more_networks(preset, small, medium, large, wide):
    counts = [enough_members(preset, rows, 10) for rows in (2, 5000, 5001, 20_000, 20_001, 10**6)]
    assert counts == [small, small, medium, medium, large, large]
    assert [enough_members(preset, 100, columns) for columns in (500, 501)] == [small, wide]


def test_slower_presets_have_more_networks_of_the_same_kind():
    for rows, columns in itertools.product((100, 5001, 20_001), (10, 501)):
        fast, medium, default = (
            enough_members(name, rows, columns) for name in ("fast", "medium", "default")
        )
        assert fast <= medium < default
    for task in ("classification", "regression"):
        of_medium, of_default = (vars(Settings(name, task)) for name in ("medium", "default"))
        assert of_medium | {"preset": "default"} == of_default


@given(st.integers(1, 5000))
def test_fast_sees_the_rows_of_a_small_table_a_few_times(rows):
    chosen = for_size("fast", rows, 3, {})
    epochs, batch = chosen["max_iter"], chosen["batch_size"]
    fewest, largest = (20, 64) if rows <= 2000 else (32, 128)
    assert fewest <= epochs <= 256
    assert epochs in (fewest, 256) or epochs * rows >= 20_000 > (epochs - 1) * rows
    assert batch == largest or rows < 5 or 5 * batch <= rows < 5 * (batch + 1)


def test_only_fast_and_only_small_tables_are_seen_less():
    assert [for_size("fast", rows, 3, {}) == {} for rows in (0, 5000, 5001, 10**6)] == [
        False,
        False,
        True,
        True,
    ]
    assert not any(for_size(preset, 100, 3, {}) for preset in PRESETS if preset != "fast")


def test_larger_tables_have_less_dropout():
    for preset in ("default", "medium"):
        assert for_size(preset, 2000, 3, {}) == {}
        assert for_size(preset, 2001, 3, {}) == {"dropout": 0.05}
        assert for_size(preset, 2001, 3, {"dropout": 0.3}) == {}


@pytest.mark.slow
def test_what_is_given_counts_on_small_tables_too():
    chosen = for_size("fast", 1000, 3, {})
    for name in chosen:
        left = for_size("fast", 1000, 3, {name: 7})
        expected = {key: value for key, value in chosen.items() if key != name}
        if name == "batch_size":
            del expected["max_iter"]  # the steps of larger batches
        assert left == expected
    X = RNG.normal(size=(40, 33))
    model = MLPRegressor(preset="fast", number_embedding=True, members=2, max_iter=3, batch_size=9).fit(
        X, X[:, 0]
    )
    assert model.coefs_[0].shape[0] == 4 * 33
    assert len(model.fitted_.network.members) == 2 and model.n_iter_ == 3


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "most"), [("medium", 128), ("fast", 32)])
def test_smaller_presets_embed_few_numbers(preset, most):
    few, many = (
        MLPRegressor(preset=preset, max_iter=1, members=1).fit(
            np.ones((9, n)) * np.arange(9)[:, None], np.arange(9)
        )
        for n in (most, most + 1)
    )
    assert few.coefs_[0].shape[0] == 4 * most and many.coefs_[0].shape[0] == most + 1


@pytest.mark.slow
def test_constrained_numbers_are_embedded_however_many_they_are():
    X = RNG.normal(size=(40, 33))
    model = MLPRegressor(preset="fast", monotone={0: 1}, members=1, max_iter=1).fit(X, X[:, 0])
    assert model.coefs_[0].shape[0] == 4 * 33


@pytest.mark.slow
def test_fast_trains_on_a_small_table_as_it_says():
    X = RNG.normal(size=(300, 2))
    model = MLPClassifier(preset="fast", n_iter_no_change=np.inf, random_state=0).fit(X, X[:, 0] > 0)
    assert len(model.fitted_.network.members) == 4
    assert model.n_iter_ == -(-20_000 // 300)
    assert model.score(X, X[:, 0] > 0) > 0.95


def test_the_document_says_what_the_settings_are():
    spec = importlib.util.spec_from_file_location("settings_table", ROOT / "tools" / "settings_table.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    document = tool.DOCUMENT.read_text("utf-8")
    assert tool.table() in document, "run python tools/settings_table.py"
    assert tool.written(document) == document


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_retired_preset_names_what_took_its_place():
    for kind, model in (("MLPClassifier", MLPClassifier), ("MLPRegressor", MLPRegressor)):
        model = model(preset="sklearn", max_iter=1, hidden_layer_sizes=2)
        for train in (model.fit, model.partial_fit):
            with pytest.warns(FutureWarning, match=rf"retired; use lamina\.neural_network\.{kind}, ") as said:
                train([[0.0], [1.0]], [0, 1])
            assert said[0].filename == __file__


@pytest.mark.slow
def test_medium_stops_where_its_validation_score_no_longer_improves():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8))
    y = X[:, 0] + 3 * rng.normal(size=300)
    settings = {"preset": "medium", "hidden_layer_sizes": 32, "members": 2, "random_state": 0}
    of_noise, to_the_end = (
        MLPRegressor(**settings, n_iter_no_change=patience).fit(X, y) for patience in (None, np.inf)
    )
    assert of_noise.n_iter_ < 128 < to_the_end.n_iter_ == 256
    assert of_noise.validation_scores_ == to_the_end.validation_scores_[: of_noise.n_iter_]
    assert MLPRegressor(**settings).fit(X, np.sin(X[:, 0])).n_iter_ > 128
    unvalidated = MLPRegressor(**settings, max_iter=40, early_stopping=False).fit(X, y)
    assert unvalidated.n_iter_ == 40  # a training loss says nothing of the best epoch


@pytest.mark.slow
def test_medium_does_not_stop_where_the_rate_hinders_it():
    """A rough series without noise: scores rest while the rate is high, and rise when it falls."""
    X = np.linspace(0, 1, 400)[:, None]
    y = np.cumsum(np.random.default_rng(0).normal(size=400))
    settings = {"preset": "medium", "hidden_layer_sizes": 32, "members": 2, "random_state": 0}
    model, of_scores = (MLPRegressor(**settings, scoring=scoring).fit(X, y) for scoring in (None, "r2"))
    assert of_scores.n_iter_ < 192 < model.n_iter_ == 256
    assert 1 - model.score(X, y) < 0.9 * (1 - of_scores.score(X, y))


@pytest.mark.slow
def test_realmlp_stops_where_a_cycle_of_the_rate_brought_nothing():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 3))
    noise, rule = X[:, 0] + 2 * rng.normal(size=1000) > 0, X[:, 0] * X[:, 1] > 0
    settings = {
        "preset": "realmlp",
        "hidden_layer_sizes": 64,
        "members": 1,
        "max_iter": 30,
        "random_state": 0,
    }
    of_noise, to_the_end = (
        MLPClassifier(**settings, n_iter_no_change=patience).fit(X, noise) for patience in (None, np.inf)
    )
    assert of_noise.n_iter_ == 14  # the third of four cycles ends after 7/15
    assert to_the_end.n_iter_ == 30
    assert of_noise.validation_scores_ == to_the_end.validation_scores_[:14]
    assert MLPClassifier(**settings).fit(X, rule).n_iter_ == 30
    assert MLPClassifier(**settings, learning_rate="cosine").fit(X, noise).n_iter_ == 30  # has no cycles
