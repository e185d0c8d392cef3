"""The parts of a setting's declaration; the declarations themselves are in `lamina.estimators.settings`.

The command line reads them for its help, so nothing here imports NumPy or scikit-learn.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from functools import cache
from typing import Any, Literal, TypeVar

__all__ = [
    "JUDGING", "SEARCH", "TRAINING", "About", "ByTask", "Draw", "Option", "Rule", "declared", "declares", "is_count",
    "is_number", "must", "must_be_one_of",
]  # fmt: skip


_Kind = TypeVar("_Kind", bound=type)


@dataclass(frozen=True)
class ByTask:
    """A value that depends on the task."""

    classification: Any
    regression: Any


# --- rules ------------------------------------------------------------------------------------------------------------

Rule = Callable[[str, Any, Any], None]
"""Raises `ValueError` for a setting's name and value, and the estimator that has it, if the value cannot work."""


def must(be: Callable[[Any], bool], words: str, *, each: bool = False) -> Rule:
    """The rule that a value must be something; with `each`, so must every element of a tuple or list.

    >>> must(is_count, "a whole number >= 1")("members", 0.5, None)
    Traceback (most recent call last):
    ValueError: members must be a whole number >= 1, got 0.5
    """

    def rule(name: str, value: Any, _: Any) -> None:
        values: Iterable[Any] = value if each and isinstance(value, tuple | list) else [value]
        if not all(_holds(be, one) for one in values):
            raise ValueError(f"{name} must be {words}, got {value!r}")

    return rule


def must_be_one_of(*values: Any) -> Rule:
    """The rule that a value must be one of these."""
    return must(values.__contains__, f"one of {', '.join(map(repr, values))}")


def _holds(be: Callable[[Any], bool], value: Any) -> bool:
    try:
        return bool(be(value))
    except (TypeError, ValueError):  # a text for a number, an array
        return False


def is_count(value: Any) -> bool:
    """Whether it is a whole number of at least 1."""
    return isinstance(value, numbers.Integral) and int(value) >= 1


def is_number(value: Any) -> bool:
    """Whether it is a number, and no truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


# --- the command line, and searches -----------------------------------------------------------------------------------

TRAINING, SEARCH, JUDGING, READING = "How to train", "How to search", "What counts", "How to read files"
"""The panels of `lamina train --help` that settings are in."""


@dataclass(frozen=True)
class Option:
    """A setting as an option of ``lamina train``.

    Attributes:
        flags: ``--lr``, or ``--jobs -j``.
        help: a sentence.
        kind: the type that the command line reads: int, float, str, or list[str] for an option that is repeatable.
        shown: the default as the help says it; "" to leave it out.
        read: the value from the flag and what the command line read; raises `LaminaError`. None: a number above 0, one
            of `choices`, or the text.
        choices: the values there are, which a shell completes.
        retired: values that are still obeyed.
        key: its name in a run's settings.json, where that is not the flag's.
        stored: its type there, where it is not `kind`.
        default: its value there, where nothing is said.
        kept: whether it is a setting of the run; else it is one of the command that trains it, such as the device.
        tunes: whether `lamina tune` has it too.
        panel: where the help shows it.
    """

    flags: str
    help: str
    kind: Any = str
    shown: str = "by preset"
    _: KW_ONLY
    read: Callable[[str, Any], Any] | None = None
    choices: Sequence[str] = ()
    retired: Sequence[str] = ()
    key: str = ""
    stored: Any = None
    default: Any = None
    kept: bool = True
    tunes: bool = False
    panel: str = TRAINING

    @property
    def flag(self) -> str:
        """The long flag."""
        return self.flags.split()[0]

    @property
    def name(self) -> str:
        """The name of its value in a run's settings, as in Python."""
        return self.key or self.flag.removeprefix("--").replace("-", "_")

    @property
    def type(self) -> Any:
        """The type of its value in a run's settings."""
        kind = self.stored or self.kind
        return kind | None if self.default is None else kind


@dataclass(frozen=True)
class Draw:
    """How a search draws a setting.

    Attributes:
        place: in the order of draws. A new setting has the last place, so that those before it are drawn as they were.
        draw: the value, from a generator and the settings of the preset around which is drawn.
        compiles: whether another value makes other machine code; then several trials in a row share a value.
    """

    place: int
    draw: Callable[[Any, Any], Any]
    compiles: bool = False


# --- a declaration ----------------------------------------------------------------------------------------------------

_SAME = object()


@dataclass(frozen=True)
class About:
    """The declaration of a setting besides its name and type, in ``Annotated[type, About(…)]``.

    Attributes:
        words: what it means, for `help()` and the documentation; a function if that takes imports.
        default, medium, fast, sklearn: its values by preset, where it is not the default's; a setting that no preset
            has a value for has none, and its default is the constructor's.
        rule: what values can work.
        convert: makes a value that is given one that training takes; None: the preset's is taken.
        option: its option on the command line.
        draw: how a search draws it.
        not_in_search: why it does not go with a search; "" if it does.
        fixed: when a search that goes on must have the value it began with: "always", if "given", or "never". A setting
            that is new has "given", so that earlier searches go on.
    """

    words: str | Callable[[], str]
    default: Any = _SAME
    _: KW_ONLY
    medium: Any = _SAME
    fast: Any = _SAME
    sklearn: Any = _SAME
    rule: Rule | None = None
    convert: Callable[[Any], Any] | None = None
    option: Option | None = None
    draw: Draw | None = None
    not_in_search: str = ""
    fixed: Literal["always", "given", "never"] = "always"

    @property
    def has_presets(self) -> bool:
        """Whether it has values by preset."""
        return self.default is not _SAME

    @property
    def meaning(self) -> str:
        """Its description."""
        return self.words if isinstance(self.words, str) else self.words()

    def check(self, name: str, value: Any, owner: Any = None) -> None:
        """Raise `ValueError` if it can't have this value, which for some settings depends on the estimator."""
        if self.rule is not None:
            self.rule(name, value, owner)

    def value(self, preset: str, task: str) -> Any:
        """Its value in a preset."""
        value = getattr(self, preset, _SAME)
        value = self.default if value is _SAME else value
        return getattr(value, task) if isinstance(value, ByTask) else value


_ABOUT = "about"


def declares(cls: _Kind) -> _Kind:
    """A class for `dataclass`: each `About` moves from a field's annotation into its metadata, out of signatures."""
    for name, annotation in cls.__annotations__.items():
        for about in getattr(annotation, "__metadata__", ()):
            cls.__annotations__[name] = annotation.__origin__
            setattr(cls, name, field(default=getattr(cls, name), metadata={_ABOUT: about}))
    return cls


@cache
def declared(kind: type) -> Mapping[str, About]:
    """The settings among a dataclass's fields, by name, in the order of declaration."""
    return {one.name: one.metadata[_ABOUT] for one in fields(kind) if _ABOUT in one.metadata}
