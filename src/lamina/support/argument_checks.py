"""Checks of arguments, and errors for unknown arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, signature
from typing import Any, ParamSpec, TypeVar

import numpy as np

from lamina.errors import ParameterError
from lamina.support.messages import closest, in_a_line

C = TypeVar("C", bound=type)
P = ParamSpec("P")
R = TypeVar("R")

_MANY = 20  # names; a longer list is omitted if there is a suggestion


def is_number(value: Any) -> bool:
    """Whether `value` is a Python or NumPy number, or a zero-dimensional array, but not a boolean.

    >>> [is_number(value) for value in (0.9, np.float32(0.9), np.array(0.9), True, "0.9", np.ones(1))]
    [True, True, True, False, False, False]
    """
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iuf"
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def check_numbers(**settings: Any) -> None:
    """Raise `ParameterError` unless all values are numbers.

    >>> check_numbers(momentum="0.9")
    Traceback (most recent call last):
    lamina.errors.ParameterError: momentum must be a number, not '0.9'
    """
    for name, value in settings.items():
        if not is_number(value):
            raise ParameterError(f"{name} must be a number, not {in_a_line(value)}")


def whole_number(name: str, value: Any, of: str = "", least: float = -math.inf) -> int:
    """Convert `value`, a setting called `name`, to a Python int; a boolean becomes 0 or 1.

    Raises `ParameterError` if the value is not a whole number or less than `least`. `of` is the counted noun in the
    message.

    >>> whole_number("batch_size", np.float32(4), "rows")
    4
    >>> whole_number("batch_size", 2.5, "rows")
    Traceback (most recent call last):
    lamina.errors.ParameterError: batch_size must be a whole number of rows, not 2.5
    """
    if not (isinstance(value, bool | np.bool_) or is_number(value)) or value % 1:
        raise ParameterError(f"{name} must be a whole number{of and f' of {of}'}, not {in_a_line(value)}")
    if value < least:
        raise ParameterError(f"{name} must be at least {least}, not {value}")
    return int(value)


class PlainNumbers:
    """A base class whose attributes store NumPy numbers as Python numbers, without dtypes.

    A zero-dimensional array becomes a number, too; later changes of the array have no effect.

    >>> class Rate(PlainNumbers): ...
    >>> rate = Rate()
    >>> rate.now = np.float16(0.5)
    >>> rate.now
    0.5
    """

    def __setattr__(self, name: str, value: Any) -> None:
        is_numpys = isinstance(value, np.number) or (isinstance(value, np.ndarray) and is_number(value))
        super().__setattr__(name, value.item() if is_numpys else value)


def no_argument(
    subject: str, name: str, known: Sequence[str], other_names: Mapping[str, str] | None = None
) -> TypeError:
    """The error for an unknown argument `name` of `subject`, with a suggestion among the `known` names.

    `other_names` maps argument names of other libraries to lamina's.

    >>> raise no_argument("Dense", "bias", ["units", "use_bias"], {"bias": "use_bias"})
    Traceback (most recent call last):
    TypeError: Dense has no argument 'bias'. Here it is called 'use_bias'. Known: units, use_bias
    """
    meant = (other_names or {}).get(name)
    hint = f" Here it is called {meant!r}." if meant in known else closest(name, known)
    listed = "" if hint and len(known) > _MANY else f" Known: {', '.join(known)}"
    return TypeError(f"{subject} has no argument {name!r}.{hint}{listed}")


def names_of(maker: Callable[..., Any]) -> list[str] | None:
    """The names of a class's keyword arguments, also inherited ones, or None if any name is accepted."""
    names: list[str] = []
    for cls in getattr(maker, "__mro__", (maker,)):
        if "__init__" not in vars(cls):
            continue
        parameters = list(signature(cls.__init__).parameters.values())[1:]
        kinds = Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY
        names += [p.name for p in parameters if p.kind in kinds and p.name not in names]
        if not any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
            return names
    return None


def answering(other_names: Mapping[str, str]) -> Callable[[C], C]:
    """A class decorator that makes ``__init__`` raise the error of `no_argument` for an unknown argument.

    >>> @answering({"lr": "learning_rate"})
    ... class Step:
    ...     def __init__(self, learning_rate=0.1): ...
    >>> Step(lr=1)
    Traceback (most recent call last):
    TypeError: Step has no argument 'lr'. Here it is called 'learning_rate'. Known: learning_rate
    """

    def decorate(cls: C) -> C:
        initialize: Any = vars(cls)["__init__"]
        own = frozenset(signature(initialize).parameters)

        @wraps(initialize)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            for name in kwargs:
                if name not in own:
                    raise no_argument(type(self).__name__, name, names_of(type(self)) or [], other_names)
            initialize(self, *args, **kwargs)

        cls.__init__ = __init__
        return cls

    return decorate


def lacking(**instead: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A method decorator that raises an error for arguments of other libraries' methods.

    `instead` has advice by argument name.

    >>> class Scale:
    ...     @lacking(unit="It weighs in kilograms")
    ...     def weigh(self): ...
    >>> Scale().weigh(unit="g")
    Traceback (most recent call last):
    TypeError: Scale.weigh has no argument 'unit'. It weighs in kilograms
    """

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        @wraps(method)
        def answered(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in kwargs:
                if name in instead:
                    of = "" if method.__name__ == "__init__" else f".{method.__name__}"
                    raise TypeError(f"{type(args[0]).__name__}{of} has no argument {name!r}. {instead[name]}")
            return method(*args, **kwargs)

        return answered

    return decorate
