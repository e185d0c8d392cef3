"""``lamina tune DATA --target COLUMN``: the search of `lamina train --preset best`, shown trial by trial."""

from __future__ import annotations

from lamina.cli import _train_options as asked
from lamina.cli import _train_table as train
from lamina.cli._groups import Reading, grouped
from lamina.cli._search_run import require_search
from lamina.support.extras import require
from lamina.table.formats import begin_reading


@grouped
def tune(table: asked.Table, tuning: asked.Tuning, files: Reading, shown: asked.Shown) -> int:
    """Search for the best network on a table, and show the trials.

    The command trains networks with many settings, starting with the presets', and averages the best networks, with
    weights that minimize the loss on held-out rows. A table shows the settings, loss, share of the average and seconds
    of each trial; a line below shows the best score so far and the remaining time. The result is a folder like
    that of `lamina train`; the report shows the search, and trials.jsonl has all trials.

    Ctrl-C and the time limit keep the best so far. Complete trials are kept in the folder, so that a killed search
    continues with --resume, and so does a complete search with a longer --time-limit or more --trials.
    The result depends only on the number of trials, not on interruptions or on parallel training.

    Examples:

    \b
      lamina tune people.csv --target income --time-limit 5m
      lamina tune houses.parquet --target price --trials 20 --out runs/houses
      lamina tune houses.parquet --target price --time-limit 10m --jobs 4
      lamina tune --resume runs/houses --trials 40
    """
    chosen = table.said() | tuning.said()
    if table.resume is None:
        chosen["preset"] = "best"
    require_search(chosen, tuning.jobs, resumes=table.resume is not None)
    read_as = files.said()
    require("searching on a table", "scikit-learn", "polars", "jinja2")
    begin_reading(table.data or ())
    return train.run_table(chosen, read_as, table, tuning, shown, live=True)
