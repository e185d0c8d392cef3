"""``lamina predict``: a table with predictions added, or the digit in an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from lamina.cli import _options as options
from lamina.cli._groups import Reading, grouped
from lamina.cli._options import choosing, one_of, option
from lamina.errors import LaminaError
from lamina.table.formats import begin_reading, writable


@dataclass(frozen=True)
class Added:
    """Options for the columns that predictions add, and for the output."""

    out: Annotated[
        str | None, option("The table to write, by its name in any format.", "-, CSV", named="--out -o")
    ] = None
    prefix: Annotated[str, option("Prefix of the new columns' names.")] = ""
    interval: Annotated[
        float | None,
        option("For numbers: add intervals that contain the truth for this share of rows, e.g. 0.9.", False),
    ] = None
    std: Annotated[
        bool, typer.Option("--std", help="For numbers: add the standard deviation of the network's members.")
    ] = False
    output_format: Annotated[
        str | None,
        choosing("Format of the output table, if its file name has no known suffix: {}.", writable()),
    ] = None
    safe_csv: Annotated[
        bool,
        typer.Option(
            "--safe-csv", help="Of CSV: put ' before texts that a spreadsheet would run as formulas."
        ),
    ] = False

    def check(self) -> None:
        """Raise `LaminaError` for an invalid interval."""
        if self.interval is not None and not 0 < self.interval < 1:
            raise LaminaError(
                f"--interval {self.interval:g}: the share of rows must be between 0 and 1, such as 0.9"
            )


@grouped
def predict(
    run: options.ModelArgument,
    data: Annotated[
        list[str],
        typer.Argument(
            help="Of a run on a table: files, globs, or -. Of a run on MNIST: pictures of one digit each (PNG, "
            "JPEG …), or IDX files of many.",
            show_default=False,
        ),
    ],
    files: Reading,
    added: Added,
    target: options.TargetOption = None,
    as_json: Annotated[bool, option("Tables: JSON lines. Digits: a JSON array.", named="--json")] = False,
) -> None:
    """Add a network's predictions to a table; for a run on MNIST, recognize the digit in each image.

    A table keeps its columns and the order of its rows, and gets "prediction" and, for each class,
    "probability_CLASS". With several quantiles there is one column for each, "prediction_0.05" …; --interval adds
    "TARGET_lower" and "TARGET_upper", --std adds "TARGET_std". Files may be larger than memory. Drawn digits of any
    size, dark on light or light on dark, are first converted to MNIST's format.

    Examples:

    \b
      lamina predict runs/income-1 new.csv -o predictions.parquet
      cat new.csv | lamina predict runs/income-1 - > predictions.csv
      lamina predict runs/price-1 new.csv --interval 0.9
      lamina predict runs/mnist-1 seven.png
    """
    begin_reading(data)
    from lamina.cli._use_table import predict_table

    added.check()
    chosen = one_of("--output-format", added.output_format, writable())
    more: dict[str, Any] = {"std": added.std, "safe": added.safe_csv, "target": target, "as_json": as_json}
    predict_table(
        run, data, added.out or "-", files.said(), chosen, added.prefix, interval=added.interval, **more
    )
