"""Pictures of fitted estimators, from Python: what they show is what was learned."""

import pickle
import sys

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import lamina
from lamina import MLPClassifier, MLPRegressor
from lamina.errors import DataError, MissingPackageError
from lamina.estimators import ImportanceDisplay, LearningCurveDisplay

mpl.use("Agg")
pytestmark = pytest.mark.pictures
rng = np.random.default_rng(0)
X = pl.DataFrame(
    {"strong": rng.normal(size=400), "noise": rng.normal(size=400), "word": rng.choice(list("ab"), 400)}
)
NUMBER = (3 * X["strong"] + (X["word"] == "a").cast(float)).to_numpy()
CLASS = np.where(NUMBER > 0, "high", "low")


@pytest.fixture(scope="module", params=["classes", "numbers"])
def fitted(request):
    plan = {
        "preset": "fast",
        "hidden_layer_sizes": (16,),
        "max_iter": 8,
        "random_state": 0,
        "early_stopping": True,
    }
    if request.param == "classes":
        return MLPClassifier(**plan, scoring="log_loss").fit(X, CLASS), CLASS, "log-loss"
    return MLPRegressor(**plan).fit(X, NUMBER), NUMBER, "RMSE"


@pytest.fixture(autouse=True)
def closed():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.mark.slow
def test_learning_curves(fitted):
    model, _, _ = fitted
    display = model.plot_learning_curve()
    assert isinstance(display, LearningCurveDisplay) and display.figure_ is display.ax_.figure
    training, validation = display.lines_
    np.testing.assert_array_equal(training.get_ydata(), model.loss_curve_)
    np.testing.assert_array_equal(validation.get_ydata(), -np.array(model.validation_scores_))
    assert display.kept == model.best_epoch_
    again = display.plot(ax=display.figure_.add_subplot())
    assert again is display


def test_a_score_that_is_no_loss_has_an_axis_of_its_own():
    model = MLPClassifier(
        preset="fast",
        hidden_layer_sizes=4,
        max_iter=3,
        random_state=0,
        scoring="accuracy",
        early_stopping=True,
    ).fit(X, CLASS)
    display = model.plot_learning_curve()
    assert [axes.get_ylabel() for axes in display.figure_.axes] == ["log-loss", "validation accuracy"]
    np.testing.assert_array_equal(display.lines_[-1].get_ydata(), model.validation_scores_)


@pytest.mark.slow
def test_importance_without_a_second_split(fitted):
    model, y, unit = fitted
    display = model.plot_importance()
    assert isinstance(display, ImportanceDisplay) and display.unit == unit
    assert display.importances[0].column == "strong" and len(display.bars_.patches) == 3
    given = model.plot_importance(X, y).importances
    assert given[0].column == "strong" and given[0].low > 0
    assert abs(given[0].mean / display.importances[0].mean - 1) < 0.5  # on other rows
    assert model.plot_importance(X, y, random_state=1).importances != given


def test_importances_of_given_rows_need_both_rows_and_targets(fitted):
    model, y, _ = fitted
    with pytest.raises(ValueError, match="X needs y, too"):
        model.plot_importance(X)
    with pytest.raises(ValueError, match="y needs X, too"):
        model.plot_importance(y=y)


@pytest.mark.slow
def test_rows_that_were_held_out_are_not_in_files(fitted, tmp_path):
    model, _, _ = fitted
    lamina.save(model, tmp_path / "model")
    for other in (pickle.loads(pickle.dumps(model)), lamina.load(tmp_path / "model")):
        with pytest.raises(
            ValueError, match=r"give rows that were not used in training: plot_importance\(X, y\)"
        ):
            other.plot_importance()
        assert other.plot_learning_curve().training == model.loss_curve_


def test_a_notebook_shows_columns_and_curves(fitted):
    model, _, _ = fitted
    page = model._repr_mimebundle_()["text/html"]
    assert "<td>strong</td><td>numeric</td>" in page and "data:image/svg+xml;base64," in page
    assert "Learning curves" not in type(model)()._repr_mimebundle_()["text/html"]


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", ["frame", "array"])
def test_a_report_is_that_of_the_command_line(fitted, kind, tmp_path):
    model, y, _ = fitted
    rows = X
    if kind == "array":
        rows = X.drop("word").to_numpy()
        model = clone(model).fit(rows, y)
    model.report(tmp_path / "report.html", rows, pl.Series("size", y))
    page = (tmp_path / "report.html").read_text()
    assert "<h1>size</h1>" in page and "400 test" in page
    # Of numbers there is one more, of what intervals hold.
    assert page.count("<figure>") == (7 if hasattr(model, "classes_") else 6)
    assert f"{model.score(rows, y):.4f}" in page  # the accuracy, or R²
    assert "Against baselines" not in page and "nan" not in page


def test_a_report_says_what_it_is_not_for(fitted, tmp_path):
    model, y, _ = fitted
    with pytest.raises(DataError, match=r"only for one target, but y has the shape \(400, 2\)"):
        model.report(tmp_path / "report.html", X, np.stack([y, y], axis=1))
    with pytest.raises(NotFittedError):
        clone(model).report(tmp_path / "report.html", X, y)
    assert not (tmp_path / "report.html").exists()


def test_a_report_says_first_of_all_what_is_missing(fitted, tmp_path, monkeypatch):
    model, y, _ = fitted
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingPackageError, match=r"a report needs jinja2, .* 'lamina\[table\]'"):
        model.report(tmp_path / "report.html", X, y)
