"""``lamina train``: one subcommand for each kind of data."""

from __future__ import annotations

import typer

from lamina.cli import train_mnist

__all__ = ["app"]

app = typer.Typer(help="Train a network.", no_args_is_help=True)
app.command("mnist")(train_mnist.mnist)


@app.callback()
def _train() -> None:
    """Train a network."""
