"""Command-line options that several commands share, alone and in groups, and checks of options' values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from lamina.errors import LaminaError
from lamina.table.formats import FORMATS, writable

Number = TypeVar("Number", int, float)


def option(help: str, shown: str | bool = True, *, named: str = "", **more: Any) -> Any:
    """Declare an option for Typer.

    `shown` is the default value that the help shows. `named` has the flags, if they differ from the parameter's name.
    """
    return typer.Option(*named.split(), help=help, show_default=shown, **more)


def choosing(help: str, values: Sequence[str], between: str = ", ", **more: Any) -> Any:
    """Declare an option that takes one of `values`.

    The help lists the values in place of ``{}``, and shells complete the values.
    """

    def completed(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return option(help.format(between.join(values)), autocompletion=completed, **more)


def argument(help: str, **more: Any) -> Any:
    """Declare an argument for Typer."""
    return typer.Argument(help=help, show_default=False, **more)


ModelArgument = Annotated[
    Path, argument("A run's folder, or a model file, of a run or written by lamina.save.")
]
OutputFormat = Annotated[
    str | None, choosing("Format of the output table, if its file name has no known suffix: {}.", writable())
]
TargetOption = Annotated[
    str | None,
    option("The predicted column, if the model's file does not name it.", False, named="--target -t"),
]


def said(**given: Any) -> dict[str, Any]:
    """The arguments that are not None, by name."""
    return {name: value for name, value in given.items() if value is not None}


def one_of(option: str, value: str | None, known: Sequence[str]) -> str | None:
    """Check that `value` is None or among `known`, and return it.

    Raises:
        LaminaError: the value is unknown; the message suggests the closest known value.
    """
    if value is not None and value not in known:
        from lamina.table.messages import closest

        raise LaminaError(f"{option} {value}: must be one of {', '.join(known)}.{closest(value, known)}")
    return value


def positive(option: str, value: Number | None) -> Number | None:
    """Check that `value` is None, or positive and finite, and return it.

    Raises:
        LaminaError: the value is not positive, or not finite.
    """
    if value is not None and not 0 < value < float("inf"):
        raise LaminaError(f"{option} {value:g}: must be greater than 0, and finite")
    return value


# --- groups ----------------------------------------------------------------------------------------------------------

_panel: dict[str, Any] = {"rich_help_panel": "How to read files"}


@dataclass(frozen=True)
class Reading:
    """Options for reading files."""

    format: Annotated[str | None, choosing("Format, if not in the name: {}.", tuple(FORMATS), **_panel)] = (
        None
    )
    delimiter: Annotated[str | None, option("Field separator, if not detected.", **_panel)] = None
    encoding: Annotated[str | None, option("Encoding of text files, if not detected.", **_panel)] = None
    decimal: Annotated[str | None, option("Decimal point: . or ,", ".", **_panel)] = None
    quote: Annotated[str | None, option("Quote character; none: there are no quotes.", '"', **_panel)] = None
    sheet: Annotated[str | None, option("Sheet of a spreadsheet, if not the first.", **_panel)] = None

    def said(self) -> dict[str, Any]:
        """The options that are set, as arguments of `lamina.table.read.ReadOptions`.

        Raises:
            LaminaError: there is no such format or decimal point.

        >>> Reading("csv", decimal=",", quote="none").said()
        {'format': 'csv', 'decimal': ',', 'quote': None}
        """
        one_of("--format", self.format, tuple(FORMATS))
        one_of("--decimal", self.decimal, (".", ","))
        given = said(**vars(self))
        if self.delimiter == "\\t":
            given["delimiter"] = "\t"
        return {**given, "quote": None} if self.quote == "none" else given


def grouped(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace a command's dataclass parameters by the dataclasses' fields, as Typer needs.

    >>> @grouped
    ... def show(path: str, files: Reading) -> str:
    ...     return f"{path} as {files.format}"
    >>> [*signature(show).parameters]
    ['path', 'format', 'delimiter', 'encoding', 'decimal', 'quote', 'sheet']
    >>> show(path="a", format="csv", delimiter=None, encoding=None, decimal=None, quote=None, sheet=None)
    'a as csv'
    """
    hints = get_type_hints(command, include_extras=True)
    own = signature(command).parameters
    groups = {name: hints[name] for name in own if dataclasses.is_dataclass(hints[name])}
    flat: dict[str, Parameter] = {}
    for name, parameter in own.items():
        if name not in groups:
            flat[name] = parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY)
            continue
        types = get_type_hints(groups[name], include_extras=True)
        for field in dataclasses.fields(groups[name]):
            flat[field.name] = Parameter(
                field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=types[field.name]
            )

    @wraps(command)
    def run(**given: Any) -> Any:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in dataclasses.fields(group)})
            for name, group in groups.items()
        }
        return command(**given, **made)

    vars(run).pop("__wrapped__")
    run.__annotations__ = {name: parameter.annotation for name, parameter in flat.items()}
    vars(run)["__signature__"] = signature(command).replace(parameters=[*flat.values()])
    return run
