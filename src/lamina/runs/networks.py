"""The networks of a model in words, for pages and the command line."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["networks_in_words", "share_in_words"]

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
