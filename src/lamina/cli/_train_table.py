"""``lamina train DATA --target COLUMN`` and ``lamina tune``: train networks on a table, and write a run's folder.

A time limit counts from the command's start.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lamina.cli._console import EXIT_INTERRUPTED, note, output, say, since_start, warnings_as_lines
from lamina.cli._options import Reading, grouped, said
from lamina.cli._train_options import Shown, Table, Training, Tuning
from lamina.errors import LaminaError
from lamina.estimators.presets import RETIRED
from lamina.estimators.settings import DECLARED, OPTIONS
from lamina.support.extras import require
from lamina.support.files.staging import scratch
from lamina.table.formats import are_pictures, begin_reading
from lamina.table.messages import as_kind, counted
from lamina.training.run_folder import CHECKPOINT, RunFolder, held_run, new_run

if TYPE_CHECKING:
    from lamina.distributed.communicator import Communicator
    from lamina.runs.data import Prepared, Request
    from lamina.runs.model import Trained
    from lamina.runs.search import Closing
    from lamina.training.checkpoint import Checkpoint
    from lamina.training.loop import Epoch, Loop, Observer


@grouped
def train_table(table: Table, training: Training, files: Reading, shown: Shown) -> int:
    """Train a multilayer perceptron on a table, and evaluate it.

    The command infers the columns' types, holds out rows for validation and test, keeps the epoch with the best
    validation score (the preset fast stops when the score no longer improves), compares with a linear model, and writes
    a folder: model.safetensors, metrics.jsonl, settings.json, report.html. Ctrl-C keeps the best epoch so far.
    A killed or interrupted run continues with --resume from the last checkpoint, and gives the same network as an
    uninterrupted run; checkpoints are saved after the first epoch, and then every 10 seconds. A table larger
    than memory is read from disk, and stored in encoded form in the run's folder during training.

    With --time-limit, --trials or --preset best, networks with many settings are trained, and the best are averaged;
    `lamina tune` shows this search. The limit is the command's total time. A killed search continues with
    --resume, and so does a complete search with a longer --time-limit or more --trials.

    --replace trains a run anew: the old run stays, and is served, until the new run is complete and replaces it in one
    step. After an interruption the old run stays; continue with --resume RUN --replace.

    Examples:

    \b
      lamina train people.csv --target income
      lamina train houses.parquet --target price --preset fast --out runs/houses
      lamina train houses.parquet --target price --out runs/houses --replace
      lamina train houses.parquet --target price --time-limit 5m
      lamina train 'part-*.csv.gz' --target y --kind zip=categorical --drop id
      lamina train 'rows/*.parquet' --target y --memory 2G
      lamina train train.csv --target y --validation valid.csv --test test.csv
      zcat log.jsonl.gz | lamina train - --format jsonl --target clicked --json
      lamina train houses.csv --target price --quantile 0.05,0.5,0.95
      lamina train houses.csv --target price --monotone rooms=1 --monotone age=-1
      lamina train claims.csv --target fraud --class-weight balanced --threshold f1
      lamina train --resume runs/houses
      mpirun -n 4 lamina train 'part-*.csv' --target y --shards 8

    MNIST has its own command: lamina train mnist --help
    """
    chosen = table.said() | training.said() | said(stream=training.stream or None)
    return _run_table(chosen, files, table, training, shown)


def _run_table(
    chosen: dict[str, Any], files: Reading, table: Table, settings: Training | Tuning, shown: Shown
) -> int:
    """Train a new run, or resume a run; return the exit code."""
    quiet, jobs = shown.quiet, settings.jobs
    memory = settings.memory if isinstance(settings, Training) else None
    _require_search(chosen, jobs, resumes=table.resume is not None)
    read_as = files.said()
    require("training on a table", "scikit-learn", "polars", "jinja2")
    begin_reading(table.data or ())
    if (preset := chosen.get("preset")) in RETIRED and not quiet:
        note(f"warning: --preset {preset} is retired: its networks are lamina.neural_network's")
    team = _world()
    if not team.is_first:
        with warnings_as_lines(quiet=True):
            return _help(team)
    holding = _held(chosen, read_as, table.out, table.resume, replace=table.replace)
    with warnings_as_lines(quiet=quiet), holding as (folder, request, saved):
        _require_shards(request, _world())
        if jobs is not None and not request.searches:  # only for a resumed run; others were checked earlier
            raise LaminaError(
                f"--jobs {jobs} is only for a search, but the run in {folder.path} is no search; omit --jobs"
            )
        try:
            with _prepared(folder, request, memory, quiet=quiet) as (request, prepared):
                if shown.tables:
                    _show_prepared(prepared, request.monotone)
                if request.searches:
                    return _run_search(folder, request, prepared, shown, settings)
                return _run(folder, request, prepared, saved, settings.device or "cpu", shown)
        except KeyboardInterrupt:
            note(f"interrupted; {_how_to_go_on(folder)}")
            return EXIT_INTERRUPTED


def _world() -> Communicator:
    from lamina.distributed.communicator import world  # imports NumPy, which --help does not need

    return world()


def _require_shards(request: Request, team: Communicator) -> None:
    if team.size > 1 and (request.shards or 0) < team.size:
        shards = "no --shards" if request.shards is None else f"--shards {request.shards}"
        raise LaminaError(
            f"{team.size} processes were started, and {shards}: give the number of parts of each batch, at least one "
            f"per process, such as --shards {max(8, team.size)}; the network depends on --shards, but not on the "
            "number of processes"
        )


def _help(team: Communicator) -> int:
    """Train in a further process of `team`; only the first process prints and writes files."""
    from lamina.distributed.communicator import let_the_first_speak
    from lamina.runs.data import prepare
    from lamina.runs.streamed import prepare_streamed
    from lamina.runs.training import train

    request, bound = team.broadcast(None)
    try:
        if request.stream:
            with scratch("lamina-rows-") as folder, prepare_streamed(request, folder, bound) as prepared:
                train(prepared, request)
        else:
            train(prepare(request), request)
    except KeyboardInterrupt:
        let_the_first_speak(team.rank)  # the first process may be waiting for gradients
        note("interrupted; continue with lamina train --resume, if there was a checkpoint")
        return EXIT_INTERRUPTED
    team.wait_for_all()
    return 0


@contextmanager
def _held(
    chosen: dict[str, Any], read_as: dict[str, Any], out: Path | None, resume: Path | None, *, replace: bool
) -> Generator[tuple[RunFolder, Request, Checkpoint | None]]:
    """Lock the folder of a new or resumed run; yield the folder, the request, and the checkpoint, if any."""
    from lamina.runs.data import Request
    from lamina.runs.run_folder import read_unfinished
    from lamina.table.read import ReadOptions

    if resume is None:
        if "data" not in chosen:
            raise LaminaError("the table is missing: name the table to train on, or add --resume RUN")
        unlike_earlier: dict[str, Any] = {"keeps_row_numbers": False, "has_additions": True}
        request = Request(**chosen, options=ReadOptions(**read_as), **unlike_earlier)
        with new_run(out, request.run_name, replace=replace) as folder:
            yield folder, request, None
        return
    with held_run(resume, out, replace=replace) as folder:
        begun, saved = read_unfinished(folder.path)
        request = _same(begun, chosen, read_as)
        grows = any((getattr(request, name) or 0) > (getattr(begun, name) or 0) for name in _TUNED)
        if not folder.has(CHECKPOINT) and not grows:
            raise LaminaError(
                f"the search in {resume} is complete; to continue it, give a longer --time-limit (the total of all "
                "runs), or more --trials"
            )
        yield folder, request, saved


def _same(begun: Request, chosen: dict[str, Any], read_as: dict[str, Any]) -> Request:
    """Update the resumed run's request with new limits of a search; raise `LaminaError` if other options differ."""
    for name, value in (chosen | read_as).items():
        if begun.searches and name in _TUNED:
            continue
        its = getattr(begun, name) if name in chosen else getattr(begun.options, name)
        if value != its and name != "data":
            raise LaminaError(f"the run began with {_said(name, its)}, which can't change")
    # The files may have other names, but must have the same content.
    changed = {name: chosen[name] for name in ("data", *(_TUNED if begun.searches else ())) if name in chosen}
    return dataclasses.replace(begun, **changed)


def _said(name: str, value: Any) -> str:
    """Format a request's value as a command-line option, e.g. "--lr 0.01", or "no --lr" if it is not set."""
    flags = {"kinds": "--kind, --ordered or --drop", **{one.name: one.flag for one in OPTIONS.values()}}
    option = flags.get(name, f"--{name}")
    if value is None or value is False or value == {}:
        return f"no {option}"
    if value is True or value in ("day-first", "month-first"):
        return f"--{name if value is True else value}"
    if name == "kinds":
        return " ".join(as_kind(column, kind) for column, kind in value.items())
    if isinstance(value, dict):
        return " ".join(f"{option} {column}={kind}" for column, kind in cast("dict[str, Any]", value).items())
    return f"{option} {','.join(map(str, cast(Any, value))) if isinstance(value, tuple) else value}"


@contextmanager
def _prepared(
    folder: RunFolder, request: Request, memory: str | None, *, quiet: bool
) -> Generator[tuple[Request, Prepared]]:
    """Prepare the table, in memory if it fits; yield the request, which may change to `stream`, and the table."""
    from lamina.runs.data import prepare
    from lamina.runs.streamed import prepare_streamed, why_streamed
    from lamina.table.stream.memory import bytes_in

    bound = None if memory is None else bytes_in(memory)
    why = why_streamed(request, bound)
    if why is None:
        _world().broadcast((request, bound))
        yield request, prepare(request)
        return
    if not request.stream:
        note(f"{why}: rows are read from the disk")
        request = dataclasses.replace(request, stream=True)
    _world().broadcast((request, bound))
    with folder.scratch() as scratch, prepare_streamed(request, scratch, bound) as prepared:
        yield request, prepared


def _run(
    folder: RunFolder,
    request: Request,
    prepared: Prepared,
    saved: Checkpoint | None,
    device: str,
    shown: Shown,
) -> int:
    from lamina.runs.training import train
    from lamina.training.checkpoint import Checkpoints
    from lamina.training.display import Display, Waiting

    quiet = shown.quiet
    if saved and not quiet:
        note(f"{folder.replaces or folder.path} continues after {counted(len(saved.past), 'epoch')}")
    observers: list[Observer] = [Checkpoints(folder, request.to_dict(), saved=saved)]
    if not quiet:
        observers += [Display(sys.stderr, _progress(request)), Waiting(sys.stderr)]
    trained = train(prepared, request, observers, device)
    if device != "cpu" and not quiet:
        note(f"trained on {trained.model.estimator.device_}")
    if trained.interrupted:
        note(f"interrupted; keeping epoch {trained.best_epoch}, the best so far")
    return finish(prepared, trained, request, folder, shown)


def _progress(request: Request) -> Callable[[Loop, Epoch], str]:
    """Create a function that describes an epoch: its loss, its validation score, and the best score so far."""
    from lamina.estimators.scoring import shown_score

    name, sign = shown_score(request.scoring)
    validation = "validation" if name == "loss" else f"validation {name}"

    def shown(loop: Loop, epoch: Epoch) -> str:
        if epoch.score is None:
            return f"loss {epoch.loss:.4f}"
        best = f"best {sign * loop.best_score:.4f} in {loop.best_epoch}"
        return f"loss {epoch.loss:.4f}, {validation} {sign * epoch.score:.4f} ({best})"

    return shown


@grouped
def tune(table: Table, tuning: Tuning, files: Reading, shown: Shown) -> int:
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
    return _run_table(chosen, files, table, tuning, shown)


# --- searches --------------------------------------------------------------------------------------------------------

_TUNED = ("time_limit", "trials")
"""Options that may increase when a search is resumed."""

_NOT_WITH = {
    "stream": "it compares networks on a table in memory",
    **{OPTIONS[name].name: about.not_in_search for name, about in DECLARED.items() if name in OPTIONS},
}


def _require_search(chosen: Mapping[str, Any], jobs: int | None, *, resumes: bool) -> None:
    """Raise `LaminaError` for options that need a search, or that can't be combined with a search.

    `jobs` is the number of parallel trials. `resumes`: whether a run is resumed, which may itself be a search.
    """
    searches = chosen.get("preset") == "best" or any(name in chosen for name in _TUNED)
    if jobs == 0:
        raise LaminaError(
            "--jobs 0: must be the number of networks trained in parallel, or -1 for one per core"
        )
    if jobs is not None and not searches and not resumes:
        raise LaminaError(f"--jobs {jobs} is only for a search; add --time-limit, --trials or --preset best")
    if not searches:
        return
    said = next((f"--{name.replace('_', '-')}" for name in _TUNED if name in chosen), "--preset best")
    for name, why in _NOT_WITH.items():
        if why and name in chosen:
            raise LaminaError(f"--{name} can't be combined with {said}, which searches many networks: {why}")
    if chosen.get("preset", "best") not in ("best", "default"):
        raise LaminaError(
            f"--preset {chosen['preset']} can't be combined with {said}: a search tries all presets; leave one of "
            "them out"
        )


def _run_search(
    folder: RunFolder, request: Request, prepared: Prepared, shown: Shown, settings: Training | Tuning
) -> int:
    """Run a search, and write the run's folder; return the exit code. `lamina tune` shows a table of trials."""
    from lamina.cli._search_display import SearchDisplay
    from lamina.runs import search
    from lamina.training.display import telling

    quiet, live = shown.quiet, isinstance(settings, Tuning)
    how: dict[str, Any] = {"device": settings.device or "cpu", "n_jobs": settings.jobs}
    with telling(None if quiet else sys.stderr) as tell:
        tell("measuring the baselines")
        prepared = dataclasses.replace(prepared, baselines=search.baselines(prepared, request))
        limit = request.time_limit
        closing = None if limit is None else search.Closing(prepared, limit, since_start)
    search.begin(folder, request)
    display = [] if quiet else [SearchDisplay(request, since_start, live=live, as_json=shown.as_json)]
    trained = search.search(prepared, request, folder, display, closing, since_start, **how)
    if trained.interrupted:
        note("interrupted; keeping the best so far")
    if not trained.history and not quiet:
        note("warning: the time was over before anything was learned; give a longer --time-limit")
    return finish(prepared, trained, request, folder, shown, closing)


# --- output before and after a training ------------------------------------------------------------------------------


def _show_prepared(prepared: Prepared, monotone: Mapping[str, int]) -> None:
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
    closing: Closing | None = None,
) -> int:
    """Evaluate a trained network, write and publish its run, and show the results; return the exit code.

    `closing`: see `lamina.runs.training.complete`.
    """
    from lamina.export.page_file import write_run_page
    from lamina.runs.training import complete
    from lamina.training.display import telling

    quiet = shown.quiet
    with telling(None if quiet else sys.stderr) as tell:
        results = complete(prepared, trained, request, folder, tell, closing)
        _world().wait_for_all()
        tell("writing the page for trying the network")
        page = write_run_page(folder.path)
        if not trained.interrupted:
            folder.remove(CHECKPOINT)
            folder.publish()
            page = page and folder.path / page.name
    if closing and not quiet and (over := closing.seconds_over()):
        note(
            f"warning: --time-limit is exceeded by {over:.1f} s: of {since_start():.1f} s, the search took "
            f"{trained.seconds:.1f} s, and the start and the report the rest; give more time"
        )
    if shown.tables:
        _show_results(output(), results)
    say(
        json.dumps({"run": str(folder.path), **results})
        if shown.as_json
        else _closing(folder.path, results, page, request, quiet)
    )
    if not trained.interrupted:
        return 0
    note(_how_to_go_on(folder))
    return EXIT_INTERRUPTED


def _show_results(console: Any, results: Mapping[str, Any]) -> None:
    from lamina.cli._table_views import intervals_said, measured_title, metrics_table, quantiles_said
    from lamina.runs.wording import decision_said, how_trained

    console.print(metrics_table(measured_title(results), results["metrics"]))
    for text in (*decision_said(results["decision"]), *quantiles_said(results), *intervals_said(results)):
        console.print(text, markup=False)
    console.print(how_trained(results))


def _closing(path: Path, results: Any, page: Path | None, request: Request, quiet: bool) -> str:
    """The last lines of the output: the paths of the results, commands for using them, and advice."""
    if quiet:
        return str(path)
    new = "NEW.png" if are_pictures(request.data, request.options.format) else "NEW.csv -o predictions.csv"
    report, use = path / "report.html", f"lamina predict {path} {new}"
    tried = "" if page is None else f"; to try the network, open {page}"
    advice = "".join(f"\n{line}" for line in results["advice"])
    return f"saved in {path}; the report is {report}{tried}\nnext: {use}{advice}"


def _how_to_go_on(folder: RunFolder) -> str:
    """Describe how to resume the run, or that there is no checkpoint."""
    if not folder.has(CHECKPOINT):
        return "there is no checkpoint to resume from"
    stays = "" if folder.replaces is None else f"{folder.replaces} stays as it was; "
    return f"{stays}continue with: lamina train {folder.resuming}"
