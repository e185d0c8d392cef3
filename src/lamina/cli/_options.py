"""Command-line options that several commands share, and checks of options' values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from lamina.errors import LaminaError

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


ModelArgument = Annotated[
    Path,
    typer.Argument(
        help="A run's folder, or a model file, of a run or written by lamina.save.", show_default=False
    ),
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
