"""Compiled libraries of estimators say exactly what the estimators say, bit for bit."""

from __future__ import annotations

import threading

import numpy as np
import polars as pl
import pytest
import tables
from c_library import TableLibrary, needs_linker
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_multilabel_classification
from tables import QUANTILES, WORDS, deciding, mixture, new_table, rough_table, targets_of, training_table

import lamina
from lamina import nd
from lamina.errors import LaminaError
from lamina.export.library import export_library
from lamina.nd.activation import ACTIVATIONS

FRAME, NEW = training_table(), pl.concat([new_table(1000, seed) for seed in range(1, 11)])
CLASSES, VALUES = targets_of(FRAME)
QUICK = {"preset": "fast", "hidden_layer_sizes": (12, 8), "random_state": 0, "max_iter": 1}
pytestmark = [
    needs_linker,
    pytest.mark.filterwarnings("ignore:left out 1 column with the same value"),
    pytest.mark.filterwarnings("ignore:the optimizer reached max_iter"),
    pytest.mark.filterwarnings("ignore:.*values? that training did not have"),
    pytest.mark.filterwarnings("ignore:overflow encountered in cast"),
]


def classifier(**settings):
    return lamina.MLPClassifier(**QUICK | settings).fit(FRAME, CLASSES)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A classifier with everything in it, and its library."""
    model = classifier(preset="realmlp", hidden_layer_sizes=(32, 16))
    return model, TableLibrary(model, tmp_path_factory.mktemp("people") / "people.so")


@pytest.mark.slow
def test_ten_thousand_rows_have_the_same_bits(people):
    model, library = people
    probabilities, classes = library.predict(NEW)
    assert len(NEW) == 10_000
    np.testing.assert_array_equal(probabilities, model.predict_proba(NEW))
    np.testing.assert_array_equal(model.classes_[classes], model.predict(NEW))


@pytest.mark.slow
def test_any_number_of_rows_is_the_same(people):
    _, library = people
    rows = np.ascontiguousarray(library.rows(NEW[:50]))
    expected = library.call(rows)[1]
    for count in (0, 1, 2, 7, 8, 9, 17):
        np.testing.assert_array_equal(library.call(rows[:count])[1], expected[:count])


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"members": 3, "normalization": "layer", "ntk": False},
        {"normalization": "batch", "learned_activation": True, "activation": ("gelu", "mish")},
        {"number_embedding": False, "hidden_layer_sizes": ()},
    ],
)
def test_classifiers(settings, tmp_path):
    model = classifier(**settings)
    probabilities, classes = TableLibrary(model, tmp_path / "model.so").predict(NEW)
    np.testing.assert_array_equal(probabilities, model.predict_proba(NEW))
    np.testing.assert_array_equal(model.classes_[classes], model.predict(NEW))


@pytest.mark.few(1)
@pytest.mark.parametrize("position", [0, 1])
def test_a_threshold_decides_with_the_same_bits(position, tmp_path):
    model = deciding(position, NEW)
    probabilities, classes = TableLibrary(model, tmp_path / "model.so").predict(NEW)
    np.testing.assert_array_equal(probabilities, model.predict_proba(NEW))
    np.testing.assert_array_equal(model.classes_[classes], model.predict(NEW))
    said = f"It is {position} where its probability is at least {model.threshold_:.17g}, else {1 - position}."
    assert said in (tmp_path / "model.h").read_text()


@pytest.mark.slow
def test_a_rough_column(tmp_path):
    X, y = rough_table()
    frame = pl.DataFrame({"codes": X[:, 0], "x": X[:, 1]})
    model = lamina.MLPRegressor(**QUICK).fit(frame, y)
    assert model.fitted_.network.members[0].architecture.exact == (1, 0)
    library = TableLibrary(model, tmp_path / "model.so")
    for rows in (frame, frame.with_columns(pl.col("codes") + 0.5)):
        np.testing.assert_array_equal(library.predict(rows)[0], model.predict(rows)[:, None])


CONSTRAINED = {"monotone": {"height": 1, "income": -1}}


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"loss": "poisson"}, QUANTILES, CONSTRAINED])
def test_regressors(settings, tmp_path):
    model = lamina.MLPRegressor(**QUICK | settings).fit(FRAME, VALUES)
    values, _ = TableLibrary(model, tmp_path / "model.so").predict(NEW)
    np.testing.assert_array_equal(values, model.predict(NEW).reshape(len(NEW), -1))


@pytest.mark.slow
def test_quantiles_that_cross_are_put_in_order(tmp_path):
    model = lamina.MLPRegressor(**QUICK | QUANTILES).fit(FRAME, VALUES)
    outputs = model.fitted_.outputs(model.fitted_.encode(NEW))
    assert (np.diff(outputs, axis=1) < 0).any()
    values, _ = TableLibrary(model, tmp_path / "model.so").predict(NEW)
    assert (np.diff(values, axis=1) >= 0).all()


@pytest.mark.slow
def test_networks_of_different_architectures_with_shares_of_their_own(tmp_path):
    model = mixture(tables.classifier)
    probabilities, classes = TableLibrary(model, tmp_path / "model.so").predict(NEW)
    np.testing.assert_array_equal(probabilities, model.predict_proba(NEW))
    np.testing.assert_array_equal(model.classes_[classes], model.predict(NEW))


def test_constrained_quantiles_of_different_networks(tmp_path):
    model = tables.everything_at_once()
    values, _ = TableLibrary(model, tmp_path / "model.so").predict(NEW)
    np.testing.assert_array_equal(values, model.predict(NEW))


@pytest.mark.slow
def test_an_activation_that_lamina_does_not_have(tmp_path, monkeypatch):
    def hard_swish(x):
        return x * nd.clip(x + 3, 0, 6) / 6

    monkeypatch.setitem(ACTIVATIONS, "hard_swish", hard_swish)
    model = classifier(activation="hard_swish")
    probabilities, classes = TableLibrary(model, tmp_path / "model.so").predict(NEW)
    np.testing.assert_array_equal(probabilities, model.predict_proba(NEW))
    np.testing.assert_array_equal(model.classes_[classes], model.predict(NEW))


@pytest.mark.slow
def test_several_targets_and_several_labels(tmp_path):
    model = lamina.MLPRegressor(**QUICK).fit(FRAME, np.stack([VALUES, -VALUES], axis=1))
    values, _ = TableLibrary(model, tmp_path / "targets.so").predict(NEW)
    np.testing.assert_array_equal(values, model.predict(NEW))
    X, labels = make_multilabel_classification(200, 6, n_classes=4, random_state=0)
    model = lamina.MLPClassifier(**QUICK).fit(X, labels)
    probabilities, found = TableLibrary(model, tmp_path / "labels.so").predict(X, width=4)
    np.testing.assert_array_equal(probabilities, model.predict_proba(X))
    np.testing.assert_array_equal(found, model.predict(X))


@pytest.mark.slow
def test_whole_numbers_and_yes_and_no_as_categories(tmp_path):
    rng = np.random.default_rng(0)
    levels = pl.Series(rng.choice(["1", "2.5", "7"], 300)).cast(pl.Categorical)
    frame = pl.DataFrame(
        {"level": levels, "answer": rng.choice(["yes", "no"], 300), "x": rng.normal(size=300)}
    )
    model = lamina.MLPClassifier(**QUICK).fit(frame, rng.choice(["a", "b"], 300))
    library = TableLibrary(model, tmp_path / "model.so")
    np.testing.assert_array_equal(library.predict(frame)[0], model.predict_proba(frame))


@pytest.mark.slow
def test_a_table_without_numbers(tmp_path):
    frame, new = FRAME.select("town", "sex"), NEW.select("town", "sex")
    model = lamina.MLPClassifier(**QUICK).fit(frame, CLASSES)
    library = TableLibrary(model, tmp_path / "town.so")
    np.testing.assert_array_equal(library.predict(new)[0], model.predict_proba(new))


@pytest.mark.slow
def test_dates_are_days_and_times_seconds_as_the_header_says(tmp_path):
    days = 15249 + np.arange(100) * 0.37
    frame = pl.DataFrame({"day": days, "at": [i % 24 * 3600.0 for i in range(100)]})
    written = frame.select(
        pl.from_epoch((pl.col("day") * 86400).cast(pl.Int64)).alias("day"),
        pl.Series("at", [f"{i % 24}:00" for i in range(100)]),
    )
    model = lamina.MLPRegressor(**QUICK).fit(written, np.arange(100.0))
    library = TableLibrary(model, tmp_path / "dated.so")
    frame = frame.with_columns(written["at"])
    np.testing.assert_array_equal(library.predict(frame)[0][:, 0], model.predict(written))
    header = (tmp_path / "dated.h").read_text()
    assert "double day; /* a number (days since 1970-01-01), 15249 to" in header
    assert 'const char *at; /* a text as in training, such as "1' in header


def test_names_are_in_the_library(people):
    model, library = people
    names = [column.name for column in library.columns]
    assert library.names("column_names", len(names)) == names
    assert library.names("class_names", 3) == model.classes_.tolist()


# --- what may go wrong -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_cannot_be_predicted_has_the_number_of_its_column(people):
    _, library = people
    good = np.ascontiguousarray(library.rows(NEW[:20]))
    for column, value in ((0, np.inf), (1, -np.inf), (3, 0.5)):  # smokes is 0 or 1
        for row in (0, 3, 19):
            bad = good.copy()
            bad[row, column] = value
            assert library.call(bad)[0] == column + 1
    assert library.call(good)[0] == 0


@pytest.mark.slow
def test_numbers_beyond_float32_where_nothing_clips(tmp_path):
    X = np.random.default_rng(0).normal(size=(100, 3))
    model = lamina.MLPRegressor(**QUICK, preprocess=False).fit(X, X[:, 0])
    library = TableLibrary(model, tmp_path / "model.so")
    np.testing.assert_array_equal(library.predict(X)[0][:, 0], model.predict(X))
    for value, code in ((3e38, 0), (4e38, 2), (np.inf, 2)):
        X[5, 1] = value
        assert library.call(np.ascontiguousarray(X))[0] == code


def test_missing_pointers_are_refused_and_each_result_may_be_left_out(people):
    _, library = people
    rows = np.ascontiguousarray(library.rows(NEW[:9]))
    _, probabilities, classes = library.call(rows)
    only, also = np.zeros_like(probabilities), np.zeros_like(classes)
    assert library.function(None, 9, only.ctypes.data, None) == -1
    assert library.function(rows.ctypes.data, 9, None, None) == -1
    assert library.function(None, 0, None, None) == 0
    assert library.function(rows.ctypes.data, 9, only.ctypes.data, None) == 0
    assert library.function(rows.ctypes.data, 9, None, also.ctypes.data) == 0
    np.testing.assert_array_equal(only, probabilities)
    np.testing.assert_array_equal(also, classes)


def test_threads_do_not_disturb_each_other(people):
    _, library = people
    rows = np.ascontiguousarray(library.rows(NEW[:3000]))
    expected, found = library.call(rows)[1], [None] * 4

    def predict(i):
        found[i] = library.call(rows)[1]

    threads = [threading.Thread(target=predict, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        np.testing.assert_array_equal(one, expected)


NEAR_WORDS = st.builds(
    lambda word, cut, more: word[:cut] + more, st.sampled_from(WORDS), st.integers(0, 8), st.text(max_size=3)
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.text() | NEAR_WORDS)
def test_any_text_is_a_category_or_counts_as_missing(people, text):
    text = text.replace("\0", "").encode(errors="ignore").decode()
    _, library = people
    row = NEW[9:10].with_columns(town=pl.lit(text))
    known = NEW[9:10].with_columns(town=pl.lit(text if text in WORDS else None, pl.String))
    np.testing.assert_array_equal(library.predict(row)[0], library.predict(known)[0])


def test_what_cannot_be_exported_is_said(people, tmp_path):
    model, _ = people
    with pytest.raises(LaminaError, match=r"unknown target 'x86'. .*Known: host, x86-64-v2, x86-64-v3"):
        export_library(model, tmp_path / "model.so", target="x86")
    with pytest.raises(LaminaError, match=r"cannot begin with '2nd': .*choose another name"):
        export_library(model, tmp_path / "model.so", name="2nd")
    with pytest.raises(LaminaError, match=r"name a library NAME\.so"):
        export_library(model, tmp_path / "model.zip")
    rows = FRAME.with_columns(sex=pl.lit("a\0b")).with_row_index()
    rows = rows.with_columns(
        sex=pl.when(pl.col("index") % 2 == 0).then(pl.lit("a\0b")).otherwise(pl.lit("c"))
    )
    model = lamina.MLPClassifier(**QUICK).fit(rows.drop("index"), CLASSES)
    with pytest.raises(LaminaError, match="has a zero byte, which would end the text in C"):
        export_library(model, tmp_path / "model.so")
    assert list(tmp_path.iterdir()) == []
