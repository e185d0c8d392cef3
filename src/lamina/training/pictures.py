"""Pictures as bytes, drawn by Matplotlib without a display; and learning curves."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lamina.extras import require

__all__ = ["BLUE", "GRAY", "ORANGE", "Curves", "bars", "curves", "drawn", "learning_curves", "plain_number"]

BLUE, ORANGE, GRAY = "#2f6db3", "#d9822b", "#8a94a0"
_MOST_MARKERS = 40
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
    "text.parse_math": False,  # names may hold dollar signs
}


def drawn(
    draw: Callable[[Any], None], width: float, height: float, kind: Literal["svg", "png"] = "svg"
) -> bytes:
    """A figure of this size, in inches, that `draw` fills.

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
        as_svg = kind == "svg"  # which pages show, on their own background
        figure.savefig(
            content, format=kind, dpi=120, transparent=as_svg, metadata={"Date": None} if as_svg else None
        )
    return content.getvalue()


@dataclass(frozen=True)
class Curves:
    """Lines over the epochs, in axes of their own.

    Attributes:
        what: what the vertical axis measures.
        lines: the values of each epoch, by what the line is called.
        kept: the epoch whose network is kept, if one is.
        begins_at_0: whether the vertical axis does.
    """

    what: str
    lines: Mapping[str, Sequence[float]]
    kept: int | None = None
    begins_at_0: bool = False


def learning_curves(numbers: Sequence[int], parts: Sequence[Curves], figure: Any) -> None:
    """Draw curves over the epochs of these numbers side by side."""
    for axes, part in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        curves(axes, numbers, part)


def curves(axes: Any, numbers: Sequence[int], part: Curves) -> list[Any]:
    """Draw curves over the epochs of these numbers; the lines that were drawn."""
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


def bars(
    axes: Any,
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    what: str,
) -> Any:
    """Draw values as bars with their intervals, the first on top; the bars that were drawn.

    `what`: what the horizontal axis measures.
    """
    places = range(len(names) - 1, -1, -1)
    below = [value - low for value, (low, _) in zip(values, intervals, strict=True)]
    above = [high - value for value, (_, high) in zip(values, intervals, strict=True)]
    drawn = axes.barh(
        places, values, xerr=[below, above], color=BLUE, alpha=0.8, height=0.65, ecolor="#26303a", capsize=2
    )
    axes.set_yticks(places, names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.axvline(0, color="#59636e", lw=0.8)
    axes.set(xlabel=what)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(plain_number())
    return drawn


def plain_number() -> Any:
    """A formatter of ticks: thousands with commas instead of powers of ten."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{value:,.6g}")
