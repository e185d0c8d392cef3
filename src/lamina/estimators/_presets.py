"""Presets: the values of all settings that the user leaves open.

A new setting has its values and its rule here, its meaning in `parameters.py`, a field of the estimators in `base.py`
(scikit-learn reads the constructor made of them), a line in the table of docs/estimators.md, and is passed on in
`base.py` to a field of the `Optimization` or the `Architecture` that has its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.estimators._optimization import SOLVERS
from lamina.messages import unknown
from lamina.nd.activation import activation_by_name
from lamina.schedules import SCHEDULES

__all__ = [
    "ENOUGH_STEPS", "FEWEST_EPOCHS", "FEWEST_MEMBERS", "JUST_STEPS_ROWS", "MOST_EPOCHS", "PRESETS", "RETIRED",
    "SETTINGS", "check_settings", "embeds_numbers", "enough_epochs", "enough_members", "for_small_table", "resolve",
]  # fmt: skip

_VALUES: dict[str, tuple[Any, Any, Any, Any]] = {
    # default, medium, fast, sklearn
    "members": (None, None, None, 1),  # None: by the number of rows
    "hidden_layer_sizes": ((256, 256, 256), (128, 128), (128, 128), (100,)),
    "solver": ("adam", "adam", "adam", "adam"),
    "alpha": (0.0, 0.0, 0.0, 1e-4),
    "batch_size": (256, 256, 256, 200),
    "max_iter": (None, None, None, 200),  # None: by the number of rows
    "learning_rate": ("coslog4", "one_cycle", "one_cycle", "constant"),
    "beta_1": (0.9, 0.9, 0.9, 0.9),
    "beta_2": (0.95, 0.95, 0.95, 0.999),
    "epsilon": (1e-8, 1e-8, 1e-8, 1e-8),
    "weight_decay": (0.02, 0.02, 0.02, 0.0),
    "dropout": (0.15, 0.1, 0.05, 0.0),
    "regularization_schedule": ("flat_cos", "flat_cos", "flat_cos", "constant"),
    "label_smoothing": (0.0, 0.0, 0.0, 0.0),
    "calibrate": (True, True, True, False),
    "normalization": (None, None, None, None),
    "number_embedding": (True, None, None, False),  # None: by the number of numbers
    "number_pieces": (None, None, None, 0),  # None: by the numbers' values
    "embedding_width": (8, 8, 8, 8),
    "input_scale": (True, True, True, False),
    "learned_activation": (True, False, False, False),
    "ntk": (True, True, True, False),
    "preprocess": (True, True, True, False),
    "drop_last": (True, True, True, False),
    "shards": (None, None, None, None),
    "early_stopping": (True, True, True, False),
    "validation_fraction": (0.2, 0.1, 0.1, 0.1),
    "n_iter_no_change": ("cycle", None, "auto", 10),  # 'cycle': see `CycleStopping`; 'auto': a quarter of the epochs
    "tol": (0.0, 0.0, 0.0, 1e-4),
}  # fmt: skip

_TASK: dict[str, dict[str, Any]] = {
    "classification": {"activation": "selu", "learning_rate_init": 0.04},
    "regression": {"activation": "mish", "learning_rate_init": 0.2},
}

_RATE: dict[tuple[str, str], float] = {
    ("medium", "classification"): 0.1,  # of a single cycle, which ends with many short steps
    ("medium", "regression"): 0.1,
    ("fast", "regression"): 0.1,  # few steps do not recover from steps as long as the default's
}
"""The base learning rates that are not the task's."""

PRESETS: dict[str, dict[str, Any]] = {
    preset: {name: values[i] for name, values in _VALUES.items()}
    for i, preset in enumerate(("default", "medium", "fast", "sklearn"))
}
PRESETS["sklearn"] |= {"activation": "relu", "learning_rate_init": 1e-3}
"""``default``: RealMLP-TD (Holzmüller, Grinsztajn, Steinwart, 2024, arXiv 2407.04491) with three changes, each because
it was measured to be better (docs/estimators.md): the embedding of a number has a piecewise linear part (Gorishniy,
Rubachev, Babenko, 2022, arXiv 2203.05556); two networks that are trained for fewer epochs are averaged; and there is no
label smoothing, which costs log-loss. ``medium``: smaller networks with one cycle of a high learning rate, which reach
the default's losses on adult and california in a tenth of its time. ``fast``: one of them for a few epochs.
``sklearn``: what `sklearn.neural_network` does, except that a regression's target is standardized."""

PRESETS["best"] = PRESETS["default"]
"""Searches from there on: see `lamina.estimators.search`."""

RETIRED = {"sklearn": "lamina.neural_network"}
"""Presets that are still obeyed, with a warning, and what took their places: scikit-learn's networks themselves."""

SETTINGS = (*_TASK["classification"], *_VALUES)
"""The parameters of the estimators that have a value in each preset."""

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
    """How `fast` trains on tables of at most so many rows."""

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
    """How many networks a preset trains if the user does not say: more where that takes little time."""
    if rows > _MEDIUM:
        return FEWEST_MEMBERS[preset]
    is_slow = rows > _SMALL or (preset in ("medium", "fast") and columns > _WIDE)
    if is_slow:
        return 2
    return _FAST_MEMBERS if preset == "fast" else _MOST_MEMBERS


def for_small_table(preset: str, rows: int, numbers: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """What `fast` does otherwise on a table of few rows, `numbers` of whose columns are: the settings not `given`.

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
    """Whether a table's numbers are embedded: as is said, else if they are few."""
    return numbers <= _MOST_EMBEDDED if given is None else given


def enough_epochs(preset: str, rows: int, batch: int) -> int:
    """How many epochs a preset trains on `rows` if the user does not say.

    So many steps, but at least some epochs, and for small tables, where more networks are trained, just the steps.
    """
    fewest = 1 if rows <= JUST_STEPS_ROWS else FEWEST_EPOCHS[preset]
    epochs = -(-ENOUGH_STEPS[preset] // max(rows // batch, 1))
    return min(max(epochs, fewest), MOST_EPOCHS)


def resolve(preset: str, task: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings: those given (not None), else the preset's."""
    if preset not in PRESETS:
        raise ValueError(unknown("preset", preset, PRESETS))
    settings = {**_TASK[task], **PRESETS[preset]}
    settings["learning_rate_init"] = _RATE.get((preset, task), settings["learning_rate_init"])
    settings.update({key: value for key, value in given.items() if value is not None})
    return settings


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise `ValueError` with the setting's name and what it may be, for values that cannot work."""
    for name, (fits, rule) in _RULES.items():
        value = settings[name]
        for one in value if isinstance(value, tuple | list) else [value]:
            if not _holds(fits, one):
                raise ValueError(f"{name} must be {rule}, got {value!r}")
    if settings["shards"] is not None and SOLVERS[settings["solver"]].matrix_step is not None:
        raise ValueError(
            f"solver={settings['solver']!r} needs whole matrices, which shards cut: solver='adam', or no shards"
        )
    names = settings["activation"]
    for name in names if isinstance(names, tuple | list) else [names]:
        activation_by_name(name)


def _holds(fits: Callable[[Any], bool], value: Any) -> bool:
    try:
        return bool(fits(value))
    except TypeError:  # a text for a number
        return False


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and int(value) >= 1


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)


_SWITCH: tuple[Any, str] = (lambda value: value is None or value in (True, False), "True or False")


def _one_of(*values: Any) -> tuple[Any, str]:
    return (lambda value: value in values), f"one of {', '.join(map(repr, values))}"


_RULES: dict[str, tuple[Any, str]] = {
    "members": (lambda value: value is None or _is_count(value), "a whole number >= 1"),
    "hidden_layer_sizes": (_is_count, "> 0"),
    "batch_size": (_is_count, "a whole number >= 1"),
    "shards": (lambda value: value is None or _is_count(value), "a whole number >= 1"),
    "max_iter": (lambda value: value is None or _is_count(value), "a whole number >= 1"),
    "learning_rate_init": (lambda value: value > 0, "> 0"),
    "validation_fraction": (lambda value: 0 < value < 1, "between 0 and 1"),
    "alpha": (lambda value: value >= 0, ">= 0"),
    "number_pieces": (lambda value: value is None or value == 0 or _is_count(value), "a whole number >= 0"),
    "weight_decay": (lambda value: value >= 0, ">= 0"),
    "label_smoothing": (lambda value: 0 <= value < 1, "at least 0 and below 1"),
    "dropout": (lambda value: 0 <= value < 1, "at least 0 and below 1"),
    "beta_1": (lambda value: 0 <= value < 1, "at least 0 and below 1"),
    "beta_2": (lambda value: 0 <= value < 1, "at least 0 and below 1"),
    "epsilon": (lambda value: _is_number(value) and value > 0, "> 0"),
    "tol": (_is_number, "a number"),
    "n_iter_no_change": (
        lambda value: value is None or value in ("auto", "cycle", math.inf) or _is_count(value),
        "a whole number >= 1 (or math.inf)",
    ),
    "embedding_width": (_is_count, "a whole number >= 1"),
    **dict.fromkeys(
        (
            "early_stopping",
            "calibrate",
            "number_embedding",
            "input_scale",
            "learned_activation",
            "ntk",
            "preprocess",
            "drop_last",
        ),
        _SWITCH,
    ),
    "learning_rate": _one_of(*SCHEDULES),
    "regularization_schedule": _one_of(*SCHEDULES),
    "solver": _one_of(*SOLVERS),
    "normalization": _one_of(None, "batch", "layer"),
}
