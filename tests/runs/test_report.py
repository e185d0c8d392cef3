"""The report: its numbers are those of the run, and it names rows so that they can be found."""

import base64
import dataclasses
import re

import numpy as np
import polars as pl
import pytest
from html_tables import Tables

from lamina.runs.data import Request, prepare
from lamina.runs.evaluation import measure, permutation_importance
from lamina.runs.metrics import format_metric
from lamina.runs.report import Findings, report_page
from lamina.runs.training import train

SETTINGS = {"data": ["a/known.csv"], "preset": "fast", "resolved": {}}


@pytest.fixture(scope="module", params=["number", "name"])
def findings(trained_on, request):
    _, prepared, trained = trained_on(request.param)
    measured = measure(trained.model, prepared)
    importance = permutation_importance(trained.model, measured.rows)
    return Findings(prepared.target, prepared.rows, trained, measured, importance, SETTINGS)


@pytest.fixture(scope="module")
def whole_page(findings):
    """The page with its pictures."""
    return report_page(findings)


def test_worst_cases_are_rows_of_the_file(findings):
    measured = findings.measured
    tables = Tables(report_page(findings, pictures=False)).tables
    head, *rows = next(table for table in tables if table[0][0] == "where")
    assert head[:3] == ["where", "true", "predicted"] and "strong" in head and len(rows) == 10
    numbers = [int(row[0].removeprefix("line ")) - 2 for row in rows]  # below the header
    frame = measured.rows.frame
    places = [measured.rows.numbers.tolist().index(number) for number in numbers]
    strong = [float(row[head.index("strong")]) for row in rows]
    np.testing.assert_allclose(strong, frame["strong"].to_numpy()[places], rtol=1e-5)
    if findings.is_classification:
        losses = -np.log(measured.outputs[np.arange(len(measured.rows)), measured.rows.target])
    else:
        losses = np.abs(measured.outputs - measured.rows.target)
    assert places == np.argsort(-losses, kind="stable")[:10].tolist()


@pytest.mark.few(1)
def test_a_page_with_pictures_needs_nothing_else(findings, whole_page):
    page = whole_page
    pictures = re.findall(r"src='data:image/svg\+xml;base64,([^']+)'", page)
    assert len(pictures) == (6 if findings.is_classification else 5)
    texts = [base64.b64decode(picture).decode() for picture in pictures]
    assert all(text.startswith("<?xml") and text.rstrip().endswith("</svg>") for text in texts)
    assert not re.search(r"""(src|href)=['"](?!data:)""", page)
    assert "Data: known.csv" in page and "width=device-width" in page
    assert f"epoch {findings.trained.best_epoch} was kept" in page


def test_without_matplotlib_importance_is_a_table(findings):
    tables = Tables(report_page(findings, pictures=False)).tables
    rows = next(table for table in tables if table[0][0] == "column" and "increase" in table[0][1])
    assert [row[0] for row in rows[1:]] == [one.column for one in findings.importance]


def test_names_cannot_become_markup(findings):
    settings = {**SETTINGS, "data": ["<script>.csv"], "hidden": "<b>"}
    page = report_page(dataclasses.replace(findings, importance=[], settings=settings), pictures=False)
    assert "<script>" not in page and "&lt;script&gt;.csv" in page and "<b>&" not in page


@pytest.fixture
def page_of(whole_page, opened, tmp_path):
    """The page in a browser."""
    path = tmp_path / "report.html"
    path.write_text(whole_page, encoding="utf-8")
    return lambda **options: opened(path, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"width": 360, "color_scheme": "dark"},
        *(pytest.param(one, marks=pytest.mark.slow) for one in ({}, {"color_scheme": "dark"})),
    ],
)
def test_the_page_can_be_read_by_everyone_everywhere(page_of, accessible, options):
    page = page_of(**options)
    accessible(page)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(ground) < 150) == ("color_scheme" in options)
    if "width" in options:  # nothing scrolls sideways inside the page, either
        assert page.evaluate("[...document.querySelectorAll('*')].every(e => e.scrollWidth <= innerWidth)")


@pytest.mark.slow
def test_nothing_is_cut_in_print(page_of):
    page = page_of(width=700)
    page.emulate_media(media="print")
    assert page.locator("details td").first.is_visible()  # though they are folded on a screen
    cut = "[...document.querySelectorAll('section *')].filter(e => e.getBoundingClientRect().right > innerWidth)"
    assert page.evaluate(f"{cut}.length") == 0


@pytest.mark.slow
def test_figures_say_their_numbers(findings, whole_page):
    page = whole_page
    texts = re.findall(r"<img alt='([^']+)'", page)
    assert len(texts) == page.count("<figcaption>") == (6 if findings.is_classification else 5)
    images = re.findall("<img [^>]+>", page)
    assert all(
        re.fullmatch(r"<img alt='[^']+\.' src='data:image/svg\+xml;base64,[\w+/=]+'>", one) for one in images
    )
    trained, measured = findings.trained, findings.measured
    assert f"epoch {trained.best_epoch} was kept" in texts[0]
    assert f"{findings.importance[0].column} {findings.importance[0].mean:.3g}" in texts[-1]
    if findings.is_classification:
        right = int(
            np.sum((measured.outputs.argmax(axis=1) == measured.rows.target)[measured.rows.target == 0])
        )
        assert f"rows of high, {right} are right" in texts[1].replace("Of", "of")
    else:
        together = np.corrcoef(measured.rows.target, measured.outputs)[0, 1]
        assert f"correlation is {together:.3f}" in texts[1]


def test_the_coverage_of_intervals_is_that_of_the_test_rows(findings):
    measured = findings.measured
    tables = Tables(report_page(findings, pictures=False)).tables
    shown = [table for table in tables if table[0][0] == "nominal coverage"]
    if findings.is_classification:
        assert not shown
        return
    model, rows = findings.trained.model, measured.rows
    low, high = model.estimator.predict_interval(model.inputs(rows.frame), 0.8)
    held = np.mean((low <= rows.target) & (rows.target <= high))
    cells = ["80 %", f"{100 * held:.1f} %", format_metric(np.mean(high - low))]
    assert cells in shown[0] and abs(held - 0.8) < 0.2
    validated_on_test = dataclasses.replace(findings, measured=dataclasses.replace(measured, intervals=[]))
    assert "How sure predictions are" not in report_page(validated_on_test, pictures=False)


@pytest.fixture(scope="module")
def wide_page(tmp_path_factory):
    """A page whose worst cases are a table of ten columns, some with long names and numbers."""
    rng = np.random.default_rng(0)
    scales = {
        "median_income": 1.7361, "housing_median_age": 52, "total_bedrooms": 1656, "longitude": -122.25,
        "population": 2202,
    }  # fmt: skip
    frame = pl.DataFrame({name: np.round(one * rng.uniform(0.5, 1, 200), 4) for name, one in scales.items()})
    frame = frame.with_columns(
        ocean_proximity=pl.Series(rng.choice(["NEAR BAY", "INLAND"], 200)),
        value=pl.Series(np.round(500_001 * rng.uniform(size=200), 1)),
    )
    file = tmp_path_factory.mktemp("wide") / "houses.csv"
    frame.write_csv(file)
    request = Request((str(file),), "value", preset="fast", hidden=(4,), epochs=1)
    prepared = prepare(request)
    trained = train(prepared, request)
    measured = measure(trained.model, prepared)
    findings = Findings(prepared.target, prepared.rows, trained, measured, [], SETTINGS)
    page = report_page(findings, pictures=False)
    head = next(table[0] for table in Tables(page).tables if table[0][0] == "where")
    assert head[4:] == list(frame.columns[:-1])
    return page


@pytest.mark.slow
@pytest.mark.parametrize("width", [1100, 800, 390])
def test_no_column_of_a_wide_table_is_out_of_sight(wide_page, opened, tmp_path, width):
    path = tmp_path / "page.html"
    path.write_text(wide_page, encoding="utf-8")
    page = opened(path, width=width)
    assert page.locator(".scroll").count() >= 4
    assert page.evaluate(
        "[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth)"
    )
