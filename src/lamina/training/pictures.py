"""Drawing of figures to bytes by Matplotlib, without a display; learning curves and charts."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lamina.support.extras import require

BLUE, ORANGE, GRAY = "#2f6db3", "#d9822b", "#8a94a0"
PLAIN_NUMBER = "{x:,.6g}"
"""The format of ticks with thousands separators instead of powers of ten."""

_MOST_MARKERS = 40
_SWARM_BINS = 120
_STYLE = {
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#b6bec8",
    "axes.labelcolor": "#39434e",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e8ecf0",
    "xtick.color": "#59636e",
    "ytick.color": "#59636e",
    "legend.frameon": False,
    "svg.hashsalt": "lamina",
    "text.parse_math": False,  # since names may have dollar signs
}


def drawn(
    draw: Callable[[Any], object], width: float, height: float, kind: Literal["svg", "png"] = "svg"
) -> bytes:
    """Draw a figure of this size, in inches, by calling `draw`; return the file's bytes.

    Raises:
        MissingPackageError: Matplotlib is not installed.
    """
    require("drawing pictures", "matplotlib")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    content = io.BytesIO()
    with rc_context(_STYLE):  # pyright: ignore[reportArgumentType] - its keys are a closed list there
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        as_svg = kind == "svg"  # transparent, for pages with their own background
        metadata = {"Date": None} if as_svg else None
        figure.savefig(content, format=kind, dpi=120, transparent=as_svg, metadata=metadata)
    return content.getvalue()


@dataclass(frozen=True)
class Curves:
    """Curves over the epochs that share their axes.

    Attributes:
        what: the label of the vertical axis.
        lines: the values of each epoch, by the curve's name.
        kept: the epoch whose network is kept, if any.
        begins_at_0: whether the vertical axis starts at 0.
    """

    what: str
    lines: Mapping[str, Sequence[float]]
    kept: int | None = None
    begins_at_0: bool = False


def learning_curves(numbers: Sequence[int], parts: Sequence[Curves], figure: Any) -> None:
    """Draw several `Curves` over the epochs `numbers`, side by side."""
    for axes, part in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        curves(axes, numbers, part)


def curves(axes: Any, numbers: Sequence[int], part: Curves) -> list[Any]:
    """Draw the curves over the epochs `numbers`; return Matplotlib's lines."""
    marker = "o" if len(numbers) <= _MOST_MARKERS else None
    lines = [
        axes.plot(numbers, values, color=color, marker=marker, ms=3, label=name)[0]
        for (name, values), color in zip(part.lines.items(), (GRAY, BLUE), strict=False)
    ]
    if part.kept is not None:
        axes.axvline(part.kept, color=ORANGE, lw=1, ls="--", label=f"kept: epoch {part.kept}")
    if part.begins_at_0:
        axes.set_ylim(bottom=0)
    axes.set(xlabel="epoch", ylabel=part.what)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    return lines


def bars(axes: Any, names: Sequence[str], values: Sequence[Any], what: str) -> Any:
    """Draw values as horizontal bars with intervals, the first on top; return the bars.

    Each of `values` has a `mean` and the ends of its interval, `low` and `high`. `what` is the label of the horizontal
    axis.
    """
    places, means = range(len(names) - 1, -1, -1), [one.mean for one in values]
    beside = [[one.mean - one.low for one in values], [one.high - one.mean for one in values]]
    drawn = axes.barh(
        places, means, xerr=beside, color=BLUE, alpha=0.8, height=0.65, ecolor="#26303a", capsize=2
    )
    _label_rows(axes, places, names, what)
    axes.grid(visible=False, axis="y")
    return drawn


def swarms(axes: Any, names: Sequence[str], columns: Sequence[tuple[Any, Any]], what: str) -> list[Any]:
    """Draw values as points, with a row of points per name, the first on top; return the artists.

    Args:
        axes: Matplotlib's axes.
        names: the names of the rows of points.
        columns: for each row of points, the values and their shades from 0 (blue) to 1 (orange), NaN for gray.
        what: the label of the horizontal axis.
    """
    spread = float(np.ptp([values for values, _ in columns]))
    width = (spread or 1.0) / _SWARM_BINS
    drawn: list[Any] = []
    places = range(len(names) - 1, -1, -1)
    for place, (values, shades) in zip(places, columns, strict=True):
        heights = place + _beside_each_other(np.round(values / width))
        drawn.append(axes.scatter(values, heights, c=_shaded(shades), s=9, linewidths=0))
    _label_rows(axes, places, names, what)
    axes.locator_params(axis="x", nbins=6)
    _explain_shades(axes, has_gray=any(np.isnan(shades).any() for _, shades in columns))
    return drawn


def _label_rows(axes: Any, places: Sequence[int], names: Sequence[str], what: str) -> None:
    """Name the rows of a chart, and label the horizontal axis, whose zero gets a line."""
    axes.set_yticks(places, names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.axvline(0, color="#59636e", lw=0.8)
    axes.set(xlabel=what)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(PLAIN_NUMBER)


def _explain_shades(axes: Any, *, has_gray: bool) -> None:
    from matplotlib.lines import Line2D

    colors = {"low value": BLUE, "high value": ORANGE, **({"no number": GRAY} if has_gray else {})}
    points = [
        Line2D([], [], color=color, marker="o", ls="", ms=4, label=name) for name, color in colors.items()
    ]
    places = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": len(points)}
    axes.legend(handles=points, frameon=False, handletextpad=0.1, **places)


def _shaded(shades: Any) -> Any:
    """Convert shades from 0 (blue) to 1 (orange) to colours, (points, 4); NaN becomes gray."""
    from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list("shades", [BLUE, "#c9b8a8", ORANGE])
    return colors.with_extremes(bad=GRAY)(shades)


def _beside_each_other(bins: Any) -> Any:
    """Vertical offsets, from -0.4 to 0.4, at which points of the same bin don't overlap."""
    _, where, counts = np.unique(bins, return_inverse=True, return_counts=True)
    order = np.argsort(where, kind="stable")
    firsts = np.cumsum(counts) - counts
    rank = np.empty(len(where))
    rank[order] = np.arange(len(where)) - firsts[where[order]]
    middle = (counts[where] - 1) / 2
    return 0.4 * (rank - middle) / max(middle.max(), 4.0)
