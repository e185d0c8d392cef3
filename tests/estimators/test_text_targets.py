"""Features of texts that predict the target, out of fold in training."""

import numpy as np
import polars as pl
import pytest
from any_texts import sentences
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_predict

import lamina
from lamina.estimators.targets import Classes, Numbers
from lamina.estimators.text_targets import with_text_targets
from lamina.table import ngram_targets
from lamina.table.columns import as_column
from lamina.table.kinds import infer
from lamina.table.marks import folds_of
from lamina.table.ngram_targets import FOLDS

N = 600
TEXTS = sentences(N, 1)
X = pl.DataFrame({"c": TEXTS, "x": np.linspace(0, 1, N)})
LENGTHS = np.array([float(text.count("a") - text.count("e")) for text in TEXTS])
PART = "c: target"


def taught(y, target=None, X=X, **given):
    target = target or Numbers.of(y)
    return with_text_targets(infer(X), X, target, target.encode(y), **given)[:2]


@pytest.fixture
def one_penalty(monkeypatch):
    monkeypatch.setattr(ngram_targets, "_PENALTIES", (3.0,))
    monkeypatch.setattr(ngram_targets, "_STEPS", 300)


@pytest.mark.usefixtures("one_penalty")
@pytest.mark.parametrize("weights", [None, np.linspace(0.1, 2, N)])
def test_values_are_ridge_regressions_of_other_folds(weights):
    schema, values = taught(LENGTHS, weights=weights)
    column = schema["c"]
    encoder, folds = column.type.encoder(column), folds_of(N, None, None)
    matrix = encoder.matrix(TEXTS)
    y = (LENGTHS - np.average(LENGTHS, weights=weights)) / np.sqrt(np.cov(LENGTHS, aweights=weights, ddof=0))
    ridge = Ridge(alpha=3.0, fit_intercept=False)
    said = cross_val_predict(ridge, matrix, y, cv=PredefinedSplit(folds), params={"sample_weight": weights})
    np.testing.assert_allclose(values[PART], said, atol=0.005)  # coefficients are stored in float16
    said = ridge.fit(matrix, y, sample_weight=weights).predict(matrix)
    np.testing.assert_allclose(encoder.encode(TEXTS)[:, -1], said, atol=0.005)


@pytest.mark.usefixtures("one_penalty")
def test_a_fold_s_values_do_not_depend_on_its_targets():
    folds, other = folds_of(N, None, None), LENGTHS.copy()
    other[folds == 2] = other[folds == 2][::-1]
    before, after = (taught(y)[1][PART] for y in (LENGTHS, other))
    np.testing.assert_array_equal(before[folds == 2], after[folds == 2])
    assert (before[folds == 1] != after[folds == 1]).any()


def test_texts_that_do_not_predict_the_target_have_few_features_and_all_categories():
    frame = X.with_columns(c=pl.Series([*TEXTS[:-60], *(["twice told"] * 30), *(["a tale"] * 30)]))
    schema, y = infer(frame), np.random.default_rng(0).normal(size=N)
    target = Numbers.of(y)
    found, values, _ = with_text_targets(schema, frame, target, target.encode(y))
    before, column = schema["c"], found["c"]
    assert column.type.targets == 0 and values == {}
    assert [part.name for part in column.parts] == ["c: text 1", "c: text 2", "c: value"]
    assert column.parts == (*before.parts[:2], before.parts[-1])
    some = column.type.encoder(column).encode(TEXTS[:5])
    np.testing.assert_array_equal(some, before.type.encoder(before).encode(TEXTS[:5])[:, :2])


def test_classes_have_a_feature_each_and_very_many_share_some():
    y = np.array(["low", "middle", "high"])[np.digitize(LENGTHS, np.quantile(LENGTHS, [0.2, 0.6]))]
    values = taught(y, Classes.of(y))[1]
    assert list(values) == ["c: target 1", "c: target 2", "c: target 3"]
    two = np.where(LENGTHS > 0, "yes", "no")
    assert list(taught(two, Classes.of(two))[1]) == [PART]
    many = np.argsort(np.argsort(LENGTHS, kind="stable")) // 15
    assert len(taught(many, Classes.of(many))[1]) == 24


def test_missing_texts_are_missing():
    schema, values = taught(LENGTHS, X=X.with_columns(c=pl.Series([None, *TEXTS[1:]])))
    assert np.isnan(values[PART]).tolist() == [True] + [False] * (N - 1)
    assert schema["c"].missing == 1


def test_folds_hold_groups_together_and_are_periods_of_time():
    groups = np.arange(N) % 23
    folds = folds_of(N, as_column(groups), None)
    assert all(len(set(folds[groups == group])) == 1 for group in range(23))
    assert len(set(folds)) == FOLDS
    time = np.random.default_rng(1).permutation(N)
    assert folds_of(N, None, as_column(time))[np.argsort(time)].tolist() == sorted(folds_of(N, None, None))


@pytest.mark.slow
def test_a_warm_start_keeps_the_features_and_computes_them_out_of_fold():
    model = lamina.MLPRegressor(preset="fast", max_iter=2, warm_start=True, random_state=0).fit(X, LENGTHS)
    encoder = model.fitted_.encoder
    again = with_text_targets(encoder.schema, X, model.fitted_.target, model.fitted_.target.encode(LENGTHS))
    assert again[0] is encoder.schema
    np.testing.assert_array_equal(again[1][PART], taught(LENGTHS)[1][PART])
    assert model.fit(X, LENGTHS).fitted_.encoder is encoder


@pytest.mark.slow
def test_words_that_decide_are_learned(tmp_path):
    new = pl.DataFrame({"c": sentences(N, 2), "x": np.linspace(0, 1, N)})
    wanted = np.array([float(text.count("a") - text.count("e")) for text in new["c"]])
    model = lamina.MLPRegressor(preset="fast", random_state=0).fit(X, LENGTHS)
    assert model.score(new, wanted) > 0.5
    lamina.save(model, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(
        lamina.load(tmp_path / "model.safetensors").predict(new), model.predict(new)
    )
    assert "6 numbers and 1 prediction of the target from its n-grams, and " in model.fitted_.encoder.schema[
        "c"
    ].type.treatment(model.fitted_.encoder.schema["c"])


@pytest.mark.filterwarnings("ignore:the optimizer reached max_iter")
def test_columns_may_have_the_names_of_parts():
    named = X.with_columns(pl.Series("c: target", np.arange(N) % 7), pl.Series("c: text 1", np.arange(N) % 5))
    schema, values = taught(LENGTHS, X=named)
    names = [part.name for part in schema["c"].parts]
    assert "c: target'" in names and "c: text 1'" in names and [*values] == ["c: target'"]
    assert len(set(schema.input_names)) == len(schema.input_names)
    settings = {"preset": "fast", "max_iter": 1, "members": 1, "hidden_layer_sizes": (4,), "random_state": 0}
    model = lamina.MLPRegressor(**settings).fit(named, LENGTHS)
    assert model.predict(named[:5]).shape == (5,)
