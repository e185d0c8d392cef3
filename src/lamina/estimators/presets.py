"""Names of the presets, and defaults that depend on a table's size; `lamina.estimators.settings` has the values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KNOWN = ("default", "medium", "fast", "realmlp", "sklearn", "best")
"""The presets, with retired ones.

``medium``: small networks with one cycle of a high learning rate, and a linear path (`lamina.estimators.linear_path`).
``default``: twice as many of these, or more. ``fast``: fewer, trained for a few epochs. ``realmlp``: RealMLP-TD
(Holzmüller, Grinsztajn, Steinwart, 2024, arXiv 2407.04491) with three changes, each measured as an improvement
(docs/estimators-measured.md): the embedding of a number has a piecewise linear part (Gorishniy, Rubachev, Babenko,
2022, arXiv 2203.05556); two networks, trained for fewer epochs, are averaged; and there is no label smoothing, which
makes the log-loss worse. ``best``: a search among networks of all of these, see `lamina.estimators.search`.
``sklearn``: as in `sklearn.neural_network`, except that a regression's target is standardized. docs/adr/presets.md
has the measurements.
"""

RETIRED = {"sklearn": "lamina.neural_network"}
"""Retired presets, which still work with a warning, and the modules that replace them."""

PRESETS = tuple(name for name in KNOWN if name not in RETIRED)
"""The current presets."""

ENOUGH_STEPS = {"default": 800, "medium": 800, "fast": 800, "realmlp": 500}
FEWEST_EPOCHS = {"default": 32, "medium": 32, "fast": 6, "realmlp": 64}
JUST_STEPS_ROWS = 4000
MOST_EPOCHS = 256  # RealMLP-TD's number of epochs for any table
_SMALL = 5000  # rows
_MEDIUM = 20_000  # rows; up to here a second small network takes less than a second
_MEMBERS = {
    "default": (10, 5, 5), "medium": (5, 2, 2), "fast": (4, 2, 1), "realmlp": (5, 2, 2), "best": (10, 5, 2)
}  # fmt: skip
"""The numbers of networks for small, medium and large tables; two cores would take as long for five as for six."""
_WIDE = 500  # columns
_MOST_EMBEDDED = 128  # numeric columns; their embedding takes no more time than the rest of a small network


_PACES = {2000: (64, 20), _SMALL: (128, 32)}
"""The batch size and the epochs of the preset "fast" by the maximum number of rows."""
_ROWS_SEEN = 20_000  # minimum for each network; takes four networks on two cores a tenth of a second
_STEPS_AN_EPOCH = 5  # minimum for small tables, whose batches are smaller
_SMALL_RATE = 0.05
_MOST_EMBEDDED_SOON = 32  # numeric columns of small tables; their embedding takes half of a step
_DROPOUT_ROWS = 2000  # with more rows, networks of `medium` drop fewer units (docs/adr/presets.md#dropout)
_LESS_DROPOUT = 0.05


def fewest_members(preset: str) -> int:
    """A preset's default number of networks for large tables."""
    return _MEMBERS[preset][-1]


def enough_members(preset: str, rows: int, columns: int) -> int:
    """A preset's default number of networks; more for small tables, on which networks train quickly."""
    small, medium, large = _MEMBERS[preset]
    if rows > _MEDIUM:
        return large
    is_slow = rows > _SMALL or (preset != "realmlp" and columns > _WIDE)
    return medium if is_slow else small


def for_size(preset: str, rows: int, numbers: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """A preset's settings that depend on the table's size, without those in `given`, which the user has set.

    `numbers` is the number of numeric columns. Networks of `fast` are trained on small tables for several epochs, and
    on at least `_ROWS_SEEN` rows in total, in batches small enough for many steps.
    """
    if preset in ("default", "medium"):
        return {"dropout": _LESS_DROPOUT} if rows > _DROPOUT_ROWS and given.get("dropout") is None else {}
    if preset != "fast" or rows > _SMALL:
        return {}
    batch, epochs = next(pace for most, pace in _PACES.items() if rows <= most)
    chosen: dict[str, Any] = {
        "batch_size": min(batch, max(rows // _STEPS_AN_EPOCH, 1)),
        "learning_rate_init": _SMALL_RATE,
        "number_embedding": numbers <= _MOST_EMBEDDED_SOON,
    }
    if given.get("batch_size") is None:  # a given batch size gets as many steps as on larger tables
        chosen["max_iter"] = min(max(epochs, -(-_ROWS_SEEN // max(rows, 1))), MOST_EPOCHS)
    return {name: value for name, value in chosen.items() if given.get(name) is None}


def embeds_numbers(given: bool | None, numbers: int) -> bool:
    """Whether numeric columns are embedded: `given`, or if it is None, whether there are few columns."""
    return numbers <= _MOST_EMBEDDED if given is None else given


def enough_epochs(preset: str, rows: int, batch: int) -> int:
    """A preset's default number of epochs on `rows` rows, enough for the preset's number of steps.

    There is also a minimum number of epochs, except for small tables, on which more networks are trained.
    """
    fewest = 1 if rows <= JUST_STEPS_ROWS else FEWEST_EPOCHS[preset]
    epochs = -(-ENOUGH_STEPS[preset] // max(rows // batch, 1))
    return min(max(epochs, fewest), MOST_EPOCHS)
