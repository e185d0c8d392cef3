"""``lamina inspect``: show a run's network, or a table before training."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Annotated

from lamina.cli._options import Reading, argument, grouped, option
from lamina.cli._train_options import Columns
from lamina.errors import LaminaError
from lamina.table.formats import NOT_READ, begin_reading, format_of_name
from lamina.training.run_folder import MODELS


@grouped
def inspect(
    what: Annotated[
        str, argument("A run's folder, a model's file, or a table to train on.", metavar="RUN|DATA")
    ],
    files: Reading,
    table: Columns,
    new: Annotated[
        list[str] | None, argument("Files to compare with the training table.", metavar="NEW")
    ] = None,
    as_json: Annotated[bool, option("One JSON object instead of tables.", named="--json")] = False,
) -> None:
    """Inspect a table before training, or a run.

    For a table: each column's recognized type, missing values, examples; with --target, columns that reveal the target
    (leakage) and contradictory rows; repeated rows. With NEW, a table to compare: the rows of NEW that are in the
    training table, and columns whose values have drifted. Nothing is trained.

    For a run on a table: architecture, columns and metrics; with NEW, a comparison of the training table with NEW.
    For a run on MNIST: settings and accuracy.

    Examples:

    \b
      lamina inspect people.csv --target income
      lamina inspect people.csv --target income next_year.csv
      lamina inspect people.csv --kind zip=categorical --drop id
      lamina inspect runs/income-1
      lamina inspect runs/income-1 next_year.csv
    """
    asked = table.said()
    if is_table(what):
        begin_reading([what, *(new or ())])
        from lamina.cli._inspect_table import inspect_data

        inspect_data([what], new or [], files.said(), asked, as_json=as_json)
        return
    if asked:
        raise LaminaError(
            f"{what} is a run, which has its own columns and target; leave out options for tables, such as --target"
        )
    from lamina.cli._inspect_table import inspect_new, inspect_run

    if new:
        inspect_new(Path(what), new, files.said(), as_json=as_json)
        return
    inspect_run(Path(what), as_json=as_json)


def is_table(what: str) -> bool:
    """Whether `what` is a table, judged by name and content, rather than a run or a model.

    >>> is_table("people.csv"), is_table("part-*.csv.gz"), is_table("-"), is_table("runs/income-1")
    (True, True, True, False)
    """
    path = Path(what)
    if path.is_dir() or what.endswith(MODELS):
        return False
    if format_of_name(path.name)[0] is not None or path.suffix.lower() in NOT_READ:
        return True
    if path.is_file():
        from lamina.support.files.tensors import is_tensor_file

        return not is_tensor_file(path)
    return what == "-" or glob.has_magic(what) or path.exists()
