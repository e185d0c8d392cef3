"""``lamina evaluate``: how good a run's network is, on a table or on MNIST's test images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamina.cli.options import (
    DecimalOption,
    DelimiterOption,
    EncodingOption,
    FormatOption,
    QuoteOption,
    reading,
)

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["evaluate"]


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder.", show_default=False)],
    data: Annotated[
        list[str] | None,
        typer.Argument(help="Of a run on a table: files with the target column, or -.", show_default=False),
    ] = None,
    format: FormatOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    quote: QuoteOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Metrics of a trained network on a table; of a run on MNIST: accuracy and confusion matrix on the test images.

    Examples:

    \b
      lamina evaluate runs/income-1 new.csv
      lamina evaluate runs/mnist-1
    """
    from lamina.runs.run_folder import is_table_run

    if data or is_table_run(run):
        from lamina.cli.use_table import evaluate_table

        given = reading(format, delimiter, encoding, decimal, quote)
        evaluate_table(run, data or [], given, as_json=as_json)
        return
    _evaluate_digits(run, as_json=as_json)


def _evaluate_digits(run: Path, *, as_json: bool) -> None:
    import json

    import numpy as np
    from rich.console import Console

    from lamina.recipes import evaluate as measure
    from lamina.recipes import load_digits
    from lamina.recipes.run_folder import RunFolder

    network = RunFolder(run).network()
    _, test = load_digits()
    accuracy, loss, probabilities = measure(network, test)
    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (test.labels.asnumpy().astype(int), probabilities.argmax(axis=1)), 1)
    if as_json:
        print(json.dumps({"accuracy": accuracy, "loss": loss, "confusion": counts.tolist()}))
        return
    console = Console(highlight=False)
    console.print(f"accuracy {accuracy:.4f}, loss {loss:.4f} on {len(test):,} test images", soft_wrap=True)
    console.print(_confusion_table(counts.tolist()))


def _confusion_table(counts: list[list[int]]) -> Table:
    """Rows: the true digit; columns: the network's answer."""
    from rich.table import Table

    table = Table(title="Confusion matrix: rows are true digits, columns the network's answers")
    table.add_column("", justify="right", style="bold")
    for digit in range(10):
        table.add_column(str(digit), justify="right")
    table.add_column("correct", justify="right")
    for digit, row in enumerate(counts):
        cells = [str(n) if n else "·" for n in row]
        table.add_row(str(digit), *cells, f"{100 * row[digit] / max(1, sum(row)):.1f} %")
    return table
