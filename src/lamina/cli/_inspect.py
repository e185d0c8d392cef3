"""``lamina inspect``: what a run's network is."""

from __future__ import annotations

from typing import Annotated

import typer

from lamina.cli._options import ModelArgument

__all__ = ["inspect"]


def inspect(
    run: ModelArgument,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Architecture, columns and metrics of a run on a table; of a run on MNIST: settings and accuracy.

    Example:

    \b
      lamina inspect runs/income-1
    """
    from lamina.cli._use_digits import inspect_digits
    from lamina.cli._use_table import inspect_table
    from lamina.recipes.run import is_digits_run

    (inspect_digits if is_digits_run(run) else inspect_table)(run, as_json=as_json)
