"""Checks of optimizers' settings at construction, before the first step."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.errors import ParameterError
from lamina.support.argument_checks import check_numbers
from lamina.support.messages import in_a_line


def check_counts(**settings: Any) -> None:
    """Raise `ParameterError` unless all values are integers of at least 1.

    >>> check_counts(rounds=-1)
    Traceback (most recent call last):
    lamina.errors.ParameterError: rounds must be a whole number of at least 1, not -1
    """
    for name, value in settings.items():
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
            raise ParameterError(f"{name} must be a whole number of at least 1, not {in_a_line(value)}")


def check_momenta(**settings: Any) -> None:
    """Raise `ParameterError` unless all momenta are above -1 and below 1.

    Negative momentum is useful in games (Gidel et al., 2019).

    >>> check_momenta(beta1=1)
    Traceback (most recent call last):
    lamina.errors.ParameterError: beta1 must be above -1 and below 1, not 1
    """
    check_numbers(**settings)
    for name, value in settings.items():
        if not -1 < value < 1:
            raise ParameterError(f"{name} must be above -1 and below 1, not {in_a_line(value)}")


def check_shares(**settings: Any) -> None:
    """Raise `ParameterError` unless all decay rates of running means are at least 0 and below 1.

    >>> check_shares(beta2=1)
    Traceback (most recent call last):
    lamina.errors.ParameterError: beta2 must be at least 0 and below 1, not 1
    """
    check_numbers(**settings)
    for name, value in settings.items():
        if not 0 <= value < 1:
            raise ParameterError(f"{name} must be at least 0 and below 1, not {in_a_line(value)}")
