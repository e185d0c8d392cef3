"""``lamina predict``: a table with predictions added, or the digit in an image."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lamina.cli import _options as options
from lamina.cli._console import say
from lamina.cli._options import Reading, choosing, grouped, one_of, option
from lamina.errors import LaminaError
from lamina.table.formats import are_pictures, begin_reading, writable
from lamina.table.messages import counted

if TYPE_CHECKING:
    import numpy as np


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
    from lamina.cli._use_table import batches_of, open_table_run, require_packages
    from lamina.table.write import is_delimited, write_batches

    added.check()
    chosen, out, reading = (
        one_of("--output-format", added.output_format, writable()),
        added.out or "-",
        files.said(),
    )
    if out != "-" and any(_is_same_file(out, file) for file in data):
        raise LaminaError(
            f"--out {out} is the table itself, which predictions would overwrite; name another file"
        )
    model, details = open_table_run(run, target=target)
    form = model.schema.row_form
    if out == "-" and chosen is None and (rows := form.named_rows(data)):
        _say_classes(model, *rows, as_json=as_json)
        return
    require_packages("polars", "narwhals")
    chosen = chosen or ("jsonl" if as_json else None)
    more: dict[str, Any] = {"interval": added.interval, "std": added.std}
    with batches_of(model, details, data, reading) as batches:
        extended = model.extended(batches, added.prefix, brief=is_delimited(out, chosen), **more)
        if form.whole or are_pictures(data, files.format):
            columns = [column.name for column in model.schema.columns]
            extended = (batch.drop(columns, strict=False) for batch in extended)
        rows = write_batches(extended, out, chosen, safe=added.safe_csv)
    if out != "-":
        say(f"lamina: {counted(rows, 'row')} with predictions in {out}", error=True)


def _say_classes(model: Any, names: list[str], numbers: np.ndarray, *, as_json: bool) -> None:
    """Print the class of each image."""
    import numpy as np

    from lamina.table.encode import Encoded

    encoded = Encoded(numbers.astype(np.float32), np.empty((len(numbers), 0), np.int32))
    probabilities = model.fitted.target.probabilities(model.fitted.outputs(encoded))
    answers: list[dict[str, Any]] = [
        {
            "image": name,
            model.target.name: model.target.classes[i],
            "probability": row[i],
            "probabilities": row.tolist(),
        }
        for name, i, row in zip(names, model.decided(probabilities).tolist(), probabilities, strict=True)
    ]
    if as_json:
        print(json.dumps(answers, indent=2))
        return
    for answer in answers:
        say(f"{answer['image']}: {answer[model.target.name]} ({100 * answer['probability']:.1f} %)")


def _is_same_file(path: str, other: str) -> bool:
    with suppress(OSError):  # one of the files does not exist
        return os.path.samefile(path, other)
    return False
