"""``lamina explain``: the contribution of each column to the predictions for a table's rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from lamina.cli import _options as options
from lamina.cli._console import note, output
from lamina.cli._options import Reading, argument, grouped, one_of, option
from lamina.cli._use_table import batches_of, open_table_run
from lamina.errors import LaminaError
from lamina.support.lazily import np, pl
from lamina.support.messages import printable
from lamina.table.formats import begin_reading, writable
from lamina.table.messages import counted, with_results

_ROWS_SHOWN = 5
_COLUMNS_SHOWN = 10
_WORDS_SHOWN = 4
_BACKGROUND = 2000
"""Maximum number of rows of the background file from which `shap_values` draws its background."""
_OF_A_PROCESS = ("/dev/fd/", "/dev/std", "/proc/")
"""Prefixes of paths that mean different files in different processes."""


@grouped
def explain(
    run: options.ModelArgument,
    data: Annotated[list[str], argument("Files, globs, or -.")],
    files: Reading,
    out: Annotated[
        str | None,
        option("The table to write, by its name in any format, - for CSV.", False, named="--out -o"),
    ] = None,
    background: Annotated[
        str | None,
        option("A table; predictions are compared with the mean prediction for its rows.", "the training's"),
    ] = None,
    of_class: Annotated[
        str | None, option("The class whose probability is explained.", "the last", named="--class")
    ] = None,
    output_format: options.OutputFormat = None,
    target: options.TargetOption = None,
    as_json: Annotated[bool, option("JSON lines, all rows.", named="--json")] = False,
) -> None:
    """Explain predictions: the contribution (SHAP value) of each column, for the rows of a table.

    A prediction is the mean prediction for the background rows plus all contributions. The terminal shows the first
    rows and, for words of a text, the change of the prediction without the word. An output table keeps all columns, and
    gets "mean", "explained" and, for each column, "adds_COLUMN".
    With several quantiles, the quantile nearest to the median is explained.

    Examples:

    \b
      lamina explain runs/price-1 new.csv
      lamina explain runs/income-1 new.csv --class high -o explained.parquet
    """
    begin_reading([*data, *([background] if background else [])])
    chosen = one_of("--output-format", output_format or ("jsonl" if as_json else None), writable())
    given = files.said()
    model, details = open_table_run(run, "scikit-learn", "polars", target=target)
    _require_class(model, of_class)
    others = _background(run, model, details, background, given)
    with batches_of(model, details, data, given) as batches:
        explained = _explained(model, batches, others, _output_of(model, of_class))
        if out is None and chosen is None:
            _show(model, explained, _what_is_explained(model, of_class))
        else:
            _write(model, explained, out or "-", chosen)


def _require_class(model: Any, of_class: str | None) -> None:
    """Raise `LaminaError` unless the model has the class `of_class`, if this is not None."""
    if of_class is None:
        return
    if model.target.task == "regression":
        raise LaminaError(f"--class {of_class}: {model.target.name!r} has numbers, not classes; omit --class")
    known = [str(name) for name in model.fitted.target.values.tolist()]
    one_of("--class", of_class, tuple(known))


def _background(
    run: Path, model: Any, details: Mapping[str, Any], named: str | None, given: Mapping[str, Any]
) -> Any:
    """Read background rows from the table `named`, or by default from the start of the training table."""
    from lamina.table.source import is_read_once

    trained_on: Sequence[str] = (details["settings"] or {}).get("data", ())
    if named is None and not trained_on:
        raise LaminaError(
            f"{run} has no record of its training table; name a table of rows to compare with: --background FILE"
        )
    files = trained_on if named is None else [named]
    # A pipe with the same name now has other rows, perhaps the rows to explain.
    gone = [file for file in files if is_read_once(file) or file.startswith(_OF_A_PROCESS)]
    if named is None and gone:
        where = ", ".join("standard input" if file == "-" else f"the pipe {file}" for file in gone)
        raise LaminaError(f"{run} was trained on {where}: name a table to compare with by --background")
    try:
        # Training has warned about its own table.
        with batches_of(model, details, files, given if named else {}, quiet=named is None) as batches:
            first = next(iter(batches))
    except (OSError, LaminaError) as error:
        if named is not None:
            raise
        raise LaminaError(
            f"the training rows to compare with, {', '.join(files)}, can't be read ({error}); "
            "name another table: --background FILE"
        ) from error
    if not len(first):
        raise LaminaError(f"the background {', '.join(files)} has no rows to compare with")
    return model.inputs(first[:: max(1, len(first) // _BACKGROUND)])


def _explained(
    model: Any, batches: Iterable[pl.DataFrame], background: Any, output: str | int
) -> Generator[tuple[pl.DataFrame, Any, Any, Callable[[int], dict[str, str]]]]:
    """Yield each batch with its explanation, its predicted classes or None, and a function for words.

    The function maps a row's index in the batch to the effects of its words; see `_words`.
    """

    def compute(batch: pl.DataFrame) -> tuple[Any, Any]:
        return (inputs := model.inputs(batch)), model.estimator.shap_values(inputs, background)

    for batch, (inputs, found) in with_results(batches, compute):
        words = partial(_words, model, inputs, found.place_of(output) if found.output_names else 0)
        is_class = model.target.task == "classification"
        decided = model.fitted.target.values[model.decision.decided(found.predictions)] if is_class else None
        yield batch, found.of_output(output) if found.output_names else found, decided, words


def _words(model: Any, inputs: pl.DataFrame, place: int, row: int) -> dict[str, str]:
    """Describe, for each text column, the words of a row that change its prediction most."""
    from lamina.estimators.importance import text_columns

    found: dict[str, str] = {}
    for column in text_columns(model.fitted):
        (values,) = model.estimator.word_values(inputs[row : row + 1], column)
        changes = {word: float(np.ravel(change)[place]) for word, change in values.items()}
        ranked = sorted(changes, key=lambda word: -abs(changes[word]))[:_WORDS_SHOWN]
        found[column] = ", ".join(f"{_value_said(word)} {changes[word]:+.4g}" for word in ranked)
    return found


def _write(
    model: Any, explained: Iterable[tuple[pl.DataFrame, Any, Any, Any]], out: str, chosen: str | None
) -> None:
    from lamina.table.write import write_batches

    rows = write_batches((_extended(model, batch, found) for batch, found, *_ in explained), out, chosen)
    if out != "-":
        note(f"{counted(rows, 'row')} with columns' contributions in {out}")


def _extended(model: Any, batch: pl.DataFrame, found: Any) -> pl.DataFrame:
    """Add the explanation of a batch to the batch, as columns."""
    new = {"mean": [found.base_values] * len(batch), "explained": found.predictions}
    used = {column.name for column in model.schema.used}
    new |= {f"adds_{name}": found.values[:, i] for i, name in enumerate(found.feature_names) if name in used}
    if taken := [name for name in new if name in batch.columns]:
        raise LaminaError(
            f"the table already has a column {taken[0]!r}, a name in the explanation; rename the column"
        )
    return batch.with_columns(pl.Series(name, values, dtype=pl.Float64) for name, values in new.items())


def _output_of(model: Any, of_class: str | None) -> str | int:
    """The explained output: the class `of_class`, or the last class, or the quantile nearest to the median."""
    middle = getattr(model.fitted.target, "middle", None)
    return of_class or (-1 if middle is None else middle)


def _what_is_explained(model: Any, of_class: str | None) -> str:
    """Describe the explained quantity, e.g. "the predicted price"."""
    if model.target.task == "classification":
        return f"the probability of {of_class or model.fitted.target.values[-1]}"
    target = model.fitted.target
    if (middle := getattr(target, "middle", None)) is not None:
        return f"the {target.levels[middle]:g} quantile of {model.target.name}"
    return f"the predicted {model.target.name}"


def _show(model: Any, explained: Iterable[tuple[pl.DataFrame, Any, Any, Any]], what: str) -> None:
    """Print a table for each of the first rows, with the largest contributions to the explained quantity, `what`."""
    from rich.markup import escape

    from lamina.runs.metrics import format_quantity
    from lamina.table.columns import value_name

    console = output()
    what = escape(_value_said(what))
    rows = ((*rest, i) for _, *rest in explained for i in range(len(rest[0].values)))
    with closing(rows):
        for number, (found, decided, words, i) in enumerate(islice(rows, _ROWS_SHOWN)):
            reached, mean = format_quantity(found.predictions[i]), format_quantity(found.base_values)
            label = "" if decided is None else f" (predicted: {escape(_value_said(value_name(decided[i])))})"
            console.print(
                f"Row {number}: {reached}, {what}{label}; the mean of the background is {mean}", style="bold"
            )
            console.print(_row_table(model, found, i, words(i)))
        if next(rows, None) is not None:
            console.print(f"these are the first {_ROWS_SHOWN} rows; -o FILE writes all", style="dim")


def _value_said(value: Any) -> str:
    """Format a cell as text; a missing value becomes a dash."""
    from lamina.table.columns import is_missing

    return "–" if is_missing(value) else printable(str(value), keep="")


def _row_table(model: Any, found: Any, row: int, words: Mapping[str, str]) -> Any:
    """Build a table of the largest contributions to a row's prediction, with the effects of `words` in text columns."""
    from rich.markup import escape

    from lamina.cli._table_views import titled_table

    table = titled_table(None, "*column", "value", "adds>")
    used = {column.name for column in model.schema.used}
    places = [i for i, name in enumerate(found.feature_names) if name in used]
    values = found.values[row]
    ranked = sorted(places, key=lambda i: -abs(values[i]))
    for i in ranked[:_COLUMNS_SHOWN]:
        said = _value_said(found.data[row, i])
        if by_word := words.get(found.feature_names[i]):
            said += f"\nby word: {by_word}"
        table.add_row(escape(_value_said(found.feature_names[i])), escape(said), f"{values[i]:+.4g}")
    if rest := ranked[_COLUMNS_SHOWN:]:
        table.add_row(f"{len(rest)} others", "", f"{np.sum(values[rest]):+.4g}")
    return table
