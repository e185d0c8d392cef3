"""The output of `lamina train` before and after a training: the table, and the results."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.cli._clock import since_start
from lamina.cli._console import EXIT_INTERRUPTED, output, say
from lamina.table.formats import are_pictures

if TYPE_CHECKING:
    from lamina.cli._train_options import Shown
    from lamina.runs.data import Prepared, Request
    from lamina.runs.evaluation import Baseline
    from lamina.runs.search import Closing
    from lamina.runs.training import Trained
    from lamina.training.run_folder import RunFolder


def show_prepared(prepared: Prepared, monotone: Mapping[str, int]) -> None:
    """Print the columns of a table with their constraints, the task, and the numbers of rows."""
    from rich.markup import escape

    from lamina.cli._table_views import columns_table, override_hint
    from lamina.table.describe import describe_rows, describe_target

    console = output()
    console.print(columns_table(prepared.schema, monotone))
    console.print(override_hint(prepared.schema), style="dim", markup=False)
    task = f"{describe_target(prepared.target)} ({prepared.target.reason})"
    console.print(f"\n[bold]Task[/bold]: {escape(task)}")
    divided = f" – divided {prepared.divided}" if prepared.group or prepared.time else ""
    console.print(f"[bold]Rows[/bold]: {describe_rows(prepared.rows)}{escape(divided)}\n")


def finish(
    prepared: Prepared,
    trained: Trained,
    request: Request,
    folder: RunFolder,
    shown: Shown,
    baselines: Mapping[str, Baseline] | None = None,
    closing: Closing | None = None,
) -> int:
    """Evaluate a trained network, write and publish its run, and show the results; return the exit code.

    `baselines`, `closing`: see `lamina.runs.run.complete`.
    """
    from lamina.distributed.communicator import world
    from lamina.export.page_file import write_run_page
    from lamina.runs.run import complete
    from lamina.training.display import telling

    quiet = shown.quiet
    with telling(None if quiet else sys.stderr) as tell:
        run = complete(prepared, trained, request, folder, tell, baselines, closing)
        world().wait_for_all()
        tell("writing the page for trying the network")
        page = write_run_page(run.path)
        if not trained.interrupted:
            folder.publish()
            run, page = dataclasses.replace(run, path=folder.path), page and folder.path / page.name
    if closing and not quiet and (over := closing.seconds_over()):
        say(
            f"lamina: warning: --time-limit is exceeded by {over:.1f} s: of {since_start():.1f} s, the search took "
            f"{trained.seconds:.1f} s, and the start and the report the rest; give more time",
            error=True,
        )
    if shown.tables:
        _show_results(output(), run)
    say(
        json.dumps({"run": str(run.path), **run.results})
        if shown.as_json
        else _closing(run, page, request, quiet)
    )
    if not trained.interrupted:
        return 0
    say(f"lamina: {how_to_go_on(folder)}", error=True)
    return EXIT_INTERRUPTED


def _show_results(console: Any, run: Any) -> None:
    from lamina.cli._table_views import intervals_said, measured_title, metrics_table, quantiles_said
    from lamina.runs.wording import decision_said, how_trained

    results = run.results
    console.print(metrics_table(measured_title(results), results["metrics"]))
    for text in (*decision_said(results["decision"]), *quantiles_said(results), *intervals_said(results)):
        console.print(text, markup=False)
    console.print(how_trained(results))


def _closing(run: Any, page: Path | None, request: Request, quiet: bool) -> str:
    """The last lines of the output: the paths of the results, commands for using them, and advice."""
    if quiet:
        return str(run.path)
    new = "NEW.png" if are_pictures(request.data, request.options.format) else "NEW.csv -o predictions.csv"
    report, use = run.path / "report.html", f"lamina predict {run.path} {new}"
    tried = "" if page is None else f"; to try the network, open {page}"
    advice = "".join(f"\n{line}" for line in run.results["advice"])
    return f"saved in {run.path}; the report is {report}{tried}\nnext: {use}{advice}"


def how_to_go_on(folder: RunFolder) -> str:
    """Describe how to resume the run, or that there is no checkpoint."""
    from lamina.training.run_folder import CHECKPOINT

    if not folder.has(CHECKPOINT):
        return "there is no checkpoint to resume from"
    stays = "" if folder.replaces is None else f"{folder.replaces} stays as it was; "
    return f"{stays}continue with: lamina train {folder.resuming}"
