"""Registries of classes that are selected by name, such as optimizers, metrics and initializers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from lamina.support.argument_checks import names_of, no_argument
from lamina.support.messages import in_a_line, unknown

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Registry(Generic[T]):
    """A registry of classes, which creates instances by case-insensitive name.

    >>> class Shape: ...
    >>> shapes = Registry("shape", Shape)
    >>> @shapes.register("square")
    ... class Square(Shape): ...
    >>> type(shapes.create("SQUARE")).__name__
    'Square'
    >>> shapes.create("sqare")
    Traceback (most recent call last):
    ValueError: unknown shape 'sqare'. Did you mean 'square'? Known: square
    """

    def __init__(self, kind: str, base: type[T], other_names: Mapping[str, str] | None = None) -> None:
        """`other_names` maps argument names of other libraries to lamina's."""
        self._kind, self._base, self._other_names = kind, base, other_names or {}
        self._makers: dict[str, Callable[..., T]] = {}

    def register(self, *names: str) -> Callable[[C], C]:
        """A decorator that registers a class under these names, by default under the class's name."""

        def decorate(cls: C) -> C:
            for name in names or (cls.__name__,):
                self._makers[name.lower()] = cls
            return cls

        return decorate

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted(self._makers)

    def create(self, choice: Any, *args: Any, **kwargs: Any) -> T:
        """Create an instance of the class called `choice`, or return an instance unchanged.

        Raises `ValueError` for an unknown name and `TypeError` for an unknown argument; the messages list the known
        names and suggest the most similar one.
        """
        if isinstance(choice, self._base):
            if args or kwargs:
                raise ValueError(
                    f"{self._kind}: arguments can be passed only with a name, not with an instance"
                )
            return choice
        if isinstance(choice, str) and choice[:1] in ("[", "{"):
            choice, kwargs = self._described(choice, kwargs)
        if not isinstance(choice, str):
            raise TypeError(f"{self._kind}: expected a name or an instance, not {in_a_line(choice)}")
        maker = self._makers.get(choice.lower())
        if maker is None:
            raise ValueError(unknown(self._kind, choice, self.names()))
        known = names_of(maker) if kwargs else None
        if known is not None:
            self._check_names(choice, kwargs, known)
        return maker(*args, **kwargs)

    def _check_names(self, choice: str, given: Iterable[str], known: Sequence[str]) -> None:
        for name in given:
            if name not in known:
                raise no_argument(f"{self._kind} {choice!r}", name, known, self._other_names)

    def _described(self, text: str, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The name and settings in a JSON text of MXNet's forms, ``["name", {…}]`` or an object with the name."""
        import json

        try:
            said = json.loads(text)
            name, settings = said if isinstance(said, list) else (said.pop(self._kind), said)
        except (ValueError, KeyError, RecursionError):
            raise ValueError(
                f"{self._kind}: {text[:80]!r} is not the JSON text of a name and settings"
            ) from None
        return name, {**settings, **given}
