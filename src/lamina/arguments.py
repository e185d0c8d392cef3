"""Which arguments things take by name, and what is said of one that they do not take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, signature
from typing import Any, ParamSpec, TypeVar

import numpy as np

from lamina.messages import closest

__all__ = ["answering", "is_number", "lacking", "names_of", "no_argument"]

C = TypeVar("C", bound=type)
P = ParamSpec("P")
R = TypeVar("R")

_MANY = 20  # names, of which nobody reads a list who was told the right one


def is_number(value: Any) -> bool:
    """Whether it is a number for a setting: Python's or NumPy's, an array without axes too; no truth value.

    >>> [is_number(value) for value in (0.9, np.float32(0.9), np.array(0.9), True, "0.9", np.ones(1))]
    [True, True, True, False, False, False]
    """
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iuf"
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def no_argument(
    subject: str, name: str, known: Sequence[str], other_names: Mapping[str, str] | None = None
) -> TypeError:
    """That `subject` has no argument `name`; `other_names`: what arguments are called elsewhere, and here.

    >>> raise no_argument("Dense", "bias", ["units", "use_bias"], {"bias": "use_bias"})
    Traceback (most recent call last):
    TypeError: Dense has no argument 'bias'. Here it is called 'use_bias'. Known: units, use_bias
    """
    meant = (other_names or {}).get(name)
    hint = f" Here it is called {meant!r}." if meant in known else closest(name, known)
    listed = "" if hint and len(known) > _MANY else f" Known: {', '.join(known)}"
    return TypeError(f"{subject} has no argument {name!r}.{hint}{listed}")


def names_of(maker: Callable[..., Any]) -> list[str] | None:
    """The arguments that a class takes by name, and passes on to its bases; None where it takes any."""
    names: list[str] = []
    for cls in getattr(maker, "__mro__", (maker,)):
        if "__init__" not in vars(cls):
            continue
        parameters = list(signature(cls.__init__).parameters.values())[1:]
        names += [
            p.name
            for p in parameters
            if p.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY) and p.name not in names
        ]
        if not any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
            return names
    return None


def answering(other_names: Mapping[str, str]) -> Callable[[C], C]:
    """A class whose ``__init__``, which passes nothing on, answers an unknown argument by `no_argument`.

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
    """A method without arguments that those of its name have elsewhere: `instead` says what to do in their place.

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
