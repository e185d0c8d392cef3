"""Pictures as bytes, drawn by Matplotlib without a display; and learning curves."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lamina.extras import require

__all__ = ["BLUE", "GRAY", "ORANGE", "Curves", "drawn", "learning_curves"]

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
    marker = "o" if len(numbers) <= _MOST_MARKERS else None
    for axes, part in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        for (name, values), color in zip(part.lines.items(), (GRAY, BLUE), strict=False):
            axes.plot(numbers, values, color=color, marker=marker, ms=3, label=name)
        if part.kept is not None:
            axes.axvline(part.kept, color=ORANGE, lw=1, ls="--", label=f"kept: epoch {part.kept}")
        if part.begins_at_0:
            axes.set_ylim(bottom=0)
        axes.set(xlabel="epoch", ylabel=part.what)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
