"""``lamina predict``: a table with predictions added, or which digit a picture shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from lamina.cli.console import say
from lamina.cli.options import (
    DecimalOption,
    DelimiterOption,
    EncodingOption,
    FormatOption,
    QuoteOption,
    one_of,
    proposing,
    reading,
)
from lamina.errors import DataError
from lamina.table.formats import writable

__all__ = ["predict"]


def predict(
    run: Annotated[Path, typer.Argument(help="A run's folder.", show_default=False)],
    data: Annotated[
        list[str],
        typer.Argument(
            help="Of a run on a table: files, globs, or -. Of a run on MNIST: pictures of one digit each (PNG, "
            "JPEG …), or IDX files of many.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", help="The table to write, by its name in any format.", show_default="-, CSV"
        ),
    ] = None,
    prefix: Annotated[str, typer.Option(help="Put before the names of the new columns.")] = "",
    output_format: Annotated[
        str | None,
        typer.Option(
            help=f"Of the table to write, where its name does not say it: {', '.join(writable())}.",
            autocompletion=proposing(*writable()),
        ),
    ] = None,
    safe_csv: Annotated[
        bool,
        typer.Option(
            "--safe-csv", help="Of CSV: put ' before texts that a spreadsheet would run as formulas."
        ),
    ] = False,
    format: FormatOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    quote: QuoteOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Tables: JSON lines. Digits: a JSON array.")
    ] = False,
) -> None:
    """Add a network's predictions to a table; of a run on MNIST: say which digit each image shows.

    A table keeps its columns and the order of its rows, and gets "prediction" and, for each class,
    "probability_CLASS". Files may be larger than memory. Drawn digits of any size, dark on light or light on
    dark, are first brought to the form of MNIST's.

    Examples:

    \b
      lamina predict runs/income-1 new.csv -o predictions.parquet
      cat new.csv | lamina predict runs/income-1 - > predictions.csv
      lamina predict runs/mnist-1 seven.png
    """
    from lamina.runs.run_folder import is_table_run

    if is_table_run(run):
        from lamina.cli.use_table import predict_table

        chosen = one_of("--output-format", output_format or ("jsonl" if as_json else None), writable())
        given = reading(format, delimiter, encoding, decimal, quote)
        predict_table(run, data, out or "-", given, chosen, prefix, safe=safe_csv)
        return
    _predict_digits(run, [Path(path) for path in data], as_json=as_json)


def _predict_digits(run: Path, images: list[Path], *, as_json: bool) -> None:
    from lamina import nd
    from lamina.recipes.digits import pixel_rows
    from lamina.recipes.run_folder import RunFolder

    network = RunFolder(run).network()
    answers: list[dict[str, Any]] = []
    for path in images:
        names, pixels = _read(path)
        probabilities = nd.softmax(network(pixel_rows(pixels))).asnumpy()
        answers += [_answer(name, row) for name, row in zip(names, probabilities, strict=True)]
    if as_json:
        print(json.dumps(answers, indent=2))
        return
    for answer in answers:
        say(f"{answer['image']}: {answer['digit']} ({100 * answer['probability']:.1f} %)")


def _answer(name: str, probabilities: np.ndarray) -> dict[str, Any]:
    digit = int(probabilities.argmax())
    return {
        "image": name,
        "digit": digit,
        "probability": float(probabilities[digit]),
        "probabilities": [float(p) for p in probabilities],
    }


def _read(path: Path) -> tuple[list[str], np.ndarray]:
    """The digits in a file, uint8 of shape (n, 28, 28), and what to call each."""
    from lamina.datasets import normalize_digit, read_digit
    from lamina.io.idx import may_be_idx, read_idx

    if not may_be_idx(path):
        return [str(path)], read_digit(path)[None]
    array = read_idx(path)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.size == 0:
        raise DataError(f"{path}: expected images of shape (n, height, width), found {array.shape}")
    names = [f"{path}[{i}]" for i in range(len(array))]
    return names, np.stack([normalize_digit(image) for image in array])
