"""The settings that a search tries: first the presets', then others at random.

The ranges are those with which RealMLP was tuned for TabArena (Erickson et al., 2025, arXiv 2506.16791; Holzmüller,
Grinsztajn, Steinwart, 2024, arXiv 2407.04491), where the estimators have a parameter for it. There is no label
smoothing: outputs are calibrated, and it costs log-loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["CYCLE", "openings", "preset_of", "suggested"]

_FIRST_ROWS = 32_768
"""On so many rows the preset `fast` takes a second or two, whatever the table."""
_TIMES_MORE = 8
_OF_ONE_KIND = 2
_KINDS = 4
"""Of so many kinds of networks one is around `default`, and takes ten times as long as the others, around `medium`."""
CYCLE = _OF_ONE_KIND * _KINDS
"""After so many the kinds come again."""
_WIDTHS = (128, 192, 256)
"""TabArena's go up to 512, which on a processor take as long as several networks of these."""


def openings(rows: int) -> list[tuple[str, int]]:
    """The first trials, the same for any limit, so that there is something soon: presets, and rows of each member.

    >>> openings(10_000)
    [('fast', 10000), ('medium', 10000), ('default', 10000)]
    >>> openings(1_000_000)
    [('fast', 32768), ('fast', 262144), ('fast', 1000000), ('medium', 1000000), ('default', 1000000)]
    """
    sizes = [_FIRST_ROWS]
    while sizes[-1] < rows:
        sizes.append(sizes[-1] * _TIMES_MORE)
    return [*(("fast", min(size, rows)) for size in sizes), ("medium", rows), ("default", rows)]


def preset_of(number: int) -> str:
    """The preset around which the settings of a trial are drawn.

    >>> [preset_of(number) for number in (0, 5, 6, 7, 8)]
    ['medium', 'medium', 'default', 'default', 'medium']
    """
    return "default" if number % CYCLE >= CYCLE - _OF_ONE_KIND else "medium"


def suggested(seed: int, number: int, rate_of: Callable[[str], float]) -> Mapping[str, Any]:
    """A preset, and settings drawn at random around it, for a trial; `rate_of` gives a preset's learning rate.

    Those that make other machine code are the same for `_OF_ONE_KIND` trials: compiling takes as long as some epochs.
    """
    kind = np.random.default_rng([seed, number // _OF_ONE_KIND, 1])
    rng = np.random.default_rng([seed, number, 2])
    preset = preset_of(number)
    is_large = preset == "default"
    return {
        "preset": preset,
        "hidden_layer_sizes": (int(kind.choice(_WIDTHS)),) * int(kind.integers(2, 5 if is_large else 4)),
        "activation": str(kind.choice(["selu", "mish"])),
        "learned_activation": bool(kind.integers(2)),
        "beta_2": float(kind.choice([0.95, 0.97, 0.99])),
        "number_pieces": (16, None, 0)[int(kind.integers(3))],
        "dropout": round(float(rng.uniform(0, 0.3)), 3),
        "learning_rate_init": float(f"{rate_of(preset) * _log_uniform(rng, 0.5, 2.0):.3g}"),
        "weight_decay": _log_uniform(rng, 0.005, 0.05),
    }


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform, to three digits."""
    return float(f"{math.exp(rng.uniform(math.log(low), math.log(high))):.3g}")
