"""The networks of a model in words, for pages and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.runs.search_words import search_summary
from lamina.table.messages import counted

__all__ = ["how_trained", "networks_in_words", "share_in_words"]

_MOST_NAMED = 3


def networks_in_words(layers: Sequence[Sequence[int]]) -> str:
    """How many networks there are, and the units of their layers.

    Args:
        layers: of each network, the widths from the input to the output.

    >>> networks_in_words([(4, 8, 1)]), networks_in_words([(4, 8, 1), (4, 8, 1)])
    ('A network of 4 – 8 – 1 units', 'The mean of 2 networks of 4 – 8 – 1 units')
    >>> networks_in_words([(4, 8, 1), (4, 16, 8, 1), (4, 8, 1)])
    'The mean of 3 networks of 4 – 8 – 1 and of 4 – 16 – 8 – 1 units'
    """
    forms = list(dict.fromkeys(" – ".join(map(str, widths)) for widths in layers))
    units = " and of ".join(forms)
    if len(forms) > _MOST_NAMED:
        units = f"{len(forms)} different sizes, the first of {forms[0]}"
    return (
        f"A network of {units} units"
        if len(layers) == 1
        else f"The mean of {len(layers)} networks of {units} units"
    )


def share_in_words(share: float) -> str:
    """A member's share of the mean.

    >>> share_in_words(0.25), share_in_words(1 / 3)
    ('25 %', '33.3 %')
    """
    return f"{100 * share:.3g} %"


def how_trained(results: Mapping[str, Any]) -> str:
    """How a run was trained: its epochs, or its trials."""
    search = results.get("search")
    if search:
        return f"{search_summary(search)}; {results['seconds']:.1f} s"
    return f"{counted(results['epochs'], 'epoch')} in {results['seconds']:.1f} s; kept epoch {results['best_epoch']}"
