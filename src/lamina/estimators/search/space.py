"""The settings of a search's trials: first the presets, then random values drawn by each setting's `Draw`.

The ranges come from RealMLP's tuning for TabArena (Erickson et al., 2025, arXiv 2506.16791; Holzmüller, Grinsztajn,
Steinwart, 2024, arXiv 2407.04491), for all parameters that the estimators share. Label smoothing is left out, since
it makes the log-loss of calibrated outputs worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina.estimators.declaring import declared
from lamina.estimators.settings import Settings
from lamina.table.schema import Task

_FIRST_ROWS = 32_768
"""Number of rows on which the preset `fast` takes a second or two for any table."""
_TIMES_MORE = 8
_OF_ONE_KIND = 2
_KINDS = 4
"""Number of kinds of networks: one varies `realmlp`, which takes ten times as long, the others vary `medium`."""
CYCLE = _OF_ONE_KIND * _KINDS
"""Number of trials after which the kinds of networks repeat."""
OPENINGS = ("medium", "medium", "realmlp", "medium")
"""The presets of the first trials after `fast`; the networks of `medium` differ by their random numbers."""
FEW_MEMBERS, MORE_OPENINGS = 5, ("medium", "medium", "medium")
"""The presets that follow where a trial has few networks, so that their mean has enough."""
EARLIER_OPENINGS = ("medium", "realmlp")
"""The same in searches that earlier versions began."""


def openings(rows: int, presets: Sequence[str] = OPENINGS) -> list[tuple[str, int]]:
    """The first trials of every search, as pairs of a preset and a number of rows per member.

    Small trials come first, for early results.

    >>> openings(10_000)
    [('fast', 10000), ('medium', 10000), ('medium', 10000), ('realmlp', 10000), ('medium', 10000)]
    >>> [rows for preset, rows in openings(1_000_000) if preset == "fast"]
    [32768, 262144, 1000000]
    """
    sizes = [_FIRST_ROWS]
    while sizes[-1] < rows:
        sizes.append(sizes[-1] * _TIMES_MORE)
    return [*(("fast", min(size, rows)) for size in sizes), *((preset, rows) for preset in presets)]


def preset_of(number: int) -> str:
    """The preset from which a random trial's settings are varied.

    >>> [preset_of(number) for number in (0, 5, 6, 7, 8)]
    ['medium', 'medium', 'realmlp', 'realmlp', 'medium']
    """
    return "realmlp" if number % CYCLE >= CYCLE - _OF_ONE_KIND else "medium"


def suggested(seed: int, number: int, task: Task) -> Mapping[str, Any]:
    """The settings of a random trial: the preset, and random values for other settings.

    Settings that need recompilation are the same for `_OF_ONE_KIND` consecutive trials, since compiling takes as long
    as a few epochs.
    """
    kind = np.random.default_rng([seed, number // _OF_ONE_KIND, 1])
    rng = np.random.default_rng([seed, number, 2])
    preset = preset_of(number)
    usual = Settings(preset, task)
    draws = [(about.draw, name) for name, about in declared(Settings).items() if about.draw is not None]
    drawn = {
        name: draw.draw(kind if draw.compiles else rng, usual)
        for draw, name in sorted(draws, key=lambda pair: pair[0].place)
    }
    return {"preset": preset, **drawn}
