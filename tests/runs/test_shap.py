"""Mean absolute SHAP values: those of the estimator's own explanation, at no more than their cost, in the report."""

import dataclasses
import re

import numpy as np
import pytest
from html_tables import Tables

from lamina import MLPClassifier, MLPRegressor
from lamina.estimators.importance import Game
from lamina.runs import evaluation
from lamina.runs.evaluation import (
    OTHERS,
    mean_shap,
    mean_shap_of_part,
    measure,
    permutation_importance,
    predictions_made,
)
from lamina.runs.report import Findings, report_page

SETTINGS = {"data": ["known.csv"], "preset": "fast", "resolved": {}}
NAMES = ["strong", "word", "noise", "weak"]


def explained(trained, part, rows):
    """|SHAP values| of the rows that are drawn, by the estimator's own method."""
    chosen = np.random.default_rng(0).permutation(len(part))[: evaluation.MOST_LOOKED_AT]
    table = trained.model.inputs(part.frame[chosen])
    found = trained.model.estimator.shap_values(table[-rows:], table[: evaluation._BACKGROUND])
    places = [found.feature_names.index(name) for name in NAMES]
    return np.abs(found.values[:, places])


@pytest.mark.slow
@pytest.mark.parametrize("target", ["number", "name"])
def test_they_are_those_of_the_estimators_explanation(trained_on, target):
    _, prepared, trained = trained_on(target)
    found = mean_shap_of_part(trained.model, prepared.test, NAMES)
    values = explained(trained, prepared.test, found.rows)
    values = values if target == "number" else values[..., 1]  # the other class's are their negatives
    assert [one.column for one in found.columns] == NAMES and found.background == evaluation._BACKGROUND
    np.testing.assert_allclose([one.mean for one in found.columns], values.mean(axis=0), rtol=1e-5)
    half = 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    np.testing.assert_allclose([one.high - one.mean for one in found.columns], half, rtol=1e-4)
    assert all(0 <= one.low <= one.mean and not one.classes for one in found.columns)


def test_columns_that_are_not_named_are_one_player(trained_on):
    _, prepared, trained = trained_on("number")
    fitted = trained.model.estimator.fitted_
    encoded = fitted.encode(trained.model.inputs(prepared.test.frame))
    game = Game.of(fitted, encoded, encoded, ["weak", "strong"])
    values = game.values(np.random.default_rng(0))
    assert game.players == values.shape[1] == 3
    divided = game.predict(encoded) - game.predict(encoded).mean(axis=0)
    np.testing.assert_allclose(values.sum(axis=1), divided, atol=1e-5)
    found = mean_shap(fitted, encoded, ["weak", "strong"])
    assert [one.column for one in found.columns] == ["weak", "strong", OTHERS]
    assert found.columns[1].mean > found.columns[0].mean > found.columns[2].mean


@pytest.mark.parametrize("most_rows", [10, 200, 2000])
def test_there_are_no_more_predictions_than_were_said(trained_on, most_rows, monkeypatch):
    _, prepared, trained = trained_on("number")
    made = []
    predict = Game.predict
    monkeypatch.setattr(
        Game, "predict", lambda self, rows: (made.append(len(rows.numeric)), predict(self, rows))[1]
    )
    found = mean_shap_of_part(trained.model, prepared.test, NAMES, most_rows=most_rows)
    fewest = evaluation._LEAST_BACKGROUND << len(NAMES)  # one row
    assert fewest <= sum(made) <= max(predictions_made(most_rows, len(NAMES)), fewest)
    assert found.rows >= min(20, sum(made) // fewest)


@pytest.mark.pictures
@pytest.mark.slow
def test_a_report_shows_them_beside_permutation_importance(trained_on):
    _, prepared, trained = trained_on("number")
    measured = measure(trained.model, prepared)
    importance = permutation_importance(trained.model, measured.rows)
    shap = mean_shap_of_part(trained.model, measured.rows, [one.column for one in importance])
    findings = Findings(prepared.target, prepared.rows, trained, measured, importance, SETTINGS, shap=shap)
    page = report_page(findings)
    said = next(text for text in re.findall(r"<img alt='([^']+)'", page) if "SHAP" in text)
    assert said.startswith("Mean |SHAP|, number: strong ")
    assert f"strong {shap.columns[0].mean:.3g}, weak {shap.columns[1].mean:.3g}" in said
    assert f"over {shap.rows} rows, each compared with {shap.background} others" in page
    tables = Tables(report_page(findings, pictures=False)).tables
    rows = next(table for table in tables if table[0][1] == "mean |SHAP|, number")
    assert [row[:2] for row in rows[1:]] == [[one.column, f"{one.mean:.4g}"] for one in shap.columns]
    assert "SHAP" not in report_page(dataclasses.replace(findings, shap=None))


@pytest.mark.pictures
@pytest.mark.slow
def test_of_several_classes_each_is_told(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = np.where(X[:, 0] > 0.4, "<high>", np.where(X[:, 0] < -0.4, "low", "middle"))
    model = MLPClassifier(preset="fast", hidden_layer_sizes=8, max_iter=20, random_state=0).fit(
        X[:100], y[:100]
    )
    model.report(tmp_path / "report.html", X[100:], y[100:])
    page = (tmp_path / "report.html").read_text()
    assert "Mean |SHAP| of each class" in page and "&lt;high&gt;" in page
    head, *rows = next(table for table in Tables(page).tables if table[0][1:] == ["<high>", "low", "middle"])
    cells = np.array([[float(cell) for cell in row[1:]] for row in rows])
    assert head[0] == "column" and cells.shape == (2, 3) and cells[0].min() > 3 * cells[1].max()
    said = re.search(r"Mean \|SHAP\|, probability: \S+ (\S+),", page)
    assert float(said[1]) == pytest.approx(cells[0].sum() / 2, rel=0.01)


@pytest.mark.pictures
@pytest.mark.slow
def test_one_row_alone_is_compared_with_nothing(trained_on, tmp_path):
    _, prepared, trained = trained_on("number")
    test = prepared.test
    one, two = (
        dataclasses.replace(test, frame=test.frame[:count], target=test.target[:count]) for count in (1, 2)
    )
    assert mean_shap_of_part(trained.model, one, NAMES) is None
    assert mean_shap_of_part(trained.model, two, NAMES).background == 2
    X, y = np.random.default_rng(0).normal(size=(2, 40, 2))
    model = MLPRegressor(preset="fast", hidden_layer_sizes=8, max_iter=1, random_state=0).fit(X, y[:, 0])
    for count, is_shown in ((1, False), (2, True)):
        model.report(tmp_path / "report.html", X[:count], y[:count, 0])
        assert ("SHAP" in (tmp_path / "report.html").read_text()) is is_shown
