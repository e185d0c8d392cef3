"""Groups of command-line options as dataclasses, so that several commands can share an option's declaration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, get_type_hints

from lamina.cli._options import choosing, one_of, option, said
from lamina.table.formats import FORMATS

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
    ['path', 'format', 'delimiter', 'encoding', 'decimal', 'quote']
    >>> show(path="a", format="csv", delimiter=None, encoding=None, decimal=None, quote=None)
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
