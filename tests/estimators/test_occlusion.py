"""Which words of a text matter: the prediction with them and without."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

import lamina
from lamina.errors import DataError

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
    with pytest.raises(DataError, match=rf"'{column}' is not a text column; .* text columns are \['title'\]"):
        model.word_values(FRAME[:2], column)
