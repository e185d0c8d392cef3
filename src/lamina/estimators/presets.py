"""Presets: their names, and defaults that depend on a table's size; `lamina.estimators.settings` has their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KNOWN = ("default", "medium", "fast", "sklearn", "best")
"""``default``: RealMLP-TD (Holzmüller, Grinsztajn, Steinwart, 2024, arXiv 2407.04491) with three changes, each
measured as an improvement (docs/estimators-measured.md): the embedding of a number has a piecewise linear part
(Gorishniy, Rubachev, Babenko, 2022, arXiv 2203.05556); two networks, trained for fewer epochs, are averaged; and
there is no label smoothing, which costs log-loss. ``medium``: smaller networks with one cycle of a high learning rate,
which reach the default's losses on adult and california in a tenth of its time. ``fast``: one of them for a few epochs.
``best``: a search that starts from the default's values, see `lamina.estimators.search`. ``sklearn``: as in
`sklearn.neural_network`, except that a regression's target is standardized."""

RETIRED = {"sklearn": "lamina.neural_network"}
"""Retired presets, which still work with a warning, and their replacements: scikit-learn's networks themselves."""

PRESETS = tuple(name for name in KNOWN if name not in RETIRED)
"""The current presets."""

ENOUGH_STEPS = {"default": 500, "medium": 800, "fast": 800, "best": 500}
FEWEST_EPOCHS = {"default": 64, "medium": 32, "fast": 6, "best": 64}
JUST_STEPS_ROWS = 4000
MOST_EPOCHS = 256  # RealMLP-TD's number, for any table
FEWEST_MEMBERS = {"default": 2, "medium": 2, "fast": 1, "best": 2}
_MOST_MEMBERS = 5
_SMALL = 5000  # rows
_MEDIUM = 20_000  # rows: here a second small network takes less than a second
_WIDE = 500  # columns
_MOST_EMBEDDED = 128  # numbers whose embedding takes no more time than the rest of a small network


@dataclass(frozen=True)
class _Pace:
    """Settings of `fast` for tables of at most `most_rows` rows."""

    most_rows: int
    batch: int
    epochs: int


_PACES = (_Pace(2000, 64, 20), _Pace(_SMALL, 128, 32))
_ROWS_SEEN = 20_000  # by each network, at least: a tenth of a second for four of them on two cores
_STEPS_AN_EPOCH = 5  # of tables too small for whole batches
_SMALL_RATE = 0.05
_MOST_EMBEDDED_SOON = 32  # embedding as many numbers takes about as long as the rest of a step
_FAST_MEMBERS = 4  # two cores take as long for five as for six


def enough_members(preset: str, rows: int, columns: int) -> int:
    """A preset's default number of networks: more if they train quickly."""
    if rows > _MEDIUM:
        return FEWEST_MEMBERS[preset]
    is_slow = rows > _SMALL or (preset in ("medium", "fast") and columns > _WIDE)
    if is_slow:
        return 2
    return _FAST_MEMBERS if preset == "fast" else _MOST_MEMBERS


def for_small_table(preset: str, rows: int, numbers: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of `fast` for few rows and `numbers` numeric columns, without those `given`.

    Each network sees the rows a few times, and `_ROWS_SEEN` of them at least, in batches small enough for many steps.
    """
    pace = next((pace for pace in _PACES if rows <= pace.most_rows), None)
    if preset != "fast" or pace is None:
        return {}
    chosen: dict[str, Any] = {
        "batch_size": min(pace.batch, max(rows // _STEPS_AN_EPOCH, 1)),
        "learning_rate_init": _SMALL_RATE,
        "number_embedding": numbers <= _MOST_EMBEDDED_SOON,
    }
    if given.get("batch_size") is None:  # else as many steps as on larger tables
        chosen["max_iter"] = min(max(pace.epochs, -(-_ROWS_SEEN // max(rows, 1))), MOST_EPOCHS)
    return {name: value for name, value in chosen.items() if given.get(name) is None}


def embeds_numbers(given: bool | None, numbers: int) -> bool:
    """Whether a table's numbers are embedded: as given, by default if there are few."""
    return numbers <= _MOST_EMBEDDED if given is None else given


def enough_epochs(preset: str, rows: int, batch: int) -> int:
    """A preset's default number of epochs on `rows` rows.

    The preset's number of steps, but at least some epochs; for small tables, which train more networks, only the
    steps.
    """
    fewest = 1 if rows <= JUST_STEPS_ROWS else FEWEST_EPOCHS[preset]
    epochs = -(-ENOUGH_STEPS[preset] // max(rows // batch, 1))
    return min(max(epochs, fewest), MOST_EPOCHS)
