"""Things that are chosen by name: optimizers, metrics, initializers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, signature
from typing import Any, Generic, TypeVar

from lamina.messages import closest, unknown

__all__ = ["Registry"]

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Registry(Generic[T]):
    """Classes by name, and instances of them. Names are compared in lower case.

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
        """`other_names`: what arguments are called elsewhere, and here."""
        self._kind, self._base, self._other_names = kind, base, other_names or {}
        self._makers: dict[str, Callable[..., T]] = {}

    def register(self, *names: str) -> Callable[[C], C]:
        """A decorator: make the class known under these names, or without any, under its own."""

        def decorate(cls: C) -> C:
            for name in names or (cls.__name__,):
                self._makers[name.lower()] = cls
            return cls

        return decorate

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._makers)

    def create(self, choice: Any, *args: Any, **kwargs: Any) -> T:
        """An instance: `choice` itself if it is one, else made by the class with this name.

        Raises `ValueError` for an unknown name, `TypeError` for an unknown argument; they list the known ones and the
        nearest.
        """
        if isinstance(choice, self._base):
            if args or kwargs:
                raise ValueError(f"{self._kind}: arguments go with a name, not with an instance")
            return choice
        if isinstance(choice, str) and choice[:1] in ("[", "{"):
            choice, kwargs = self._described(choice, kwargs)
        if not isinstance(choice, str):
            raise TypeError(f"{self._kind}: expected a name or an instance, not {choice!r}")
        maker = self._makers.get(choice.lower())
        if maker is None:
            raise ValueError(unknown(self._kind, choice, self.names()))
        known = _argument_names(maker) if kwargs else None
        if known is not None:
            self._check_names(choice, kwargs, known)
        return maker(*args, **kwargs)

    def _check_names(self, choice: str, given: Iterable[str], known: Sequence[str]) -> None:
        for name in given:
            if name not in known:
                meant = self._other_names.get(name)
                hint = f" Here it is called {meant!r}." if meant in known else closest(name, known)
                raise TypeError(
                    f"{self._kind} {choice!r} has no argument {name!r}.{hint} Known: {', '.join(known)}"
                )

    def _described(self, text: str, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Name and settings in JSON, as MXNet writes them: ``["name", {…}]``, or an object with the name in it."""
        import json

        try:
            said = json.loads(text)
            name, settings = said if isinstance(said, list) else (said.pop(self._kind), said)
        except (ValueError, KeyError, RecursionError):
            raise ValueError(f"{self._kind}: {text[:80]!r} does not describe one") from None
        return name, {**settings, **given}


def _argument_names(maker: Callable[..., Any]) -> list[str] | None:
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
