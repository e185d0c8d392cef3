"""Which words of a text matter: the prediction with them and without."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

import lamina
from lamina.errors import DataError
from lamina.estimators import importance
from lamina.estimators.importance import important_words

N = 300
WORDS = np.random.default_rng(0).choice(["red", "old", "big", "new", "car", "bike"], (N, 3))
FRAME = pl.DataFrame({"x": np.arange(N) % 7, "title": [" ".join(row) for row in WORDS]})
IS_RED = (WORDS == "red").any(axis=1)
SETTINGS = {
    "preset": "fast",
    "max_iter": 20,
    "random_state": 0,
    "number_embedding": False,
    "column_kinds": {"title": "text"},
}


@pytest.fixture(scope="module")
def model():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lamina.MLPClassifier(**SETTINGS).fit(FRAME, np.where(IS_RED, "yes", "no"))


@pytest.mark.slow
@pytest.mark.parametrize("library", [pl.DataFrame, pd.DataFrame])
def test_values_are_the_changes_of_predictions(model, library):
    rows = FRAME[:6]
    found = model.word_values(library(rows.to_dict(as_series=False)), "title")
    for i, values in enumerate(found):
        assert [*values] == [*dict.fromkeys(rows["title"][i].split())]
        for word, change in values.items():
            without = " ".join(one for one in rows["title"][i].split() if one != word)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                other = model.predict_proba(rows[i : i + 1].with_columns(title=pl.lit(without)))[0]
            expected = model.predict_proba(rows[i : i + 1])[0] - other
            np.testing.assert_allclose(change, expected, atol=1e-6)
            assert change.shape == (2,)


def test_the_word_that_decides_is_the_first(model):
    for values, is_red in zip(model.word_values(FRAME[:40], "title"), IS_RED[:40], strict=True):
        ranked = sorted(values, key=lambda word: -values[word][1])
        assert not is_red or ranked[0] == "red"


def test_a_word_is_left_out_however_it_is_written(model):
    frame = FRAME[:1].with_columns(title=pl.lit("Red, old (red) -- RED!"))
    (values,) = model.word_values(frame, "title")
    assert [*values] == ["red", "old", "--"]
    others = [
        model.predict_proba(frame.with_columns(title=pl.lit(text)))[0]
        for text in ("Red, old (red) -- RED!", "old --")
    ]
    np.testing.assert_allclose(values["red"], others[0] - others[1], atol=1e-6)


def test_texts_that_are_missing_or_empty_have_no_words(model):
    frame = FRAME[:2].with_columns(title=pl.Series([None, " "], dtype=pl.String))
    assert model.word_values(frame, "title") == [{}, {}]


@pytest.mark.parametrize("column", ["x", "titel"])
def test_other_columns_have_no_words(model, column):
    with pytest.raises(
        DataError, match=rf"'{column}' is not a text column of both .* text columns are \['title'\]"
    ):
        model.word_values(FRAME[:2], column)


def test_words_of_a_column_are_ranked_by_what_they_change_in_all(model):
    found = important_words(model.fitted_, FRAME)
    assert [*found] == ["title"]
    first, *others = found["title"]
    values = [row["red"][1] for row in model.word_values(FRAME, "title") if "red" in row]
    assert first.word == "red" and first.rows <= 200
    assert first.change == pytest.approx(np.mean(values), rel=0.2) and first.change > 0.1
    assert first.size >= abs(first.change)
    assert all(one.rows * one.size <= first.rows * first.size for one in others)


@pytest.mark.slow
def test_at_most_so_many_words_are_left_out(model, monkeypatch):
    counts = []
    real = importance.word_values
    monkeypatch.setattr(
        importance, "word_values", lambda *given: counts.append(len(given[1])) or real(*given)
    )
    long = pl.lit(" ".join(f"w{i}" for i in range(400)))
    important_words(model.fitted_, FRAME.with_columns(title=long))
    assert counts == [12]
