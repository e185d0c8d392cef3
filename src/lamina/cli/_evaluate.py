"""``lamina evaluate``: metrics of a run's network, on a table or on its test images."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lamina.cli import _options as options
from lamina.cli._console import output
from lamina.cli._options import Reading, grouped
from lamina.errors import DataError, LaminaError
from lamina.table.formats import begin_reading
from lamina.table.messages import closest, counted, rows_from

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


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
    from lamina.cli._use_table import batches_of, open_table_run, require_packages

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
    console.print(
        metrics_table(f"Metrics on {counted(results['rows'], 'row')}", {"lamina": results["metrics"]})
    )
    for text in (*decision_said(results["decision"]), *quantiles_said(results)):
        console.print(text, markup=False)


def _predicted(model: Any, batches: Iterable[pl.DataFrame]) -> tuple[np.ndarray, np.ndarray]:
    """The target of all rows, (rows,), and their predictions; see `TableModel.predicted`."""
    import numpy as np

    from lamina.runs.data import target_of

    targets: list[np.ndarray] = []
    outputs: list[np.ndarray] = []
    for batch, predicted in model.predicted(_with_target(batches, model.target.name)):
        if not len(batch):  # an empty table has a single part without rows
            raise DataError("the table has no rows to evaluate on")
        with rows_from(sum(map(len, targets))):
            targets.append(target_of(batch, model.target))
        outputs.append(predicted)
    return np.concatenate(targets), np.concatenate(outputs)


def _results(model: Any, target: np.ndarray, outputs: np.ndarray) -> dict[str, Any]:
    """The metrics, as JSON values."""
    from lamina.runs.metrics import levels_held, metrics_of
    from lamina.runs.wording import decision_of

    deciding: dict[str, Any] = {"positive": model.positive, "threshold": model.threshold}
    metrics = metrics_of(model.target.task, target, model.central(outputs), **deciding)
    results: dict[str, Any] = {"rows": len(target), "metrics": metrics, "decision": decision_of(model)}
    if model.levels:
        below, outermost = levels_held(model.levels, target, outputs)
        results["quantiles"] = [asdict(one) for one in below]
        results["outermost"] = outermost and asdict(outermost)
    return results


def _with_target(batches: Iterable[pl.DataFrame], name: str) -> Iterator[pl.DataFrame]:
    for batch in batches:
        if name not in batch.columns:
            raise DataError(
                f"the table has no column {name!r} to compare predictions with.{closest(name, batch.columns)} "
                "If the target has another name there, add --target NAME"
            )
        yield batch


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
