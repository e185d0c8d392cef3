"""Tables of every library, their columns by name, gaps, unseen values, and what cannot be a table or a target."""

import datetime
import warnings

import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score

import lamina
from lamina import MLPClassifier, MLPRegressor
from lamina.errors import DataError
from lamina.estimators.inputs import values_of
from lamina.table.check import check
from lamina.table.encode import SparseNumbers
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.split import RandomSplitter

SMALL = {
    "preset": "fast",
    "members": 2,
    "number_embedding": False,
    "hidden_layer_sizes": (8,),
    "max_iter": 2,
    "random_state": 0,
}
N = 120
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 2))
Y = np.where(X[:, 0] > 0, "up", "down")
FRAME = pl.DataFrame(
    {
        "a": X[:, 0],
        "gap": [None if i % 6 == 0 else float(x) for i, x in enumerate(X[:, 1])],
        "color": [("red", "blue", "green", None)[i % 4] for i in range(N)],
        "city": [f"city {i % 20}" for i in range(N)],
        "member": [i % 3 == 0 for i in range(N)],
    }
)
LIBRARIES = {
    "polars": lambda frame: frame,
    "pandas": pl.DataFrame.to_pandas,
    "pyarrow": pl.DataFrame.to_arrow,
}


@pytest.fixture(scope="module")
def model():
    return MLPClassifier(**SMALL).fit(FRAME, Y)


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_gives_the_same_model(model, library):
    convert = LIBRARIES[library]
    own = MLPClassifier(**SMALL).fit(convert(FRAME), Y)
    np.testing.assert_array_equal(own.predict_proba(convert(FRAME)), model.predict_proba(FRAME))
    np.testing.assert_array_equal(model.predict_proba(convert(FRAME[:1])), model.predict_proba(FRAME[:1]))
    assert list(own.feature_names_in_) == FRAME.columns
    assert own.predict_proba(convert(FRAME[:0])).shape == (0, 2)


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_are_checked_by_name(model, library):
    convert = LIBRARIES[library]
    with pytest.raises(ValueError, match=r"(?s)same order.*feature_names_in_"):
        model.predict(convert(FRAME[["city", "a", "gap", "color", "member"]]))
    with pytest.raises(ValueError, match=r"(?s)now missing.*- gap"):
        model.predict(convert(FRAME.drop("gap")))
    with pytest.raises(ValueError, match=r"(?s)unseen at fit time.*- more"):
        model.predict(convert(FRAME.with_columns(more=1)))


def test_unseen_categories_count_as_missing_with_one_warning(model):
    missing = FRAME.with_columns(color=pl.lit(None, pl.String))
    message = f"'color' has 2 values, in {N} rows, that training did not have; they count as missing: 'lilac', 'pink'"
    with pytest.warns(DataWarning, match=message) as caught:
        unseen = model.predict_proba(FRAME.with_columns(color=pl.Series(["pink", "lilac"] * (N // 2))))
    assert len(caught) == 1 and caught[0].filename == __file__
    np.testing.assert_array_equal(unseen, model.predict_proba(missing))
    other = FRAME.with_columns(color=pl.lit("pink"), city=pl.lit("Atlantis"))
    named = r"2 columns have values .*: '(color|city)' \('\w+' in row 0 .*\), '(color|city)' \("
    with pytest.warns(DataWarning, match=named) as caught:
        model.predict(other)
    assert len(caught) == 1


@pytest.mark.slow
def test_gaps_of_numbers_may_be_none_or_nan(model):
    other = FRAME.with_columns(gap=pl.col("gap").fill_null(float("nan")))
    np.testing.assert_array_equal(model.predict_proba(other), model.predict_proba(FRAME))
    gaps = np.where(rng.random(X.shape) < 0.2, np.nan, X)
    trained = MLPRegressor(**SMALL).fit(gaps, X[:, 0])
    # Where training had none, a missing number is taken for the median.
    whole = MLPRegressor(**SMALL).fit(X[:101], X[:101, 0])
    assert np.isfinite(trained.predict(gaps)).all()
    median = np.where([[True, False]], np.median(X[:101], axis=0), X[:5])
    held_out = MLPRegressor(**SMALL, early_stopping=False).fit(X[:101], X[:101, 0])
    expected = held_out.predict(median)
    np.testing.assert_allclose(
        held_out.predict(np.where([[True, False]], np.nan, X[:5])), expected, atol=1e-6
    )
    assert np.isfinite(whole.predict(np.full((1, 2), np.nan))).all()


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("kind", "preset"), [(scipy.sparse.csr_matrix, "fast"), (scipy.sparse.csc_array, "sklearn")]
)
def test_sparse_matrices_are_tables_with_zeros(kind, preset):
    dense = np.where(rng.random((N, 6)) < 0.7, 0, rng.normal(size=(N, 6)))
    settings = {**SMALL, "preset": preset, "early_stopping": True}
    expected = MLPRegressor(**settings).fit(dense, X[:, 0]).predict(dense)
    np.testing.assert_allclose(
        MLPRegressor(**settings).fit(kind(dense), X[:, 0]).predict(kind(dense)), expected
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "preset"), [(scipy.sparse.csr_matrix, "default"), (scipy.sparse.csc_array, "sklearn")]
)
def test_large_sparse_matrices_stay_sparse_to_the_same_bits(kind, preset, monkeypatch):
    from lamina.estimators import data
    from lamina.table import encode

    # A column of few zeros has another median than 0, one has no value, one is constant but for a number.
    dense = np.where(rng.random((N, 40)) < 0.05, rng.normal(size=(N, 40)), 0).astype(np.float32)
    dense[:, 0], dense[:, 1], dense[:, 2] = 5 + rng.random(N), 0, np.arange(N) == 3
    settings = {**SMALL, "preset": preset, "early_stopping": True, "batch_size": 32, "drop_last": False}
    weights = rng.random(N)
    whole = MLPClassifier(**settings).fit(kind(dense), X[:, 0] > 0, weights)
    monkeypatch.setattr(encode, "_STAYS_SPARSE", 0)
    monkeypatch.setattr(data, "_GROUP_BYTES", 2 * 32 * 40 * 4 + 1)  # two steps
    model = MLPClassifier(**settings).fit(kind(dense), X[:, 0] > 0, weights)
    assert isinstance(model.fitted_.encoder.transform(kind(dense)).numeric, SparseNumbers)
    assert model.loss_curve_ == whole.loss_curve_ and model.validation_scores_ == whole.validation_scores_
    np.testing.assert_array_equal(model.predict_proba(kind(dense)), whole.predict_proba(dense))


def test_a_sparse_matrix_with_gaps_or_an_infinite_value(monkeypatch):
    from lamina.table import encode

    monkeypatch.setattr(encode, "_STAYS_SPARSE", 0)
    table = scipy.sparse.csr_array(np.where(rng.random((N, 9)) < 0.1, rng.random((N, 9)), 0))
    model = MLPRegressor(**SMALL).fit(table, X[:, 0])
    gaps = table.copy()
    gaps.data[::3] = np.nan
    np.testing.assert_array_equal(model.predict(gaps), model.predict(gaps.toarray()))
    bad = table.copy()
    bad.data[-1] = np.inf
    row, column = (int(x[-1]) for x in bad.nonzero())
    with pytest.raises(ValueError, match=rf"'x{column}' has an infinite value, inf, in row {row} "):
        model.predict(bad)
    twice = scipy.sparse.csr_array((np.ones(2), np.zeros(2, int), [0, 2, *[2] * (N - 1)]), shape=(N, 9))
    np.testing.assert_array_equal(model.predict(twice), model.predict(twice.toarray()))
    assert twice.nnz == 2  # the user's is as it was


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, np.float16, np.float64, object])
def test_arrays_of_numbers_keep_their_values(dtype):
    own = np.random.default_rng(
        0
    )  # the same numbers whatever tests were before: training makes much of roundings
    numbers = (100 * own.random((N, 3))).astype(dtype)
    expected = (
        MLPRegressor(**SMALL).fit(numbers.astype(np.float32), X[:, 0]).predict(numbers.astype(np.float32))
    )
    model = MLPRegressor(**SMALL).fit(numbers, X[:, 0])
    np.testing.assert_allclose(model.predict(numbers), expected, rtol=1e-4, atol=1e-6)  # of numbers around 1


def test_times_in_seconds_keep_their_precision():
    seconds = 1_700_000_000 + np.arange(N).reshape(-1, 1)
    settings = {**SMALL, "max_iter": 60}
    expected = MLPRegressor(**settings).fit(np.arange(N).reshape(-1, 1), np.arange(N)).predict([[3], [100]])
    model = MLPRegressor(**settings).fit(seconds, np.arange(N))
    np.testing.assert_allclose(model.predict(seconds[[3, 100]]), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("as_text", [False, True])
def test_seconds_of_dates_keep_their_precision(as_text):
    times = pl.Series(
        [datetime.datetime(2023, 11, 14, 22, 13) + datetime.timedelta(seconds=i) for i in range(N)]
    )
    frame = pl.DataFrame({"at": times.cast(pl.String) if as_text else times})
    settings = {**SMALL, "max_iter": 60}
    expected = MLPRegressor(**settings).fit(np.arange(N).reshape(-1, 1), np.arange(N)).predict([[3], [100]])
    model = MLPRegressor(**settings).fit(frame, np.arange(N))
    np.testing.assert_allclose(model.predict(frame[[3, 100]]), expected, rtol=1e-5)


@pytest.mark.parametrize("make", [np.array, pl.Series, list, lambda days: [*map(str, days)]])
def test_a_regression_of_dates_is_an_error(make):
    days = [datetime.date(2020, 1, 1 + i % 20) for i in range(N)]
    with pytest.raises(ValueError, match=r"^y(: .*| has dates); a regression needs a numeric target"):
        MLPRegressor(**SMALL).fit(FRAME, make(days))
    with pytest.raises(ValueError, match=r"^y has dates; a regression needs a numeric target"):
        MLPRegressor(**SMALL).fit(FRAME, np.array(days, "M8[ns]"))


@pytest.mark.parametrize("make", [np.array, pl.Series, pd.Series, list])
def test_a_regression_of_durations_is_an_error(make):
    lasts = [datetime.timedelta(i) for i in range(N)]
    with pytest.raises(ValueError, match=r"^y(: .*| has durations); a regression needs a numeric target"):
        MLPRegressor(**SMALL).fit(FRAME, make(lasts))
    with pytest.raises(
        ValueError,
        match=r"^y has durations; a regression needs a numeric target, such as the duration in seconds",
    ):
        MLPRegressor(**SMALL).fit(FRAME, np.array(lasts, "m8[ns]"))


def test_an_array_of_dates_beside_numbers_is_told_of_data_frames():
    rows = np.array([[datetime.date(2011, 10, 2), 1.5]] * N, object)
    said = r"not 'datetime.date'; give a table with dates, times, dicts or records as a data frame"
    for other in ([{"a": 1.0}] * N, np.zeros(N, [("a", float), ("b", "U1")])):
        with pytest.raises(
            TypeError, match="give a table with dates, times, dicts or records as a data frame"
        ):
            MLPRegressor(**SMALL).fit(other, np.arange(N))
    with pytest.raises(TypeError, match=said):
        MLPRegressor(**SMALL).fit(rows, np.arange(N))
    fitted = MLPRegressor(**SMALL).fit(np.arange(2.0 * N).reshape(N, 2), np.arange(N))
    with pytest.raises(TypeError, match=said):
        fitted.predict(rows)


def test_kinds_of_columns_can_be_chosen():
    frame = FRAME.with_columns(
        zip=pl.Series([i % 12 for i in range(N)]), day=pl.Series([datetime.date(2020, 1, 1)] * N)
    )
    kinds = {"zip": "categorical", "day": "drop", "city": "drop"}
    model = MLPClassifier(**SMALL, column_kinds=kinds).fit(frame, Y)
    parts = model.fitted_.network.architecture
    assert (parts.numbers, parts.cardinalities) == (2, (13,))
    with pytest.raises(DataError, match=r"'zipp'.*Did you mean 'zip'"):
        MLPClassifier(**SMALL, column_kinds={"zipp": "categorical"}).fit(frame, Y)


@pytest.mark.slow
@pytest.mark.parametrize(
    "target", [Y, Y.tolist(), pl.Series(Y), pd.Series(Y), pa.array(Y), pd.Categorical(Y)]
)
def test_targets_of_every_library(model, target):
    own = MLPClassifier(**SMALL).fit(FRAME, target)
    assert list(own.classes_) == ["down", "up"]
    np.testing.assert_array_equal(own.predict_proba(FRAME), model.predict_proba(FRAME))


@pytest.mark.parametrize("index", ["levels", "repeated"])
def test_other_indices_need_no_warning(index):
    """Values of one index can't be looked up in the levels of another; repeated ones pair no rows."""
    rows = np.arange(len(X))
    indices = {
        "levels": (pd.MultiIndex.from_arrays([rows, rows]), rows),
        "repeated": (np.minimum(rows, 1), np.maximum(rows - rows[-2], 0)),
    }
    one, other = indices[index]
    table, target = pd.DataFrame(X, columns=["a", "b"]), pd.Series(X[:, 0])
    own = MLPRegressor(**SMALL).fit(table.set_axis(one), target.set_axis(other))
    np.testing.assert_array_equal(own.predict(table), MLPRegressor(**SMALL).fit(table, target).predict(table))


def test_an_index_in_another_order_is_told_and_rows_are_paired_by_position():
    table, target = pd.DataFrame(X, columns=["a", "b"]), pd.Series(X[:, 0])
    own = MLPRegressor(**SMALL).fit(table, target.set_axis(table.index + 1))  # another index: no warning
    with pytest.warns(DataWarning, match=r"the same index in another order.*give y\.loc\[X\.index\]"):
        other = MLPRegressor(**SMALL).fit(table, target.set_axis(table.index[::-1]))
    np.testing.assert_array_equal(own.predict(table), other.predict(table))


INF = np.array([[0.0, 1.0], [1.0, np.inf], [2.0, 0.0]])
BAD = {
    "no rows": (FRAME[:0], Y[:0], "no rows"),
    "one row": (FRAME[:1], Y[:1], "one class"),
    "one class": (FRAME, np.full(N, "up"), "one class is present: the target is 'up'"),
    "other lengths": (FRAME, Y[:-1], r"inconsistent numbers of samples: \[120, 119\]"),
    "a missing class": (FRAME, np.array(["a", None, *["b"] * (N - 2)], object), "target of row 1 is missing"),
    "an infinite value": (INF, ["a", "b", "a"], r"column 'x1' has an infinite value.*row 1"),
    "repeated names": (pd.DataFrame(X, columns=["a", "a"]), Y, "^column names are repeated: 'a'; give each"),
    "repeated names in Arrow": (
        pa.Table.from_arrays([pa.array(X[:, 0])] * 3, names=["a", "b", "a"]),
        Y,
        "^column names are repeated: 'a'; give",
    ),
    "a vector": (X[:, 0], Y, "Expected 2D array"),
    "text in an array": (np.array([["a", "b"]] * N), Y, "convert"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_learned_from_is_an_error(case):
    table, target, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**SMALL).fit(table, target)


@pytest.mark.parametrize(
    ("table", "target", "message"),
    [
        (FRAME[:0], [], "no rows"),
        (FRAME[:1], [1.0], "1 row"),
        (X[:1], [1.0], "1 row"),
        (FRAME, [*[1.0] * (N - 1), None], "target of row 119 is missing"),
        (X, [np.inf, *[1.0] * (N - 1)], "y contains infinity"),
    ],
)
def test_what_cannot_be_regressed_on_is_an_error(table, target, message):
    with pytest.raises(ValueError, match=message):
        MLPRegressor(**SMALL).fit(table, target)


@pytest.mark.parametrize(
    ("eval_set", "message"),
    [
        (FRAME, r"one pair \(X, y\).*DataFrame"),
        ((FRAME, Y[:3]), "inconsistent"),
        ((FRAME, np.full(N, "sideways")), "classes that training did not have: \\['sideways'\\]"),
        ((FRAME.drop("a"), Y), "(?s)now missing.*- a"),
    ],
)
def test_evaluation_sets_that_do_not_fit(eval_set, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**SMALL).fit(FRAME, Y, eval_set=eval_set)


@given(
    st.integers(10, 80), st.floats(0.05, 0.5), st.integers(2, 12), st.integers(1, 6), st.integers(0, 2**31)
)
def test_members_hold_out_different_rows_of_every_class(rows, share, members, kinds, seed):
    rng = np.random.default_rng(seed)
    classes, chosen = rng.integers(0, kinds, rows + 5), np.sort(rng.permutation(rows + 5)[:rows])
    splits = RandomSplitter(len(classes), classes)._folds(chosen, share, rng, members)
    assert len(splits) == members
    held = [validation for _, validation in splits]
    for training, validation in splits:
        np.testing.assert_array_equal(np.sort(np.concatenate([training, validation])), chosen)
    assert len(np.unique(np.concatenate(held))) == sum(map(len, held))
    for value, count in zip(*np.unique(classes[chosen], return_counts=True), strict=True):
        of_class = [int((classes[part] == value).sum()) for part in held]
        assert max(of_class) - min(of_class) <= 1
        assert max(of_class) < max(count, 2)
        assert count > 1 or max(of_class) == 0


@pytest.mark.parametrize("members", [1, 5])
def test_without_two_rows_of_a_class_nothing_is_held_out(members):
    model = MLPClassifier(**SMALL | {"members": members}).fit(np.arange(12.0).reshape(-1, 1), np.arange(12))
    assert model.validation_scores_ is None


def _line(rows=200):
    X = np.random.default_rng(0).normal(size=(rows, 2))
    return X, 3 * X[:, 0] + 1


@pytest.mark.few(1)
@pytest.mark.filterwarnings("ignore:the optimizer reached max_iter")
@pytest.mark.parametrize("preset", ["fast", "sklearn"])
@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e160, 1e200, 1e307])
def test_targets_of_any_size_are_learned_alike(preset, scale):
    X, y = _line()
    usual, extreme = (
        MLPRegressor(preset=preset, max_iter=5, hidden_layer_sizes=16, random_state=0)
        .fit(X, y * unit)
        .predict(X)
        / unit
        for unit in (1.0, scale)
    )
    np.testing.assert_allclose(extreme, usual, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_complex_targets_are_refused_for_frames_too(estimator):
    X, y = _line()
    for inputs in (X, pl.DataFrame(X)):
        with pytest.raises(ValueError, match="Complex data not supported"):
            estimator().fit(inputs, y + 1j)


@pytest.mark.parametrize("name", ["beta_1", "beta_2"])
def test_betas_of_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 0 and below 1, got 1.0"):
        MLPRegressor(**{name: 1.0}).fit(*_line())


def test_a_target_by_name_in_a_frame_in_memory_says_how_to_give_it():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [0.0, 1.0, 2.0]})
    with pytest.raises(ValueError, match=r"y='y' is a string.*fit\(X\.drop\(columns='y'\), X\['y'\]\)"):
        MLPRegressor(preset="fast").fit(frame, "y")


def _small(task=MLPClassifier, **settings):
    return task(**{**SMALL, "max_iter": 3, "learning_rate_init": 0.1, **settings})


def _separable():
    x = np.random.default_rng(0).normal(size=(120, 3))
    return x, (x[:, 0] > 0).astype(int)


@pytest.mark.few(1)
@pytest.mark.parametrize("factor", [1e-310, 1e-300, 1e-38, 1e38, 1e300])
def test_only_ratios_of_weights_count_at_any_scale(factor):
    x, y = _separable()
    weights = np.ldexp(1.0, 1 + y)
    wanted = _small().fit(x, y, sample_weight=weights).predict_proba(x)
    found = _small().fit(x, y, sample_weight=weights * factor).predict_proba(x)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_weights_that_are_all_zero():
    x, y = _separable()
    with pytest.raises(ValueError, match="at least one non-zero number"):
        _small().fit(x, y, sample_weight=np.zeros(len(y)))


@pytest.mark.slow
def test_what_is_masked_is_missing_in_fit_and_in_predict():
    x, y = _separable()
    mask = np.random.default_rng(1).random(x.shape) < 0.3
    masked, gaps = np.ma.array(x, mask=mask), np.where(mask, np.nan, x)
    model, same = _small().fit(masked, y), _small().fit(gaps, y)
    np.testing.assert_array_equal(model.predict_proba(masked), same.predict_proba(gaps))
    np.testing.assert_array_equal(model.predict_proba(x), same.predict_proba(x))
    whole = np.ma.array(np.rint(x * 4).astype(int), mask=mask)
    holes = np.where(mask, np.nan, np.rint(x * 4))
    np.testing.assert_array_equal(model.predict_proba(whole), model.predict_proba(holes))
    with pytest.raises(ValueError, match="NaN"):
        _small().fit(x, np.ma.array(y, mask=mask[:, 0]))


@pytest.mark.few(10)
@pytest.mark.parametrize("dtype", ["M8[D]", "M8[s]", "M8[ns]", "m8[h]"])
@pytest.mark.parametrize("given", ["array", "list", "series"])
def test_classes_of_dates_are_predicted_as_dates(dtype, given, tmp_path):
    x, y = _separable()
    classes = np.array([3, 500], "M8[D]" if dtype[0] == "M" else "m8[D]").astype(dtype)[y]
    target = {"array": classes, "list": list(classes), "series": pd.Series(classes)}[given]
    model = _small().fit(x, target)
    assert model.predict(x).dtype == model.classes_.dtype == np.asarray(target).dtype
    assert set(model.predict(x)) <= set(classes)
    assert np.mean(model.predict(x) == classes) > 0.8
    lamina.save(model, tmp_path / "model.lamina")
    np.testing.assert_array_equal(lamina.load(tmp_path / "model.lamina").predict(x), model.predict(x))
    lamina.export_onnx(model, tmp_path / "model.onnx")  # which has no dates: their texts
    [label, _] = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"X": x})
    assert label.tolist() == model.predict(x).astype(str).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0, 1e200, 1e-200, 1e307])
def test_r2_of_targets_of_any_size(factor):
    x, _ = _separable()
    for y, scale in ((x[:, 0], factor), (x[:, :2], factor), (x[:, :2], np.array([factor, 1.0]))):
        model = _small(MLPRegressor).fit(x, y * scale)
        wanted = r2_score(y, model.predict(x) / scale)
        assert model.score(x, y * scale) == pytest.approx(wanted, rel=1e-9)


def test_numbers_too_close_to_be_scaled_are_told():
    x, _ = _separable()
    table = pd.DataFrame({"tiny": x[:, 0] * 1e-310, "plain": x[:, 1], "small": x[:, 2] * 1e-300})
    for data, name in ((table, "tiny"), (table.to_numpy(), "x0")):
        with pytest.warns(DataWarning, match=f"column '{name}': .* too close together") as told:
            _small(MLPRegressor).fit(data, x[:, 1])
        assert len(told) == 1
    scaled, plain = (_small(MLPRegressor).fit(x * f, x[:, 0]).predict(x * f) for f in (1e-300, 1.0))
    np.testing.assert_allclose(scaled, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_training_warns_of_one_thing_once() -> None:
    frame = pd.DataFrame({"a": [*range(39), np.inf], "b": ["1.5", *map(str, range(38)), "x"]})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        lamina.MLPRegressor(preset="fast", max_iter=1, random_state=0).fit(frame, np.arange(40.0))
    said = [str(one.message) for one in told]
    assert len(said) == len(set(said)) and sum("infinite values" in one for one in said) == 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_few_rows_of_a_frame_are_encoded_as_they_are_among_many(model, library):
    """Values of few rows are looked up one by one, those of many by a query."""
    assert len(FRAME) > 100
    encode = model.fitted_.encode
    whole, parts = (
        encode(LIBRARIES[library](FRAME)),
        [*map(encode, map(LIBRARIES[library], FRAME.iter_slices(7)))],
    )
    np.testing.assert_array_equal(whole.numeric, np.concatenate([part.numeric for part in parts]))
    np.testing.assert_array_equal(whole.codes, np.concatenate([part.codes for part in parts]))


@pytest.mark.slow
def test_arrays_that_scikit_learn_would_leave_as_they_are_skip_its_check():
    x = np.arange(60.0).reshape(20, 3) % 7
    model = _small(MLPRegressor, linear_path=False).fit(x, x[:, 0])
    wanted = model.predict(x)
    # uint8 is encoded within 1 ulp of float64.
    np.testing.assert_allclose(model.predict(x.astype("u1")), wanted, rtol=2e-7)
    for same in (
        x.astype(">f8"),
        x.astype(np.longdouble),
        x.astype(object),
        np.asfortranarray(x),
        x.tolist(),
    ):
        np.testing.assert_array_equal(model.predict(same), wanted)
    for wrong, said in (
        (x[:0], "0 sample"),
        (x[:, :2], "2 features, but MLPRegressor is expecting 3"),
        (x[0], "Expected 2D array"),
        (x + 1j, "Complex data not supported"),
    ):
        with pytest.raises(ValueError, match=said):
            model.predict(wrong)
    named = _small(MLPRegressor).fit(pd.DataFrame(x, columns=list("abc")), x[:, 0])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        named.predict(x)


def test_calls_that_come_into_a_first_one_agree_with_it():
    """What encoding keeps of the training is computed by the first call, and a thread may come in between."""
    x, _ = _separable()
    encoder = _small(MLPRegressor).fit(x, x[:, 0]).fitted_.encoder
    wanted = encoder.transform(x).numeric

    class Centers:
        def __getitem__(self, places):
            encoder._center = centers  # only once
            found.append(encoder.transform(x).numeric)
            return centers[places]

    centers, found = encoder._center, []
    encoder.__dict__.pop("_rows", None)
    encoder._center = Centers()
    found += [encoder.transform(x).numeric, encoder.transform(x).numeric]
    assert len(found) == 3
    np.testing.assert_array_equal(found, [wanted] * 3)


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", [MLPRegressor, MLPClassifier])
def test_one_row_with_a_weight_goes_on_with_a_training(kind):
    x, y = _separable()
    target = y if kind is MLPClassifier else x[:, 0]
    one = np.eye(len(x))[3]
    with pytest.raises(ValueError, match="only row 3 has a weight above 0"):
        _small(kind).fit(x, target, sample_weight=one)
    model, other = (_small(kind).fit(x, target) for _ in range(2))
    model.partial_fit(x[:2], target[:2], sample_weight=[1.0, 0.0])
    other.partial_fit(x[:1], target[:1])
    np.testing.assert_array_equal(model.predict(x), other.predict(x))


@pytest.mark.parametrize(
    "names", [[2021, 2022, 2023], pd.MultiIndex.from_product([["sales"], ["a", "b", "c"]]), [0.5, None, "x"]]
)
def test_columns_are_found_by_names_that_are_no_texts(names):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)) * [1, 9, 90], columns=names)
    schema = infer(X)
    found = check(schema, X[[*X.columns[::-1]]])
    assert found.names == tuple(map(str, X.columns))
    np.testing.assert_array_equal(np.array([found.column(name).numbers() for name in found.names]).T, X)
    np.testing.assert_array_equal(check(schema, X.to_numpy()).column(found.names[2]).numbers(), X.iloc[:, 2])
    with pytest.raises(DataError, match="lacks 1 column"):
        check(schema, X[[*X.columns[:2]]])


@pytest.mark.parametrize("names", [[2021, 2022], [0, 1]])
def test_values_of_frames_under_numbers(names):
    X = pd.DataFrame([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], columns=names)
    assert values_of(X).tolist() == X.to_numpy().tolist()  # shap_values has them
