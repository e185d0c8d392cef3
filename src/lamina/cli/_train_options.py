"""Options of `lamina train` for tables, partly shared with `lamina tune`, and functions that parse them.

The options for estimators' settings are declared with the settings, in `lamina.estimators.settings`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from lamina.cli._options import argument, choosing, one_of, option, positive, said
from lamina.errors import LaminaError
from lamina.estimators.declaring import READING, TRAINING, Option
from lamina.estimators.settings import OPTIONS
from lamina.table import TASKS
from lamina.table.formats import described

_Group = TypeVar("_Group", bound="type[_Settings]")

PART = "A file, or a share of the rows; 0 for none."
"""Help of --validation and --test."""

Replace = Annotated[
    bool, option("Train a new run that replaces the run in --out when it is complete.", named="--replace")
]
Quiet = Annotated[bool, option("Print only the run's folder, no warnings.", named="--quiet -q")]
_reading = partial(option, rich_help_panel=READING)
_training = partial(option, rich_help_panel=TRAINING)


@dataclass(frozen=True)
class Columns:
    """Options for the columns of a table."""

    target: Annotated[str | None, option("The column to predict; not for images.", named="--target -t")] = (
        None
    )
    task: Annotated[str | None, choosing("{}, if the inferred task is wrong.", TASKS, " or ")] = None
    kind: Annotated[
        list[str] | None,
        option("COLUMN=numeric, categorical, date or text, if the inferred kind is wrong; repeatable."),
    ] = None
    ordered: Annotated[
        list[str] | None,
        option(
            "COLUMN=low,…,high: a column's values in order; or COLUMN: values of a known scale; repeatable."
        ),
    ] = None
    drop: Annotated[list[str] | None, option("A column to leave out; repeatable.")] = None
    day_first: Annotated[
        bool, _reading("If dates can be read in two ways, the day comes before the month.", False)
    ] = False
    month_first: Annotated[bool, _reading("In such dates, the month comes before the day.", False)] = False

    def said(self) -> dict[str, Any]:
        """The column options that are set, as arguments of `Request`."""
        return said(
            target=self.target,
            task=one_of("--task", self.task, TASKS),
            kinds=_kinds(self.kind or [], self.ordered or [], self.drop or []) or None,
            date_format=self._order(),
        )

    def _order(self) -> str | None:
        """The value of `Request.date_format`, from --day-first or --month-first; None without these options."""
        if self.day_first and self.month_first:
            raise LaminaError("--day-first and --month-first exclude each other; leave one out")
        return "day-first" if self.day_first else "month-first" if self.month_first else None


@dataclass(frozen=True)
class Table(Columns):
    """Options for the table and the run's folder."""

    data: Annotated[
        list[str] | None,
        argument(f"Files: {described()}, globs, a folder of images by class, or - for standard input."),
    ] = None
    group: Annotated[
        str | None,
        option(
            "A column of groups, such as customers, which the split keeps together; an input only if it has a --kind.",
            False,
        ),
    ] = None
    time: Annotated[
        str | None,
        option("A column of dates or numbers: the earliest rows train, later rows validate and test.", False),
    ] = None
    validation: Annotated[
        str | None, option(PART, "0.08; realmlp: 0.16; in a search, each network's own")
    ] = None
    test: Annotated[str | None, option(PART, "0.2")] = None
    out: Annotated[Path | None, option("The run's new folder.", "runs/<target>-<n>", named="--out -o")] = None
    resume: Annotated[Path | None, option("Continue the run in this folder where it stopped.", False)] = None
    replace: Replace = False

    def said(self) -> dict[str, Any]:
        """The options for the table and its division that are set, as arguments of `Request`."""
        names = ("group", "time", "validation", "test")
        parts = {name: getattr(self, name) for name in names}
        return super().said() | said(data=tuple(self.data or ()) or None, **parts)


class _Settings:
    """The base class of option groups whose options are declared with the estimators' settings.

    A field has the name of its option.
    """

    _options: ClassVar[Mapping[str, Option]]

    if TYPE_CHECKING:  # fields are added by `_having`

        def __getattr__(self, name: str) -> Any: ...

    def said(self) -> dict[str, Any]:
        """The options that are set and stored with a run, as arguments of `Request`.

        Raises:
            LaminaError: a value is invalid.
        """
        kept = (one for one in self._options.values() if one.kept)
        return said(**{one.name: _value(one, getattr(self, one.name)) for one in kept})


def _having(options: Mapping[str, Option]) -> Callable[[_Group], _Group]:
    """Decorate a class: add a field for each of these options, before the class's other fields."""

    def decorate(cls: _Group) -> _Group:
        found = {one.name: Annotated[one.kind | None, typed(one, one.panel)] for one in options.values()}
        cls.__annotations__ = found | cls.__annotations__
        for name in found:
            setattr(cls, name, None)
        cls._options = options
        return dataclass(frozen=True)(cls)

    return decorate


def typed(one: Option, panel: str | None) -> Any:
    """Declare a setting's option for Typer, in the panel `panel` of the help."""
    more: dict[str, Any] = {"shown": one.shown or True, "named": one.flags, "rich_help_panel": panel}
    return choosing(one.help, one.choices, **more) if one.choices else option(one.help, **more)


def _value(one: Option, said: Any) -> Any:
    """Parse and check the value of a setting's option; None if the option is not set."""
    if said is None or said in one.retired:
        return said
    if one.read is not None:
        return one.read(one.flag, said)
    if one.choices:
        return one_of(one.flag, said, one.choices)
    return said if isinstance(said, str) else positive(one.flag, said)


@_having(OPTIONS)
class Training(_Settings):
    """Options for training networks, and for the score."""

    stream: Annotated[bool, _training("Read rows from disk, even if the table fits memory.", False)] = False
    memory: Annotated[
        str | None,
        _training(
            "Maximum memory for training, e.g. 4G; larger tables are read from disk.",
            "half of the free memory",
        ),
    ] = None


@_having({name: one for name, one in OPTIONS.items() if one.tunes})
class Tuning(_Settings):
    """Options for a search, and for the score."""


@dataclass(frozen=True)
class Shown:
    """Options for the output."""

    as_json: Annotated[bool, option("Print one JSON object instead of tables.", named="--json")] = False
    quiet: Quiet = False

    @property
    def tables(self) -> bool:
        """Whether tables are shown."""
        return not (self.as_json or self.quiet)


def _kinds(kinds: list[str], ordered: list[str], drop: list[str]) -> dict[str, Any]:
    from lamina.table.types import CHOICES

    chosen: dict[str, Any] = {}
    for text in kinds:
        name, equals, kind = text.rpartition("=")
        if not equals or not name or kind not in CHOICES:
            raise LaminaError(
                f"--kind {text}: write COLUMN=numeric, COLUMN=categorical, COLUMN=date or COLUMN=text"
            )
        chosen[name] = kind
    for text in ordered:
        name, equals, values = text.partition("=")
        chosen[name] = tuple(value.strip() for value in values.split(",")) if equals else "ordered"
    return {**chosen, **dict.fromkeys(drop, "drop")}
