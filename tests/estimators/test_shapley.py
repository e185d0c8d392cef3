"""SHAP values: they sum to the prediction, and are those of all coalitions, which are enumerated here once more."""

import itertools
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array

from lamina import MLPClassifier, MLPRegressor
from lamina.estimators import ShapDisplay
from lamina.estimators.importance import Explanation

QUICK = {"preset": "fast", "hidden_layer_sizes": 8, "members": 1, "max_iter": 2, "random_state": 0}
TOWNS = [f"town {i}" for i in range(12)]  # more categories than are encoded one by one: embedded


def table(rows=60, seed=0):
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 10, rows)
    age[::7] = np.nan
    return pd.DataFrame(
        {
            "age": age,
            "color": rng.choice(["red", "green", "blue"], rows),
            "constant": 1.0,
            "town": rng.choice(TOWNS, rows),
            "member": rng.random(rows) < 0.5,
        }
    )


@pytest.fixture(scope="module")
def model():
    frame = table(300)
    y = np.nan_to_num(frame["age"], nan=60) / 10 + (frame["color"] == "red") * frame["member"]
    with pytest.warns(UserWarning, match="left out 1 column"):
        return MLPRegressor(**QUICK | {"max_iter": 10, "linear_path": False}).fit(frame, y)


def test_warnings_name_rows_of_the_background():
    frame = pd.DataFrame({"day": [f"2024-05-{i % 28 + 1:02}" for i in range(60)], "x": np.arange(60.0)})
    model = MLPRegressor(**QUICK).fit(frame, frame["x"])
    others = frame.assign(day=["Total", *frame["day"][1:]])
    with pytest.warns(UserWarning, match=r"'Total' in row 0 of the background \(counting from 0\)"):
        model.shap_values(frame[:3], others)


def by_enumeration(predict, row, background):
    """The Shapley values of a row (a frame of one), by their definition over all orders of the columns."""
    names, total = list(row.columns), np.zeros(row.shape[1])

    def worth(columns):
        mixed = background.copy()
        for name in columns:
            mixed[name] = row[name].iloc[0]
        return predict(mixed.astype(background.dtypes)).mean()

    known = {frozenset(s): worth(s) for k in range(len(names) + 1) for s in itertools.combinations(names, k)}
    for order in itertools.permutations(range(len(names))):
        before = frozenset()
        for j in order:
            after = before | {names[j]}
            total[j] += known[after] - known[before]
            before = after
    return total / math.factorial(len(names))


@pytest.mark.slow
def test_exact_values_are_those_of_all_orders(model):
    frame, background = table(5, 1), table(10, 2)
    found = model.shap_values(frame, background, method="exact")
    for i in (0, 1):  # with a missing age, and without
        expected = by_enumeration(model.predict, frame[i : i + 1], background)
        np.testing.assert_allclose(found.values[i], expected, atol=1e-7)
    assert not found.values[:, 2].any() and found.values[:, [0, 1, 3, 4]].any(axis=0).all()


@pytest.mark.parametrize("method", ["exact", "sampled"])
def test_values_sum_to_the_prediction(model, method):
    frame, background = table(9, 1), table(150, 2)
    found = model.shap_values(frame, background, method=method)
    np.testing.assert_array_equal(found.predictions, model.predict(frame))
    np.testing.assert_allclose(found.base_values + found.values.sum(axis=1), found.predictions, atol=1e-12)
    assert found.feature_names == tuple(frame.columns) and found.data.shape == frame.shape
    again = model.shap_values(frame, background, method=method)
    np.testing.assert_array_equal(found.values, again.values)


@pytest.mark.slow
def test_sampled_values_come_near_the_exact_ones():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    model = MLPRegressor(**QUICK | {"max_iter": 20}).fit(X, X[:, 0] * X[:, 1] + np.sin(X[:, 2]) * X[:, 3])
    exact = model.shap_values(X[:10], X[:50], method="exact").values
    errors = [
        np.abs(model.shap_values(X[:10], X[:50], method="sampled", repeats=repeats).values - exact).mean()
        for repeats in (1, 20)
    ]
    assert errors[1] < errors[0] / 2 < np.abs(exact).mean() / 10


def test_every_output_has_values():
    X = np.random.default_rng(0).normal(size=(100, 3))
    model = MLPClassifier(**QUICK).fit(X, np.array(["a", "b", "c"])[np.argmax(X, axis=1)])
    found = model.shap_values(X[:4])  # compared with rows that fit held out
    assert found.values.shape == (4, 3, 3) and found.output_names == ("a", "b", "c")
    sums = found.base_values + found.values.sum(axis=1)
    np.testing.assert_allclose(sums, model.predict_proba(X[:4]), atol=1e-12)
    np.testing.assert_array_equal(found.of_output("b").values, found.of_output(1).values)
    several = MLPRegressor(**QUICK).fit(X, X[:, :2]).shap_values(X[:4])
    assert several.output_names == ("target 0", "target 1") and several.base_values.shape == (2,)
    with pytest.raises(ValueError, match=r"'d' is not among the outputs \['a', 'b', 'c'\]"):
        found.of_output("d")


@pytest.mark.slow
def test_sparse_tables_and_a_single_column():
    X = np.random.default_rng(0).normal(size=(100, 3))
    model = MLPRegressor(**QUICK).fit(X, X[:, 0])
    dense = model.shap_values(X[:3], X[:20])
    np.testing.assert_array_equal(model.shap_values(csr_array(X[:3]), csr_array(X[:20])).values, dense.values)
    one = MLPRegressor(**QUICK).fit(X[:, :1], X[:, 0])
    for method in ("exact", "sampled"):
        found = one.shap_values(X[:3, :1], X[:20, :1], method=method)
        np.testing.assert_allclose(found.values[:, 0], found.predictions - found.base_values, atol=1e-12)


def test_what_cannot_be_explained(model):
    with pytest.raises(ValueError, match="background has no rows"):
        model.shap_values(table(5), table(5)[:0])
    with pytest.raises(ValueError, match="X has no rows to explain"):
        model.shap_values(table(5)[:0], table(5))
    X = np.random.default_rng(0).normal(size=(40, 17))
    model = MLPRegressor(**QUICK, early_stopping=False).fit(X, X[:, 0])
    with pytest.raises(
        ValueError, match=r"rows that were not used in training: shap_values\(X, background\)"
    ):
        model.shap_values(X[:2])
    with pytest.raises(ValueError, match="2 to the power of 17, and is possible for at most 16 columns"):
        model.shap_values(X[:2], X, method="exact")
    with pytest.raises(ValueError, match="not 'exakt'"):
        model.shap_values(X[:2], X, method="exakt")
    with pytest.raises(ValueError, match="repeats must be a whole number"):
        model.shap_values(X[:2], X, repeats=0)


@pytest.mark.pictures
def test_the_picture_has_a_point_for_each_row(model):
    display = model.plot_shap(pl.from_pandas(table(30, 1)))
    assert isinstance(display, ShapDisplay)
    shown = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert sorted(shown) == sorted(table().columns)
    order = np.argsort(-display.explanation.mean_absolute(), kind="stable")
    assert shown == [display.explanation.feature_names[j] for j in order]
    for points, j in zip(display.points_, order, strict=True):
        np.testing.assert_allclose(points.get_offsets()[:, 0], display.explanation.values[:, j])
    said = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert said == ["low value", "high value", "no number"]
    assert display.ax_.get_xlabel().endswith("contribution to the prediction")
    plt.close(display.figure_)


@pytest.mark.pictures
@pytest.mark.parametrize(("output", "name"), [(None, "b$_2$"), ("a", "a"), (0, "a")])
def test_the_picture_says_which_class_is_explained(output, name):
    X = np.random.default_rng(0).normal(size=(60, 2))
    model = MLPClassifier(**QUICK).fit(X, np.where(X[:, 0] > 0, "b$_2$", "a"))
    display = model.plot_shap(X[:5], X[:20], output=output)
    assert display.ax_.get_xlabel() == f"SHAP value: the column's contribution to the probability of {name}"
    assert len(display.ax_.get_legend().get_texts()) == 2  # all are numbers
    plt.close(display.figure_)


@pytest.mark.slow
@pytest.mark.pictures
@pytest.mark.filterwarnings("ignore:The set_")  # shap's, with a new Matplotlib
def test_shaps_pictures_take_it(model):
    shap = pytest.importorskip("shap")
    frame = table(5, 1)
    found = model.shap_values(frame, frame)
    theirs = found.to_shap()
    assert isinstance(found, Explanation) and isinstance(theirs, shap.Explanation)
    np.testing.assert_array_equal(
        theirs.base_values + theirs.values.sum(axis=1), found.base_values + found.values.sum(1)
    )
    axes = shap.plots.bar(theirs, show=False)
    assert {"age", "town"} <= {label.get_text().split(" = ")[-1] for label in axes.get_yticklabels()}
    plt.close("all")
