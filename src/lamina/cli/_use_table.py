"""Commands that use a model: ``lamina predict`` and ``lamina evaluate``; opening models, and files of new rows.

`predict` writes a table with predictions, or says the digit in an image; `evaluate` measures on a table, or on a run's
test images.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from contextvars import Context, copy_context
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lamina.cli import _options as options
from lamina.cli._console import note, output, say, warnings_as_lines
from lamina.cli._options import Reading, argument, grouped, one_of, option
from lamina.errors import DataError, LaminaError
from lamina.support.extras import require
from lamina.support.lazily import np, pl
from lamina.table.formats import are_pictures, begin_reading, writable
from lamina.table.messages import closest, counted, row, rows_called, rows_from, warn

if TYPE_CHECKING:
    from lamina.table.places import LineNumbers
    from lamina.table.schema import Target


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
        bool, option("For numbers: add the standard deviation of the network's members.", named="--std")
    ] = False
    output_format: options.OutputFormat = None
    safe_csv: Annotated[
        bool,
        option("Of CSV: put ' before texts that a spreadsheet would run as formulas.", named="--safe-csv"),
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
        argument(
            "Of a run on a table: files, globs, or -. Of a run on MNIST: pictures of one digit each (PNG, "
            "JPEG …), or IDX files of many."
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
    from lamina.table.write import is_delimited, write_batches

    added.check()
    chosen = one_of("--output-format", added.output_format, writable())
    out, reading = added.out or "-", files.said()
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
    with batches_of(model, details, data, reading, out) as batches:
        extended = model.extended(batches, added.prefix, brief=is_delimited(out, chosen), **more)
        if form.whole or are_pictures(data, files.format):
            columns = [column.name for column in model.schema.columns]
            extended = (batch.drop(columns, strict=False) for batch in extended)
        rows = write_batches(extended, out, chosen, safe=added.safe_csv)
    if out != "-":
        note(f"{counted(rows, 'row')} with predictions in {out}")


def _say_classes(model: Any, names: list[str], numbers: np.ndarray, *, as_json: bool) -> None:
    """Print the class of each image."""
    from lamina.table.encode import Encoded

    encoded = Encoded(numbers.astype(np.float32), np.empty((len(numbers), 0), np.int32))
    probabilities = model.fitted.target.probabilities(model.fitted.outputs(encoded))
    decided = model.decision.decided(probabilities).tolist()
    answers: list[dict[str, Any]] = [
        {
            "image": name,
            model.target.name: model.target.classes[i],
            "probability": row[i],
            "probabilities": row.tolist(),
        }
        for name, i, row in zip(names, decided, probabilities, strict=True)
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


@grouped
def evaluate(
    run: options.ModelArgument,
    files: Reading,
    data: Annotated[
        list[str] | None, argument("Of a run on a table: files with the target column, or -.")
    ] = None,
    target: options.TargetOption = None,
    as_json: Annotated[bool, option("One JSON object.", named="--json")] = False,
) -> None:
    """Evaluate a trained network on a table; for a run on MNIST: accuracy and confusion matrix on the test images.

    Examples:

    \b
      lamina evaluate runs/income-1 new.csv
      lamina evaluate model.safetensors new.csv --target income
      lamina evaluate runs/mnist-1
    """
    begin_reading(data or ())
    reading = files.said()
    model, details = open_table_run(run, target=target)
    if not data and model.test is not None:
        _show_tested(model.test(), model.target.classes, as_json=as_json)
        return
    require_packages("scikit-learn", "polars")
    if not data:
        raise LaminaError(f"the table to evaluate on is missing: lamina evaluate {run} DATA")
    model.require_one_target("lamina evaluate")
    with batches_of(model, details, data, reading) as batches:
        results = _results(model, *_predicted(model, batches))
    if as_json:
        print(json.dumps(results))
        return
    from lamina.cli._table_views import metrics_table, quantiles_said
    from lamina.runs.wording import decision_said

    console = output()
    title = f"Metrics on {counted(results['rows'], 'row')}"
    console.print(metrics_table(title, {"lamina": results["metrics"]}))
    for text in (*decision_said(results["decision"]), *quantiles_said(results)):
        console.print(text, markup=False)


def _predicted(model: Any, batches: Iterable[pl.DataFrame]) -> tuple[np.ndarray, np.ndarray]:
    """The target of all rows that have one, (rows,), and their predictions; see `TableModel.predicted`."""
    from lamina.runs.data import target_of
    from lamina.table.places import LineNumbers

    targets: list[np.ndarray] = []
    outputs: list[np.ndarray] = []
    rows, kept, of_files = 0, LineNumbers(), copy_context()
    known = _with_target(batches, model.target, kept, of_files)
    with rows_called(lambda index: of_files.run(row, kept[index] - 1)):
        for batch, predicted in model.predicted(known):
            if not len(batch):  # an empty table has a single part without rows
                raise DataError("the table has no rows to evaluate on")
            with rows_from(rows):
                targets.append(target_of(batch, model.target))
            outputs.append(predicted)
            rows += len(batch)
    return np.concatenate(targets), np.concatenate(outputs)


def _results(model: Any, target: np.ndarray, outputs: np.ndarray) -> dict[str, Any]:
    """The metrics, as JSON values."""
    from lamina.runs.metrics import levels_held, metrics_of
    from lamina.runs.wording import decision_of

    metrics = metrics_of(model.target.task, target, model.central(outputs), model.decision)
    results: dict[str, Any] = {"rows": len(target), "metrics": metrics, "decision": decision_of(model)}
    if model.levels:
        below, outermost = levels_held(model.levels, target, outputs)
        results["quantiles"] = [asdict(one) for one in below]
        results["outermost"] = outermost and asdict(outermost)
    return results


def _with_target(
    batches: Iterable[pl.DataFrame], target: Target, kept: LineNumbers, of_files: Context
) -> Iterator[pl.DataFrame]:
    """The batches without the rows that have no target, whose number a warning says.

    `kept` receives the numbers, from 1, of the other rows among those of the files, which `of_files` names.
    """
    from lamina.table.findings.left_out import has_value, target_missing, without_words
    from lamina.table.target import no_values

    name, absent, rows = target.name, np.empty(0, np.int64), 0
    for batch in batches:
        if name not in batch.columns:
            raise DataError(
                f"the table has no column {name!r} to compare predictions with.{closest(name, batch.columns)} "
                "If the target has another name there, add --target NAME"
            )
        batch = of_files.run(without_words, batch, name, target.task, rows)
        present = has_value(batch[name])
        absent = np.append(absent, rows + np.flatnonzero(~present))
        if present.any() or not len(batch):
            kept.add(1 + rows + np.flatnonzero(present))
            yield batch.filter(present)
        rows += len(batch)
    if rows and len(absent) == rows:
        raise no_values(name, rows)
    if len(absent):
        warn(of_files.run(target_missing, name, len(absent), rows, int(absent[0])))


def _show_tested(found: dict[str, Any], classes: Sequence[Any], *, as_json: bool) -> None:
    """Show the accuracy and the confusion matrix on test images."""
    from lamina.cli._table_views import confusion_table

    if as_json:
        print(json.dumps(found))
        return
    confusion, console = found["confusion"], output()
    count = sum(map(sum, confusion))
    console.print(
        f"accuracy {found['accuracy']:.4f}, loss {found['loss']:.4f} on {count:,} test images", soft_wrap=True
    )
    console.print(confusion_table(confusion, classes))


# --- models, and batches of new files --------------------------------------------------------------------------------

_BATCH_ROWS = 1 << 16


def require_packages(*needed: str) -> None:
    """Raise an error if a package is missing."""
    require("using a network trained on a table", *needed)


def open_table_run(run: Path, *needed: str, target: str | None = None) -> tuple[Any, dict[str, Any]]:
    """Load a table model and its details, see `open_model`; raise an error if a package in `needed` is missing."""
    from lamina.runs.run_folder import open_model

    opened = open_model(run, target)
    require_packages(*needed)
    return opened


@contextmanager
def batches_of(
    model: Any,
    details: Mapping[str, Any],
    data: Sequence[str],
    reading: Mapping[str, Any],
    out: str = "",
    *,
    quiet: bool = False,
) -> Generator[Any]:
    """Yield the batches of new files, read with the training's options, which `reading` overrides.

    `out`: where rows go meanwhile, "-" for standard output. `quiet`: whether warnings are hidden.
    """
    from lamina.runs.run_folder import reading_of
    from lamina.table.places import Places
    from lamina.table.read import ReadOptions, iter_batches

    if rows := model.schema.row_form.named_rows(data):
        yield iter([_frame(*rows)])
        return
    options = ReadOptions(**{**reading_of(details), **reading}, as_text=model.schema.text_columns)
    places = Places()
    batches = iter_batches(list(data), _BATCH_ROWS, options, places)
    shows_activity = out != "-" or sys.stdout is None or not sys.stdout.isatty()
    with warnings_as_lines(quiet=quiet, shows_activity=shows_activity), places.named(), closing(batches):
        yield batches


def _frame(names: list[str], pixels: np.ndarray) -> pl.DataFrame:
    """A table of images, with their names and pixels."""
    from lamina.table.formats.arrays import pixel_frame

    return pixel_frame("pictures", pixels).insert_column(0, pl.Series("image", names))
