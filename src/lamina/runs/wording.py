"""Descriptions of runs in words, for pages and the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lamina.table.columns import value_name
from lamina.table.messages import counted

if TYPE_CHECKING:
    from lamina.runs.model import TableModel

_MOST_SIZES = 3


def networks_in_words(layers: Sequence[Sequence[int]], candidates: Sequence[str] = ()) -> str:
    """Describe networks by their number and their layers' widths.

    Args:
        layers: for each network, the widths from input to output.
        candidates: for each network, "", or a description if it is another kind of model.

    >>> networks_in_words([(4, 8, 1)]), networks_in_words([(4, 8, 1), (4, 8, 1)])
    ('A network of 4 – 8 – 1 units', 'The mean of 2 networks of 4 – 8 – 1 units')
    >>> networks_in_words([(4, 8, 1), (4, 16, 8, 1), (4, 8, 1)])
    'The mean of 3 networks of 4 – 8 – 1 and of 4 – 16 – 8 – 1 units'
    >>> networks_in_words([(4, 8, 1), (1, 1), (1, 1)], ["", "90 boosted trees", "90 boosted trees"])
    'The mean of 1 network of 4 – 8 – 1 units, and 2 times 90 boosted trees'
    """
    if others := Counter(filter(None, candidates)):
        networks = [widths for widths, other in zip(layers, candidates, strict=True) if not other]
        parts = [f"{counted(len(networks), 'network')} of {_units(networks)} units"] if networks else []
        return f"The mean of {', and '.join([*parts, *(f'{n} times {name}' for name, n in others.items())])}"
    count = "A network" if len(layers) == 1 else f"The mean of {len(layers)} networks"
    return f"{count} of {_units(layers)} units"


def _units(layers: Sequence[Sequence[int]]) -> str:
    forms = list(dict.fromkeys(" – ".join(map(str, widths)) for widths in layers))
    units = " and of ".join(forms)
    if len(forms) > _MOST_SIZES:
        units = f"{len(forms)} different sizes, the first of {forms[0]}"
    return units


def share_in_words(share: float) -> str:
    """Format a member's share of the mean in percent.

    >>> share_in_words(0.25), share_in_words(1 / 3)
    ('25 %', '33.3 %')
    """
    return f"{100 * share:.3g} %"


def how_trained(results: Mapping[str, Any]) -> str:
    """Describe the number of epochs or trials of a training, and its duration."""
    search = results.get("search")
    if search:
        return f"{search_summary(search)}; {results['seconds']:.1f} s"
    return f"{counted(results['epochs'], 'epoch')} in {results['seconds']:.1f} s; kept epoch {results['best_epoch']}"


_SHORT = {
    "hidden_layer_sizes": "layers", "learning_rate_init": "rate", "weight_decay": "decay",
    "label_smoothing": "smoothing", "number_pieces": "pieces",
}  # fmt: skip


def search_summary(search: Mapping[str, Any]) -> str:
    """Describe the number of trials, and the number of averaged trials.

    >>> search_summary({"trials": 12, "chosen": [{}, {}, {}]})
    '12 trials, 3 of them averaged'
    """
    count = len(search["chosen"])
    return f"{counted(search['trials'], 'trial')}, {'one of them used' if count == 1 else f'{count} of them averaged'}"


def settings_that_differ(trials: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the settings that differ between trials, in order of appearance.

    >>> settings_that_differ([{"settings": {"a": 1, "b": 2}}, {"settings": {"a": 1, "b": 3, "c": 4}}])
    ['b', 'c']
    """
    names = dict.fromkeys(name for trial in trials for name in trial["settings"])
    return [
        name for name in names if len({value_in_words(trial["settings"].get(name)) for trial in trials}) > 1
    ]


def short_name(setting: str) -> str:
    """Shorten a setting's name for display.

    >>> short_name("learning_rate_init"), short_name("batch_size")
    ('rate', 'batch size')
    """
    return _SHORT.get(setting, setting.replace("_", " "))


def value_in_words(value: Any) -> str:
    """Format a setting's value as short text.

    >>> value_in_words((256, 256)), value_in_words(0.123456), value_in_words(None)
    ('256, 256', '0.123', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, tuple | list):
        return ", ".join(map(value_in_words, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def decision_of(model: TableModel) -> dict[str, Any] | None:
    """The number of classes, the positive class and its threshold, as JSON values; None for regression.

    The positive class is None unless there are two classes.
    """
    if model.target.task == "regression":
        return None
    classes, decision = model.fitted.target.values.tolist(), model.decision
    if len(classes) != 2:
        return {"classes": len(classes), "positive": None, "threshold": None}
    return {"classes": 2, "positive": value_name(classes[decision.positive]), "threshold": decision.threshold}


def decision_said(decision: Mapping[str, Any] | None) -> list[str]:
    """Describe in a sentence which classes F1 and average precision refer to; [] for regression.

    >>> decision_said({"classes": 2, "positive": "fraud", "threshold": 0.25})
    ["F1 and average precision are of the class 'fraud', which is predicted at probabilities of 0.25 or more"]
    >>> decision_said({"classes": 3, "positive": None, "threshold": None}), decision_said(None)
    (['F1, average precision and AUC are means over the 3 classes'], [])
    """
    if decision is None:
        return []
    if decision["positive"] is None:
        return [f"F1, average precision and AUC are means over the {decision['classes']} classes"]
    threshold = decision["threshold"]
    how = "" if threshold is None else f", which is predicted at probabilities of {threshold:.3g} or more"
    return [f"F1 and average precision are of the class {decision['positive']!r}{how}"]
