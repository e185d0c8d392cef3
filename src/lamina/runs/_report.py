"""``report.html``: one page that needs nothing else, about a run on a table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.errors import MissingPackageError
from lamina.estimators.importance import MOST_ROWS, Importance, loss_name
from lamina.estimators.scoring import shown_score
from lamina.runs import _captions as captions
from lamina.runs import _figures as figures
from lamina.runs._html import escape
from lamina.runs._html import figure as _figure
from lamina.runs._html import section as _section
from lamina.runs._html import small as _small
from lamina.runs._html import table as _table
from lamina.runs._importance_section import importance_section
from lamina.runs._measure import Measured, losses_of
from lamina.runs._page_style import STYLE
from lamina.runs._ranking import rankings
from lamina.runs._search_section import search_section
from lamina.runs._shap import MeanShap
from lamina.runs.data import Part
from lamina.runs.decision import decision_of, decision_said
from lamina.runs.metrics import METRIC_NAMES, compared, format_metric, format_quantity
from lamina.runs.networks import networks_in_words
from lamina.runs.search_words import search_summary
from lamina.runs.training import Trained
from lamina.table.describe import column_rows, describe_rows, describe_target
from lamina.table.messages import counted, format_number, warn
from lamina.table.schema import Target

__all__ = ["Findings", "page_of", "report_page"]

_WORST = 10
_WORST_COLUMNS = 6
_MOST_IN_MATRIX = 20  # classes, so that the counts of a confusion matrix can be read


@dataclass(frozen=True)
class Findings:
    """Everything the page tells."""

    target: Target
    rows: Mapping[str, int]  # by part
    trained: Trained
    measured: Measured
    importance: Sequence[Importance]
    settings: Mapping[str, Any]
    importance_rows: int = MOST_ROWS  # at most
    shap: MeanShap | None = None
    advice: Sequence[str] = ()

    @property
    def is_classification(self) -> bool:
        """Whether classes are predicted."""
        return self.target.task == "classification"


def report_page(findings: Findings, *, pictures: bool = True) -> str:
    """The page as HTML.

    Args:
        findings: what it tells.
        pictures: whether to draw the figures.

    Raises:
        MissingPackageError: figures are wanted and Matplotlib is not installed.
    """
    target, trained = findings.target, findings.trained
    score, sign = _score(findings)
    sections = [
        _summary(findings),
        search_section(trained.search, score=score, sign=sign, pictures=pictures) if trained.search else "",
        _learning(findings) if pictures and trained.history else "",
        _quality(findings) if pictures else "",
        _rankings(findings) if pictures and findings.is_classification else "",
        _uncertainty(findings, pictures=pictures),
        _importance(findings, pictures=pictures),
        _worst(findings),
        _columns(findings),
        _settings(findings),
    ]
    title = f"{target.name}: a {target.task} by lamina"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(filter(None, sections))
        + "\n</main></body></html>\n"
    )


def page_of(findings: Findings) -> str:
    """The page, without figures where Matplotlib is not installed, with a warning."""
    try:
        return report_page(findings)
    except MissingPackageError as error:
        warn(f"the report has no pictures: {error}")
        return report_page(findings, pictures=False)


def _summary(findings: Findings) -> str:
    target, trained, measured = findings.target, findings.trained, findings.measured
    predicted = describe_target(target)
    fitted = trained.model.fitted
    networks = networks_in_words([member.architecture.widths for member in fitted.network.members])
    ended = "Ctrl-C ended it" if trained.interrupted else "trained"
    ended += "" if np.isnan(trained.seconds) else f" in {trained.seconds:.1f} s"
    kept = "epoch" if trained.search is None else "average of trials"
    files = ", ".join(map(escape, _shortened(list(findings.settings["data"]))))
    note = (
        f'<p class="notice">The training was interrupted; this is the best {kept} until then.</p>'
        if trained.interrupted
        else ""
    )
    return (
        f"<header><p class='kicker'>lamina · {escape(target.task)}</p><h1>{escape(target.name)}</h1>"
        f"<p>{escape(predicted[:1].upper() + predicted[1:])}.</p>"
        f"<p>Data: {files}. Rows: {describe_rows(findings.rows)}.</p>"
        f"<p>{networks} ({fitted.parameter_count:,} parameters), {ended}: "
        f"{_how_trained(trained)}.</p>{note}</header>"
        + _cards(measured, decision_said(decision_of(trained.model)))
        + _advice(findings)
        + _baselines(findings)
    )


def _advice(findings: Findings) -> str:
    lines = "".join(f"<p class='notice'>{escape(line)}</p>" for line in findings.advice)
    return f"<section><h2>What to try</h2>{lines}</section>" if lines else ""


def _how_trained(trained: Trained) -> str:
    if trained.search is not None:
        return search_summary(trained.search)
    return f"{counted(len(trained.history), 'epoch')}, of which epoch {trained.best_epoch} was kept"


def _shortened(files: list[str], limit: int = 3) -> list[str]:
    names = [os.path.basename(os.path.normpath(file)) for file in files]
    return names if len(names) <= limit else [*names[:limit], f"and {len(names) - limit} more"]


def _cards(measured: Measured, notes: Sequence[str]) -> str:
    cards = "".join(
        f"<div class='card'><div class='label'>{METRIC_NAMES[name]}</div>"
        f"<div class='value'>{format_metric(value, name)}</div>"
        f"<div class='label'>{counted(len(measured.rows), f'{measured.part} row')}</div></div>"
        for name, value in measured.metrics["lamina"].items()
    )
    return f"<div class='cards'>{cards}</div>" + "".join(_small(escape(f"{note}.")) for note in notes)


def _baselines(findings: Findings) -> str:
    measured = findings.measured
    if len(measured.metrics) == 1:
        return ""
    titles, models = compared(measured.metrics)
    rows = [
        [model, *(f"<b>{text}</b>" if best else text for text, best in cells)]
        for model, cells in models.items()
    ]
    note = _small(
        f"On the {measured.part} rows. The linear model is scikit-learn's logistic or ridge regression on the same "
        "encoding of the columns; the trivial guess is the classes' shares, or the mean."
        + _baselines_threshold(findings)
    )
    table = _table(["model", *titles], rows, numeric=range(1, len(titles) + 1))
    return _section("Against baselines", table + note)


def _baselines_threshold(findings: Findings) -> str:
    linear = findings.measured.baselines.get("linear")
    if linear is None or linear.threshold in (None, findings.trained.model.threshold):
        return ""
    return f" The linear model has a threshold of its own, {linear.threshold:.3g}."


def _score(findings: Findings) -> tuple[str, int]:
    """What the validation score is called, the loss by its own name, and the sign with which it is shown."""
    name, sign = shown_score(findings.trained.model.estimator._chosen_scoring())
    return (_loss_name(findings) if name == "loss" else name), sign


def _learning(findings: Findings) -> str:
    name = _loss_name(findings)
    trained = findings.trained
    score, sign = _score(findings)
    drawn = trained.history, trained.best_epoch, name, "loss" if score == name else score, sign
    svg, shown = figures.learning_curves(*drawn), captions.learning_curves(*drawn)
    text = _small(
        "The training loss is the mean over an epoch, with dropout and while the weights still change, so it may lie "
        "above the validation loss."
    )
    title = "Learning curves" if trained.search is None else "Learning curves of the best trial"
    return _section(title, _figure(svg, "Training and validation loss by epoch", shown) + text)


def _loss_name(findings: Findings) -> str:
    """What the curves show."""
    if findings.is_classification:
        return "log-loss"
    is_of_quantiles = loss_name(findings.trained.model.fitted.target) == "pinball loss"
    return "pinball loss, standardized" if is_of_quantiles else "½ · squared error, standardized"


def _quality(findings: Findings) -> str:
    measured, target = findings.measured, findings.target
    true, outputs = measured.rows.target, measured.outputs
    if not findings.is_classification:
        name = target.name
        both = _figure(
            figures.predicted_and_true(true, outputs, name),
            "Predicted and true values",
            captions.predicted_and_true(true, outputs),
        ) + _figure(
            figures.residuals(true, outputs, name),
            "Distribution of the errors",
            captions.residuals(true, outputs),
        )
        shown = "" if len(true) <= figures.MOST_POINTS else f"{figures.MOST_POINTS:,} rows at random of "
        rows = counted(len(true), f"{measured.part} row")
        note = f"Points: {shown}all {rows}. Above the line, the prediction is too low."
        return _section("Predictions and residuals", f"<div class='row'>{both}</div>{_small(note)}")
    known = true >= 0
    true, outputs = true[known], outputs[known]
    parts: list[str] = []
    if len(target.classes) <= _MOST_IN_MATRIX:
        counts = np.zeros((len(target.classes),) * 2, np.int64)
        np.add.at(counts, (true, findings.trained.model.decided(outputs)), 1)
        names = list(map(str, target.classes))
        parts.append(
            _figure(figures.confusion(counts, names), "Confusion matrix", captions.confusion(counts, names))
        )
    if len(true):
        parts.append(_calibration(target.classes, true, outputs))
    layout = "row" if len(target.classes) <= figures.FEW_CLASSES else "stack"
    return _section(
        "Confusion matrix and calibration",
        f"<div class='{layout}'>{''.join(parts)}</div>" + _small(_quality_note(measured, known)),
    )


def _rankings(findings: Findings) -> str:
    """ROC and precision-recall curves."""
    measured, model = findings.measured, findings.trained.model
    names = list(map(str, findings.target.classes))
    found = rankings(measured, names, model.positive, model.threshold)
    if not found:
        return ""
    both = _figure(figures.roc(found), "ROC curve", captions.roc(found)) + _figure(
        figures.precision_recall(found), "Precision-recall curve", captions.precision_recall(found)
    )
    note = f"On {counted(len(measured.rows), f'{measured.part} row')}. "
    if len(names) == 2:
        share = f"{100 * found[0].share:.2g} % of the rows"
        note += (
            f"Both are of {escape(names[model.positive])}, {share}; the point is where the network decides. Dashed: "
            "what chance gives. Where a class is rare, the second says more: false alarms count against what is found."
        )
    else:
        which = (
            "each class" if len(found) == len(names) else f"the {len(found)} classes that are ranked worst"
        )
        note += f"Of {which}, against all others."
    return _section("ROC and precision-recall curves", f"<div class='row'>{both}</div>{_small(note)}")


def _quality_note(measured: Measured, known: np.ndarray) -> str:
    unknown = int(np.count_nonzero(~known))
    without = f", without {unknown:,} of classes that training lacks" if unknown else ""
    return (
        f"{counted(len(known), f'{measured.part} row')}{without}. The matrix is shaded by shares of the true class. "
        f"Calibration: {figures.BINS} bins of equally many rows, with 95&nbsp;% intervals (Wilson, 1927)."
    )


def _calibration(classes: Sequence[Any], true: np.ndarray, outputs: np.ndarray) -> str:
    if len(classes) == 2:
        confidence, correct, what = outputs[:, 1], true == 1, f"probability of {classes[1]}, as predicted"
    else:
        confidence, correct = outputs.max(axis=1), outputs.argmax(axis=1) == true
        what = "probability of the predicted class"
    said, so, _ = figures.calibration_bins(confidence, correct)
    drawn = figures.calibration(confidence, correct, what)
    return _figure(drawn, "Calibration", captions.calibration(said, so))


def _uncertainty(findings: Findings, *, pictures: bool) -> str:
    """How well intervals and quantiles hold what they promise."""
    measured = findings.measured
    if not measured.intervals and not measured.quantiles:
        return ""
    figure, tables, count = "", "", len(measured.rows)
    note = f"On {counted(count, f'{measured.part} row')}."
    known = findings.trained.model.fitted.held_out
    if measured.intervals and known is not None:
        rows = [
            [f"{100 * one.coverage:g} %", f"{100 * one.held:.1f} %", format_quantity(one.width)]
            for one in measured.intervals
        ]
        tables = _table(["intervals of", "hold", "mean width"], rows, numeric=(0, 1, 2))
        held_out = counted(len(known), "row")
        note += (
            f" Intervals are made by conformal prediction from the errors on {held_out} that the networks held out; "
            "they hold what they promise over all rows from the same source, not for each kind of them."
        )
        if pictures:
            drawn, shown = figures.coverage(measured.intervals, count), captions.coverage(measured.intervals)
            figure = _figure(drawn, "Coverage of intervals", shown)
            note += f" Bars in the figure: what {count:,} rows leave open, 95&nbsp;% (Wilson, 1927)."
    if measured.quantiles:
        rows = [
            [f"{one.level:g}", f"{100 * one.share:.1f} %", format_metric(one.pinball, "pinball")]
            for one in measured.quantiles
        ]
        tables += _table(["quantile", "rows at or below it", "pinball loss"], rows, numeric=(0, 1, 2))
    if measured.outermost is not None:
        between, levels = measured.outermost, [one.level for one in measured.quantiles]
        note += (
            f" Between the quantiles {levels[0]:g} and {levels[-1]:g}, which promise {100 * between.coverage:g} %, lie "
            f"{100 * between.held:.1f} %; their mean distance is {format_quantity(between.width)}."
        )
    return _section(
        "How sure predictions are", f"<div class='row'>{figure}<div>{tables}</div></div>{_small(note)}"
    )


def _importance(findings: Findings, *, pictures: bool) -> str:
    target = findings.target
    rows = min(len(findings.measured.rows), findings.importance_rows)
    return importance_section(
        findings.importance,
        findings.shap,
        unit=loss_name(findings.trained.model.fitted.target),
        added="probability" if findings.is_classification else target.name,
        classes=list(map(str, target.classes)) if findings.is_classification else (),
        rows=counted(rows, f"{findings.measured.part} row"),
        pictures=pictures,
    )


def _worst(findings: Findings) -> str:
    """The rows whose predictions are the most wrong."""
    measured, target = findings.measured, findings.target
    losses = losses_of(target.task, measured.rows.target, measured.outputs)
    rows = np.argsort(-losses, kind="stable")[:_WORST].tolist()
    ranked = [one.column for one in findings.importance] or [
        c.name for c in findings.trained.model.schema.used
    ]
    columns = ranked[:_WORST_COLUMNS]
    frame = measured.rows.frame
    table = [
        [_place(measured.rows, row), *_answer(findings, row), *(_cell(frame[name][row]) for name in columns)]
        for row in rows
    ]
    regression = target.task == "regression"
    head = ["where", "true", "predicted", "error" if regression else "probability of the truth"]
    numeric = [*([1, 2] if regression else []), 3]
    numeric += [i for i, name in enumerate(columns, start=4) if frame[name].dtype.is_numeric()]
    counting = "" if table[0][0].startswith("line") else " Rows are counted from 0."
    text = _small(f"Shown are the {len(columns)} columns that matter most.{counting}")
    return _section("Worst cases", _table([*head, *map(escape, columns)], table, numeric=numeric) + text)


def _place(part: Part, row: int) -> str:
    """Where a row stands: in a file of several, too."""
    name, unit, number = part.places.within(int(part.numbers[row]))
    return f"{unit} {number:,}" + ("" if part.places.single else f" of {escape(os.path.basename(name))}")


def _answer(findings: Findings, row: int) -> list[str]:
    target, outputs = findings.target, findings.measured.outputs
    true = findings.measured.rows.frame[target.name][row]
    if target.task == "regression":
        predicted = float(outputs[row])
        error = float(findings.measured.rows.target[row]) - predicted
        return [_cell(true), format_number(predicted), format_number(error)]
    code = int(findings.measured.rows.target[row])
    probability = _percent(outputs[row, code]) if code >= 0 else "unknown class"
    best = int(findings.trained.model.decided(outputs[row : row + 1])[0])
    predicted = f"{escape(str(target.classes[best]))} ({100 * outputs[row, best]:.1f} %)"
    return [_cell(true), predicted, probability]


def _percent(share: float) -> str:
    """A probability, of small ones two digits that count (of 99.7 these would be a power of ten).

    >>> _percent(0.0019), _percent(0.345), _percent(0.9969)
    ('0.19 %', '34.5 %', '99.7 %')
    """
    return f"{100 * share:.2g} %" if share < 0.01 else f"{100 * share:.1f} %"


def _cell(value: Any) -> str:
    if value is None:
        return "<span class='none'>missing</span>"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not np.isfinite(value):
            return "<span class='none'>missing</span>"
        return f"{value:.6g}" if abs(value) < 1000 else format_number(value)
    text = str(value)
    return escape(text if len(text) <= 40 else text[:39] + "…")


def _columns(findings: Findings) -> str:
    model = findings.trained.model
    schema = model.schema
    head = ["column", "kind", "missing", "values", "what becomes of it"]
    rows = [[escape(text) for text in row.cells] for row in column_rows(schema, model.fitted.monotone)]
    count = counted(schema.rows, "training row")
    return _section("The data", f"<p>{count}.</p>" + _table(head, rows, numeric=(2,)))


def _settings(findings: Findings) -> str:
    rows = [
        [escape(str(name)), f"<code>{escape(str(value))}</code>"]
        for name, value in {**findings.settings, **findings.settings["resolved"]}.items()
        if name not in ("resolved", "options", "column_kinds") and value not in (None, {}, ())
    ]
    return _section(
        "Settings",
        f"<details><summary>All settings of this run</summary>{_table(['setting', 'value'], rows)}</details>",
    )
