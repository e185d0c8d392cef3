"""``lamina train``: on a table, or, as ``lamina train mnist``, on the digits of MNIST."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from lamina.cli.help_text import help_text
from lamina.cli.train_mnist import mnist
from lamina.cli.train_table import train_table

__all__ = ["TrainGroup", "register"]

_TABLE, _MNIST = "train", "train mnist"


class TrainGroup(TyperGroup):
    """Commands of which one has a name of two words."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the first arguments name, and the other arguments."""
        if " ".join(args[:2]) == _MNIST:
            return _MNIST, self.get_command(ctx, _MNIST), args[2:]
        return super().resolve_command(ctx, args)


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command(_TABLE, help=help_text(train_table), no_args_is_help=True)(train_table)
    app.command(_MNIST, help=help_text(mnist))(mnist)
