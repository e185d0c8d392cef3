"""``report.html``: a self-contained page about a run on a table, or about an estimator fitted in Python.

Text and layout are in ``report.html.jinja``, the style in ``report.css``; this module computes their contents.
"""

from __future__ import annotations

import base64
import dataclasses
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina import __version__
from lamina.errors import DataError, MissingPackageError
from lamina.estimators.importance import MOST_ROWS, REPEATS, Importance, Word, important_words, loss_name
from lamina.estimators.inputs import is_frame, values_of
from lamina.estimators.scoring import shown_score
from lamina.estimators.search.trial import known_score
from lamina.estimators.settings import settings_of
from lamina.runs import evaluation, figures, wording
from lamina.runs.data import Part, Prepared
from lamina.runs.metrics import METRIC_NAMES, compared, format_metric, format_quantity
from lamina.runs.model import TableModel, Trained, history_of
from lamina.support.extras import require
from lamina.support.lazily import pl
from lamina.support.messages import printable
from lamina.table.columns import import_narwhals
from lamina.table.describe import column_rows, describe_rows, describe_target
from lamina.table.messages import DataWarning, counted, format_number, warn
from lamina.table.places import Places
from lamina.table.schema import Target

if TYPE_CHECKING:
    from jinja2 import Template

    from lamina.runs.search import Closing

_WORST = 10
_WORST_COLUMNS = 6
_MOST_IN_MATRIX = 20  # classes in a confusion matrix with readable counts
_MOST_TRIALS = 10  # trials in the table, besides the averaged ones
_MOST_COLUMNS = 30  # columns in the figure of importances
_MOST_CLASSES = 8  # classes with SHAP values
_MOST_LETTERS = 40  # maximum characters of a value


@dataclass(frozen=True)
class Findings:
    """The results that a report shows."""

    target: Target
    rows: Mapping[str, int]  # number of rows by part
    trained: Trained
    measured: evaluation.Measured
    importance: Sequence[Importance]
    settings: Mapping[str, Any]
    importance_rows: int = MOST_ROWS  # maximum rows for column importance
    shap: evaluation.MeanShap | None = None
    # By column of texts.
    words: Mapping[str, Sequence[Word]] = field(default_factory=dict[str, Sequence[Word]])
    advice: Sequence[str] = ()
    divided: str = ""  # how rows were divided, in words

    @property
    def is_classification(self) -> bool:
        """Whether the task is a classification."""
        return self.target.task == "classification"


def findings_of(
    prepared: Prepared,
    trained: Trained,
    settings: Mapping[str, Any],
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
    closing: Closing | None = None,
) -> Findings:
    """Evaluate a trained network: metrics, the importance of columns and words, and advice.

    `closing` limits the time for computing the importance of columns.
    """
    model, most_rows = trained.model, MOST_ROWS
    # The warnings are about held-out values that training rows lack.
    with warnings.catch_warnings(action="ignore", category=DataWarning):
        tell("measuring the network and the baselines")
        measured = evaluation.measure(model, prepared)
        tell("measuring the importance of columns")
        if closing is not None:
            most_rows = closing.importance_rows(evaluation.seconds_of_a_row(model, measured.rows))
        importance = evaluation.permutation_importance(model, measured.rows, seed, most_rows=most_rows)
        names = [one.column for one in importance]
        shap = evaluation.mean_shap_of_part(model, measured.rows, names, seed, most_rows)
        words = important_words(model.fitted, model.inputs(measured.rows.frame), seed)
        tried = evaluation.advice(prepared, model, measured)
    if trained.search is not None and trained.history and not trained.interrupted:
        tried += evaluation.advice_on_search(trained.search, shown_score(model.estimator._chosen_scoring()))
    return Findings(
        prepared.target, prepared.rows, trained, measured, importance, settings, most_rows, shap, words, tried,
        prepared.divided,
    )  # fmt: skip


def report_page(findings: Findings, *, pictures: bool = True) -> str:
    """Render the report as HTML; without Matplotlib, omit the figures and warn.

    Args:
        findings: the results to show.
        pictures: whether to draw the figures.

    Raises:
        MissingPackageError: Jinja2 is not installed.
    """
    template = page_template()
    try:
        facts = _facts(findings, _Figures(pictures))
    except MissingPackageError as error:
        warn(f"the report has no pictures: {error}")
        facts = _facts(findings, _Figures(wanted=False))
    return template.render(facts)


@cache
def page_template() -> Template:
    """Compile the template of reports.

    The template is cached, since importing Jinja2 and compiling take a tenth of a second.

    Raises:
        MissingPackageError: Jinja2 is not installed.
    """
    require("writing a report", "jinja2")
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        loader=PackageLoader("lamina.runs", ""),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "counted": counted,
        "number": format_number,
        "quantity": format_quantity,
        "metric": format_metric,
        "probability": _probability,
        "share": wording.share_in_words,
    }
    environment.filters.update(filters)
    return environment.get_template("report.html.jinja")


def _shown(value: Any) -> Any:
    """Escape control characters in a template value; return markup unchanged."""
    return value if hasattr(value, "__html__") else printable(str(value))


def _probability(share: float) -> str:
    """Format a probability in percent, with two significant digits if it is below 1 %.

    >>> _probability(0.0019), _probability(0.345), _probability(0.9969)
    ('0.19 %', '34.5 %', '99.7 %')
    """
    return f"{100 * share:.2g} %" if share < 0.01 else f"{100 * share:.1f} %"


@dataclass
class _Figures:
    """The figures drawn so far, as base64 of SVG text, by the drawing function's name.

    If figures are not `wanted`, none are drawn.
    """

    wanted: bool
    drawn: dict[str, str] = field(default_factory=dict[str, str])

    def draw(self, figure: Callable[..., str], *args: Any, **kwargs: Any) -> None:
        if self.wanted:
            self.drawn[figure.__name__] = base64.b64encode(figure(*args, **kwargs).encode()).decode()


def _facts(findings: Findings, drawing: _Figures) -> dict[str, Any]:
    """The template's variables: the findings, and others; the variable of a section without content is None."""
    target, trained, measured = findings.target, findings.trained, findings.measured
    model, fitted = trained.model, trained.model.fitted
    files = [os.path.basename(os.path.normpath(file)) for file in findings.settings["data"]]
    is_class = findings.is_classification
    if measured.intervals:
        drawing.draw(figures.coverage, measured.intervals, len(measured.rows))
    return {
        **vars(findings),
        "is_class": is_class,
        "predicted": describe_target(target),
        "files": files,
        "parts": describe_rows(findings.rows),
        "networks": wording.networks_in_words(fitted.network.widths, fitted.network.candidates),
        "parameters": fitted.network.parameter_count,
        "seconds": None if np.isnan(trained.seconds) else trained.seconds,
        "on": counted(len(measured.rows), f"{measured.part} row"),
        "metric_names": METRIC_NAMES,
        "decision": wording.decision_said(wording.decision_of(model)),
        "baselines": _baselines(findings),
        "search": _search(findings, drawing) if trained.search else None,
        "learning": _learning(findings, drawing) if drawing.wanted and trained.history else None,
        "confusion": _confusion(findings, drawing) if drawing.wanted and is_class else None,
        "residuals": _residuals(findings, drawing) if drawing.wanted and not is_class else None,
        "rankings": _rankings(findings, drawing) if drawing.wanted and is_class else None,
        "held_out": len(fitted.held_out or ()),
        "importance": _importance(findings, drawing),
        "worst": _worst(findings),
        "columns": [row.cells for row in column_rows(model.schema, fitted.monotone)],
        "training_rows": model.schema.rows,
        "settings": {
            name: value
            for name, value in {**findings.settings, **findings.settings["resolved"]}.items()
            if name not in ("resolved", "options", "column_kinds") and value not in (None, {}, ())
        },
        "figures": drawing.drawn,
    }


def _baselines(findings: Findings) -> dict[str, Any] | None:
    if len(findings.measured.metrics) == 1:
        return None
    titles, models = compared(findings.measured.metrics)
    linear = findings.measured.baselines.get("linear")
    threshold = None if linear is None else linear.threshold
    own = None if threshold == findings.trained.model.decision.threshold else threshold
    return {"titles": titles, "models": models, "threshold": own}


def _score(findings: Findings) -> tuple[str, int]:
    """The display name of the validation score, and the factor 1 or −1 that gives the displayed value."""
    return shown_score(findings.trained.model.estimator._chosen_scoring())


def _loss_name(findings: Findings) -> str:
    if findings.is_classification:
        return "log-loss"
    is_of_quantiles = loss_name(findings.trained.model.fitted.target) == "pinball loss"
    return "pinball loss, standardized" if is_of_quantiles else "½ · squared error, standardized"


def _search(findings: Findings, drawing: _Figures) -> dict[str, Any]:
    search: Any = findings.trained.search
    lines, best = search["lines"], search["best"]
    score, sign = _score(findings)
    name = _loss_name(findings) if score == "loss" else score
    ranked = sorted(lines, key=lambda line: (-line["share"], -known_score(line["score"])))
    averaged = sum(bool(line["share"]) for line in lines)
    shown = ranked[: averaged + _MOST_TRIALS]
    names = wording.settings_that_differ(shown)
    found: dict[str, Any] = {
        **search,
        "summary": wording.search_summary(search),
        "score": name,
        "sign": sign,
        "settings": list(map(wording.short_name, names)),
        "shown": [
            {**line, "values": [wording.value_in_words(line["settings"].get(name)) for name in names]}
            for line in shown
        ],
    }
    if best:
        drawing.draw(figures.search, lines, best, name, sign)
        half = (best[0][0] + best[-1][0]) / 2
        found["half"] = half, [value for seconds, value in best if seconds <= half][-1]
        found["alone"] = max(lines, key=lambda line: known_score(line["score"]))
    return found


def _learning(findings: Findings, drawing: _Figures) -> dict[str, Any]:
    trained, name = findings.trained, _loss_name(findings)
    score, sign = _score(findings)
    drawing.draw(figures.learning_curves, trained.history, trained.best_epoch, name, score, sign)
    is_validated = all(epoch["validation_score"] is not None for epoch in trained.history)
    return {"loss": name, "score": score, "sign": sign, "is_validated": is_validated}


def _residuals(findings: Findings, drawing: _Figures) -> dict[str, Any]:
    true, outputs, name = findings.measured.rows.target, findings.measured.outputs, findings.target.name
    drawing.draw(figures.predicted_and_true, true, outputs, name)
    drawing.draw(figures.residuals, true, outputs, name)
    errors = true - outputs
    varies = true.std() > 0 and outputs.std() > 0
    return {
        "points": min(len(true), figures.MOST_POINTS),
        "true": true,
        "predicted": outputs,
        "errors": errors,
        "correlation": np.corrcoef(true, outputs)[0, 1] if varies else None,
        "quartiles": np.quantile(errors, [0.25, 0.5, 0.75]),
    }


def _confusion(findings: Findings, drawing: _Figures) -> dict[str, Any]:
    """The variables of the section on classes: confusion matrix, if there are few classes, and calibration."""
    model, names = findings.trained.model, list(map(str, findings.target.classes))
    known = findings.measured.rows.target >= 0
    true, outputs = findings.measured.rows.target[known], findings.measured.outputs[known]
    matrix: list[dict[str, Any]] = []
    if len(names) <= _MOST_IN_MATRIX:
        counts = np.zeros((len(names),) * 2, np.int64)
        np.add.at(counts, (true, model.decision.decided(outputs)), 1)
        drawing.draw(figures.confusion, counts, names)
        matrix = [_of_class(counts[i], i, names) for i in np.argsort(-counts.sum(axis=1), kind="stable")]
    bins: list[tuple[float, float]] = []
    if len(true):
        if len(names) == 2:
            confidence, correct, what = outputs[:, 1], true == 1, f"predicted probability of {names[1]}"
        else:
            confidence, correct = outputs.max(axis=1), outputs.argmax(axis=1) == true
            what = "probability of the predicted class"
        said, so, _ = figures.calibration_bins(confidence, correct)
        drawing.draw(figures.calibration, confidence, correct, what)
        bins = list(zip(said, so, strict=True))
    return {
        "matrix": matrix,
        "bins": bins,
        "most_bins": figures.BINS,
        "unknown": int(np.count_nonzero(~known)),
        "is_narrow": len(names) <= figures.FEW_CLASSES,
    }


def _of_class(counts: np.ndarray, i: int, names: Sequence[str]) -> dict[str, Any]:
    """The number of correctly classified rows of a class, and the class's most frequent wrong prediction."""
    wrong = np.where(np.arange(len(names)) == i, 0, counts)
    most = int(wrong.argmax())
    return {
        "name": names[i], "rows": int(counts.sum()), "right": int(counts[i]),
        "wrong": int(wrong[most]), "taken_for": names[most],
    }  # fmt: skip


def _rankings(findings: Findings, drawing: _Figures) -> dict[str, Any] | None:
    model, names = findings.trained.model, list(map(str, findings.target.classes))
    found = evaluation.rankings(findings.measured, names, model.decision)
    if not found:
        return None
    drawing.draw(figures.roc, found)
    drawing.draw(figures.precision_recall, found)
    return {
        "curves": found,
        "decided": next((one for one in found if one.roc.decision), None),
        "positive": names[model.decision.positive] if len(names) == 2 else None,
        "is_every_class": len(found) == len(names),
    }


def _importance(findings: Findings, drawing: _Figures) -> dict[str, Any] | None:
    """The variables of the section on columns: permutation importance and mean |SHAP value|."""
    if not findings.importance:
        return None
    shap, measured = findings.shap, findings.measured
    unit = loss_name(findings.trained.model.fitted.target)
    added = "probability" if findings.is_classification else findings.target.name
    most = findings.importance[:_MOST_COLUMNS]
    drawing.draw(figures.importances, most, unit, wide=shap is None)
    found: dict[str, Any] = {
        "unit": unit,
        "added": added,
        "columns": findings.importance,
        "drawn": most,
        "repeats": REPEATS,
        "on": counted(min(len(measured.rows), findings.importance_rows), f"{measured.part} row"),
        "classes": None,
    }
    if shap is not None:
        drawing.draw(figures.mean_shap, shap.columns, added)
        if shap.columns[0].classes:
            found |= _shap_by_class(shap, list(map(str, findings.target.classes)))
    return found


def _shap_by_class(shap: evaluation.MeanShap, names: Sequence[str]) -> dict[str, Any]:
    """The mean |SHAP value| of each column, for the classes with the largest sums."""
    values = np.array([one.classes for one in shap.columns])
    shown = np.sort(np.argsort(-values.sum(axis=0), kind="stable")[:_MOST_CLASSES])
    return {
        "classes": [names[i] for i in shown],
        "is_every_class": len(shown) == len(names),
        "by_class": [(one.column, [f"{one.classes[i]:.4f}" for i in shown]) for one in shap.columns],
    }


def _worst(findings: Findings) -> dict[str, Any]:
    measured, target = findings.measured, findings.target
    losses = evaluation.losses_of(target.task, measured.rows.target, measured.outputs)
    rows = np.argsort(-losses, kind="stable")[:_WORST].tolist()
    ranked = [one.column for one in findings.importance]
    names = (ranked or [c.name for c in findings.trained.model.schema.used])[:_WORST_COLUMNS]
    frame = measured.rows.frame
    return {
        "names": names,
        "numeric": [i for i, name in enumerate(names, start=4) if frame[name].dtype.is_numeric()],
        "rows": [
            {
                **_place(findings, row),
                **_answer(findings, row),
                "true": _value(frame[target.name][row]),
                "values": [_value(frame[name][row]) for name in names],
            }
            for row in rows
        ],
    }


def _place(findings: Findings, row: int) -> dict[str, Any]:
    """A row's line or row number in its file, and the file's name if there are several files."""
    part = findings.measured.rows
    name, unit, number = part.places.within(int(part.numbers[row]))
    return {"unit": unit, "number": number, "file": None if part.places.single else os.path.basename(name)}


def _answer(findings: Findings, row: int) -> dict[str, Any]:
    """The prediction for a row and its error, or the predicted class and its probability, `confidence`.

    For a class, `probability` is the true class's probability, None if training lacks this class.
    """
    target, outputs, true = findings.target, findings.measured.outputs, findings.measured.rows.target[row]
    if not findings.is_classification:
        return {"predicted": float(outputs[row]), "error": float(true) - float(outputs[row])}
    best = int(findings.trained.model.decision.decided(outputs[row : row + 1])[0])
    return {
        "predicted": str(target.classes[best]),
        "confidence": outputs[row, best],
        "probability": outputs[row, true] if true >= 0 else None,
    }


def _value(value: Any) -> str | None:
    """Format a cell's value as short text; None if missing."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not np.isfinite(value):
            return None
        return f"{value:.6g}" if abs(value) < 1000 else format_number(value)
    text = str(value)
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"


# --- of an estimator


def resolved_settings(estimator: Any) -> dict[str, Any]:
    """A fitted estimator's settings; the dropout is the networks', since a preset's depends on the number of rows."""
    found = vars(settings_of(estimator))
    dropouts = {member.architecture.dropout for member in estimator.fitted_.network.members}
    return found | {"dropout": dropouts.pop()} if len(dropouts) == 1 else found


def report_on(estimator: Any, X: Any, y: Any) -> str:
    """Evaluate an estimator on rows not used in training, and render the report as HTML.

    `X` and `y` have the same form as for `fit`.

    Raises:
        DataError: the estimator has several targets or labels, or `X` does not match the training table.
    """
    is_class, fitted = estimator._task == "classification", estimator.fitted_
    values = np.asarray(y)
    if values.ndim != 1:
        raise DataError(f"a report is possible only for one target, but y has the shape {values.shape}")
    name = str(getattr(y, "name", None) or "target")
    frame = _as_frame(X, [column.name for column in fitted.encoder.schema.columns])
    target = _target(name, estimator, values)
    places = Places()
    places.begin("the table", None)
    frame = frame.with_columns(pl.Series(name, values))
    codes = _codes(estimator.classes_, values) if is_class else values.astype(np.float64)
    part = Part(frame, codes, places, np.arange(len(codes)))
    model = TableModel.of(estimator, dataclasses.replace(fitted.encoder.schema, target=target))
    prepared = Prepared(model.schema, part, None, part, baselines={})
    history = history_of(estimator)
    best = getattr(estimator, "best_epoch_", len(history))
    trained = Trained(model, history, best, False, math.nan, len(history))
    settings = {
        "data": ["a table in memory"],
        "resolved": {"lamina": __version__, **resolved_settings(estimator)},
    }
    found = findings_of(prepared, trained, settings)
    return report_page(dataclasses.replace(found, rows={"test": len(part)}))


def _as_frame(X: Any, names: Sequence[str]) -> pl.DataFrame:
    if is_frame(X):
        return import_narwhals().from_native(X, eager_only=True).to_polars()
    values = values_of(X)
    return pl.DataFrame({name: values[:, i] for i, name in enumerate(names)})


def _target(name: str, estimator: Any, values: np.ndarray) -> Target:
    if estimator._task == "classification":
        classes = tuple(estimator.classes_.tolist())
        counts = tuple(int(np.count_nonzero(values == one)) for one in estimator.classes_)
        return Target(name, "classification", classes=classes, counts=counts)
    low, high, mean = (float(f(values)) for f in (np.min, np.max, np.mean))
    return Target(name, "regression", low=low, high=high, mean=mean)


def _codes(classes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The position of each value in `classes`, which are sorted; −1 for values not among them."""
    places = np.minimum(np.searchsorted(classes, values), len(classes) - 1)
    return np.where(classes[places] == values, places, -1).astype(np.int32)
