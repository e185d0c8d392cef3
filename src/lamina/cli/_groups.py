"""Groups of command-line options as dataclasses, so that several commands can share an option's declaration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Any, get_type_hints

from lamina.cli import _options as options


@dataclass(frozen=True)
class Reading:
    """Options for reading files."""

    format: options.FormatOption = None
    delimiter: options.DelimiterOption = None
    encoding: options.EncodingOption = None
    decimal: options.DecimalOption = None
    quote: options.QuoteOption = None

    def said(self) -> dict[str, Any]:
        """The options that are set, as arguments of `ReadOptions`; see `lamina.cli._options.reading`."""
        return options.reading(**vars(self))


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
