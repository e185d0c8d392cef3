"""The SVG figures of a report: learning curves, confusion matrix, calibration, residuals, importance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import numpy as np

from lamina.estimators.importance import Importance
from lamina.runs.evaluation import ColumnShap, Curve, Ranking
from lamina.runs.metrics import Covered
from lamina.support.messages import printable
from lamina.training import pictures
from lamina.training.checkpoint import Lines
from lamina.training.pictures import BLUE, GRAY, ORANGE, Curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_POINTS = 1500
BINS = 10
FEW_CLASSES = 5
"""Maximum number of classes for which a confusion matrix has room for shares beside the counts."""

_MANY_TRIALS = 30
_LINES = (BLUE, ORANGE, "#3f9467", "#8a5fb0", GRAY)

# With these widths and font sizes a page shows figures unscaled, and a phone shows them readable at two thirds.
_WIDE, _NARROW = 5.6, 4.5

P = ParamSpec("P")


def _drawn(draw: Callable[Concatenate[Figure, P], None]) -> Callable[P, str]:
    """Decorate a function that draws into a figure; the decorated function returns the figure as SVG text."""

    @wraps(draw)
    def text(*args: P.args, **kwargs: P.kwargs) -> str:
        return pictures.drawn(lambda figure: draw(figure, *args, **kwargs), _NARROW, 4.0).decode()

    return text


@_drawn
def learning_curves(
    figure: Figure, history: Lines, best: int, loss_name: str, score: str = "loss", sign: int = -1
) -> None:
    """Draw the training and the validation loss by epoch, and mark the kept epoch.

    If the validation score is not the loss, separate axes show its curve.
    """
    lines = {"training": [epoch["loss"] for epoch in history]}
    scores = [epoch["validation_score"] for epoch in history]
    is_validated = all(value is not None for value in scores)
    validation = {"validation": [sign * value for value in scores]} if is_validated else {}
    if score == "loss":
        curves = [Curves(loss_name, {**lines, **validation}, best if is_validated else None)]
    else:
        curves = [Curves(loss_name, lines)]
        curves += [Curves(score.replace("_", " "), validation, best)] if is_validated else []
    figure.set_size_inches(_WIDE, 3.2)
    pictures.learning_curves([epoch["epoch"] for epoch in history], curves, figure)


@_drawn
def confusion(figure: Figure, counts: np.ndarray, names: Sequence[str]) -> None:
    """Draw the confusion matrix, with a row per true class and a column per predicted class.

    The color shows a cell's share of its row.
    """
    side = max(_NARROW - 0.5, 1.2 + 0.42 * len(names))
    figure.set_size_inches(side + 0.5, side)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    few = len(names) <= FEW_CLASSES
    for (i, j), share in np.ndenumerate(shares):
        text = f"{counts[i, j]:,}" + (f"\n{100 * share:.1f} %" if few else "")
        if counts[i, j] or few:
            color, size = "white" if share > 0.55 else "#26303a", 10.5 if few else 8.5
            axes.text(j, i, text, ha="center", va="center", fontsize=size, color=color)
    short = [_label(name, 14) for name in names]
    axes.set_xticks(range(len(names)), short, rotation=0 if max(map(len, short)) * len(short) <= 40 else 60)
    axes.set_yticks(range(len(names)), short)
    axes.set(xlabel="predicted", ylabel="true")
    axes.grid(visible=False)
    axes.tick_params(length=0)


@_drawn
def search(figure: Figure, trials: Lines, best: Sequence[tuple[float, float]], score: str, sign: int) -> None:
    """Draw each trial's final score as a point, and over time the score of the best average of trials as a line."""
    figure.set_size_inches(_WIDE, 3.4)
    axes = figure.subplots()
    known = [trial for trial in trials if trial["score"] is not None]
    for trial_is_averaged, color, label in ((False, GRAY, "other trials"), (True, BLUE, "averaged trials")):
        part = [
            (one["ended"], sign * one["score"]) for one in known if bool(one["share"]) == trial_is_averaged
        ]
        if part:
            axes.scatter(*zip(*part, strict=True), s=22, color=color, alpha=0.8, lw=0, label=label, zorder=3)
    times, scores = [seconds for seconds, _ in best], [sign * value for _, value in best]
    end = max([*times, *(trial["ended"] for trial in trials)])
    axes.step([*times, end], [*scores, scores[-1]], where="post", color=ORANGE, lw=1.4, label="best average")
    seen = sign * np.array([*scores, *(sign * one["score"] for one in known)])
    # A few very bad trials among many must not flatten the others.
    worst = np.quantile(seen, 0.1 if len(seen) > _MANY_TRIALS else 0.0)
    low, high = sorted(sign * float(end) for end in (worst, seen.max()))
    margin = 0.12 * (high - low) or 0.05 * abs(low) or 1.0
    axes.set_ylim(low - margin, high + margin)
    axes.set(xlabel="seconds of search", ylabel=score.replace("_", " "))
    axes.legend()


def calibration_bins(
    confidence: np.ndarray, correct: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean confidence, the accuracy and the number of rows of each bin; bins have equal numbers of rows."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, min(BINS, len(order))) if len(part)]
    said = np.array([confidence[part].mean() for part in parts])
    so = np.array([correct[part].mean() for part in parts])
    return said, so, np.array([len(part) for part in parts])


@_drawn
def calibration(figure: Figure, confidence: np.ndarray, correct: np.ndarray, what: str) -> None:
    """Draw the observed frequency by predicted probability, with Wilson's 95 % intervals.

    The probabilities are divided into bins with equal numbers of rows.
    """
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    said, so, rows = calibration_bins(confidence, correct)
    low, high = _wilson(so, rows)
    top.plot([0, 1], [0, 1], color=GRAY, lw=1, ls="--", label="perfect")
    errors = np.abs(np.array([so - low, high - so]))
    top.errorbar(said, so, errors, color=BLUE, marker="o", ms=4, capsize=2, label="network")
    top.set(ylabel="observed frequency", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    top.legend()
    bottom.hist(confidence, bins=40, range=(0, 1), color=BLUE, alpha=0.6)
    bottom.set(xlabel=_label(what, 80), ylabel="rows")


@_drawn
def roc(figure: Figure, found: Sequence[Ranking]) -> None:
    """Draw ROC curves, and the diagonal of random guessing."""
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GRAY, lw=1, ls="--")
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    _curves(axes, [(f"{_label(one.name, 20)}: AUC", one.roc) for one in found])


@_drawn
def precision_recall(figure: Figure, found: Sequence[Ranking]) -> None:
    """Draw precision-recall curves; for curves of a single class, also draw the precision of random guessing."""
    axes = figure.subplots()
    if len({one.share for one in found}) == 1:
        axes.axhline(found[0].share, color=GRAY, lw=1, ls="--")
    axes.set(xlabel="recall", ylabel="precision")
    curves = [(f"{_label(one.name, 20)}: average precision", one.precision_recall) for one in found]
    _curves(axes, curves, drawstyle="steps-post")


def _curves(axes: Any, curves: Sequence[tuple[str, Curve]], **style: Any) -> None:
    """Draw curves with their areas, and mark the points at the network's decision threshold."""
    for (label, curve), color in zip(curves, _LINES, strict=False):
        axes.plot(curve.x, curve.y, color=color, label=f"{label} {curve.area:.3f}", **style)
    for _, curve in curves:
        if curve.decision is not None:
            axes.plot(*curve.decision, color=BLUE, marker="o", ms=7, mec="white", ls="", label="as predicted")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    _legend_above(axes)


def _legend_above(axes: Any) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0))


def _wilson(share: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lower and upper bounds of Wilson's 95 % interval for a proportion (1927) of `count` rows."""
    z = 1.96
    center = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return center - half, center + half


@_drawn
def predicted_and_true(figure: Figure, target: np.ndarray, predicted: np.ndarray, name: str) -> None:
    """Draw each row's true value by its prediction, and the mean true value in each decile of the predictions."""
    axes = figure.subplots()
    rows = np.random.default_rng(0).permutation(len(target))[:MOST_POINTS]
    axes.scatter(predicted[rows], target[rows], s=6, alpha=0.35, color=BLUE, lw=0, label="rows")
    ends = [min(predicted.min(), target.min()), max(predicted.max(), target.max())]
    axes.plot(ends, ends, color=GRAY, lw=1, ls="--", label="perfect")
    order = np.array_split(np.argsort(predicted, kind="stable"), min(BINS, len(target)))
    means = [(predicted[part].mean(), target[part].mean()) for part in order if len(part)]
    axes.plot(*zip(*means, strict=True), color=ORANGE, marker="o", ms=4, lw=1, label="mean of each decile")
    axes.set(xlabel=f"predicted {_label(name)}", ylabel=f"true {_label(name)}")
    _legend_above(axes)
    _plain_numbers(axes)


@_drawn
def residuals(figure: Figure, target: np.ndarray, predicted: np.ndarray, name: str) -> None:
    """Draw a histogram of the errors, true minus predicted values."""
    axes = figure.subplots()
    errors = target - predicted
    low, high = np.quantile(errors, [0.005, 0.995])
    shown = errors[(errors >= low) & (errors <= high)]
    axes.hist(shown, bins=50, color=BLUE, alpha=0.75)
    axes.axvline(0, color=GRAY, lw=1)
    axes.axvline(errors.mean(), color=ORANGE, lw=1.2, ls="--", label=f"mean {errors.mean():,.4g}")
    axes.set(xlabel=f"true − predicted {_label(name)} (middle 99 %)", ylabel="rows")
    axes.legend()
    _plain_numbers(axes)


@_drawn
def coverage(figure: Figure, found: Sequence[Covered], rows: int) -> None:
    """Draw the observed coverage of prediction intervals by nominal coverage, with Wilson's 95 % intervals."""
    axes = figure.subplots()
    said, so = np.array([one.coverage for one in found]), np.array([one.held for one in found])
    low, high = _wilson(so, np.full(len(so), rows))
    first = min(said.min(), low.min()) - 0.05
    axes.plot([first, 1], [first, 1], color=GRAY, lw=1, ls="--", label="perfect")
    errors = np.abs(np.array([so - low, high - so]))
    axes.errorbar(said, so, errors, color=BLUE, marker="o", ms=4, capsize=2, label="intervals")
    axes.set(xlabel="nominal coverage", ylabel="observed coverage", xlim=(first, 1.02), ylim=(first, 1.02))
    axes.legend(loc="upper left")


@_drawn
def importances(figure: Figure, found: Sequence[Importance], unit: str, *, wide: bool) -> None:
    """Draw the importance of each column, the largest on top, with 95 % intervals."""
    _columns(figure, found, f"increase in {unit}", wide=wide)


@_drawn
def mean_shap(figure: Figure, found: Sequence[ColumnShap], added: str) -> None:
    """Draw the mean |SHAP value| of each column, in the order of `found`, with 95 % intervals."""
    _columns(figure, found, f"mean |SHAP|, {_label(added, 24)}", wide=False)


def _columns(figure: Figure, found: Sequence[Importance], what: str, *, wide: bool) -> None:
    figure.set_size_inches(_WIDE if wide else _NARROW, 1.0 + 0.28 * len(found))
    names = [_label(one.column, 24) for one in found]
    axes = figure.subplots()
    pictures.bars(axes, names, found, what)
    axes.locator_params(axis="x", nbins=8 if wide else 5)


def _label(name: str, most: int = 40) -> str:
    """Shorten a name from the data, and remove characters that are invalid in SVG."""
    name = printable(name, keep="")
    return name if len(name) <= most else name[: most - 1] + "…"


def _plain_numbers(axes: Any) -> None:
    for axis, most in ((axes.xaxis, 4), (axes.yaxis, 6)):
        axis.set_major_formatter(pictures.PLAIN_NUMBER)
        axis.get_major_locator().set_params(nbins=most)
