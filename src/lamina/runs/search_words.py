"""A search in words, for pages and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.table.messages import counted

__all__ = ["search_summary", "settings_that_differ", "short_name", "value_in_words"]

_SHORT = {
    "hidden_layer_sizes": "layers", "learning_rate_init": "rate", "weight_decay": "decay",
    "label_smoothing": "smoothing", "number_pieces": "pieces",
}  # fmt: skip


def search_summary(search: Mapping[str, Any]) -> str:
    """How much was tried, and how many are averaged.

    >>> search_summary({"trials": 12, "chosen": [{}, {}, {}]})
    '12 trials, of which 3 are averaged'
    """
    count = len(search["chosen"])
    return f"{counted(search['trials'], 'trial')}, of which {'one is used' if count == 1 else f'{count} are averaged'}"


def settings_that_differ(trials: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the settings that not all trials have alike, in their order.

    >>> settings_that_differ([{"settings": {"a": 1, "b": 2}}, {"settings": {"a": 1, "b": 3, "c": 4}}])
    ['b', 'c']
    """
    names = dict.fromkeys(name for trial in trials for name in trial["settings"])
    return [
        name for name in names if len({value_in_words(trial["settings"].get(name)) for trial in trials}) > 1
    ]


def short_name(setting: str) -> str:
    """What a setting is called where there is little room.

    >>> short_name("learning_rate_init"), short_name("batch_size")
    ('rate', 'batch size')
    """
    return _SHORT.get(setting, setting.replace("_", " "))


def value_in_words(value: Any) -> str:
    """A setting's value, short.

    >>> value_in_words((256, 256)), value_in_words(0.123456), value_in_words(None)
    ('256, 256', '0.123', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, tuple | list):
        return ", ".join(map(value_in_words, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
