"""``lamina evaluate``: metrics of a run's network, on a table or on its test images."""

from __future__ import annotations

from typing import Annotated

import typer

from lamina.cli import _options as options
from lamina.cli._groups import Reading, grouped
from lamina.table.formats import begin_reading


@grouped
def evaluate(
    run: options.ModelArgument,
    files: Reading,
    data: Annotated[
        list[str] | None,
        typer.Argument(help="Of a run on a table: files with the target column, or -.", show_default=False),
    ] = None,
    target: options.TargetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Evaluate a trained network on a table; for a run on MNIST: accuracy and confusion matrix on the test images.

    Examples:

    \b
      lamina evaluate runs/income-1 new.csv
      lamina evaluate model.safetensors new.csv --target income
      lamina evaluate runs/mnist-1
    """
    begin_reading(data or ())
    from lamina.cli._use_table import evaluate_table

    evaluate_table(run, data or [], files.said(), target, as_json=as_json)
