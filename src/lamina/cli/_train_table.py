"""``lamina train DATA --target COLUMN``: train a network on a table, and write a run's folder."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lamina.cli import _run_views as views
from lamina.cli._console import EXIT_INTERRUPTED, say, warnings_as_lines
from lamina.cli._groups import Reading, grouped
from lamina.cli._options import said
from lamina.cli._search_run import TUNED, require_search, run_search
from lamina.cli._train_options import Shown, Table, Training, Tuning
from lamina.errors import LaminaError
from lamina.estimators.presets import RETIRED
from lamina.estimators.settings import OPTIONS
from lamina.support.extras import require
from lamina.support.files.staging import scratch
from lamina.table.formats import begin_reading
from lamina.table.messages import as_kind

if TYPE_CHECKING:
    from lamina.distributed.communicator import Communicator
    from lamina.runs.data import Prepared, Request
    from lamina.training.checkpoint import Checkpoint
    from lamina.training.loop import Epoch, Loop, Observer
    from lamina.training.run_folder import RunFolder


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
    require_search(chosen, training.jobs, resumes=table.resume is not None)
    read_as = files.said()
    require("training on a table", "scikit-learn", "polars", "jinja2")
    begin_reading(table.data or ())
    if training.preset in RETIRED and not shown.quiet:
        name = training.preset
        say(
            f"lamina: warning: --preset {name} is retired: its networks are lamina.neural_network's",
            error=True,
        )
    team = _world()
    if not team.is_first:
        with warnings_as_lines(quiet=True):
            return _help(team)
    return run_table(chosen, read_as, table, training, shown, memory=training.memory)


def run_table(
    chosen: dict[str, Any],
    read_as: dict[str, Any],
    table: Table,
    settings: Training | Tuning,
    shown: Shown,
    *,
    memory: str | None = None,
    live: bool = False,
) -> int:
    """Train a new run, or resume a run; return the exit code.

    `live`: whether to show each trial of a search.
    """
    quiet, device, jobs = shown.quiet, settings.device or "cpu", settings.jobs
    holding = _held(chosen, read_as, table.out, table.resume, replace=table.replace)
    with warnings_as_lines(quiet=quiet), holding as (folder, request, saved):
        _require_shards(request, _world())
        if jobs is not None and not request.searches:  # only for a resumed run; others were checked earlier
            raise LaminaError(
                f"--jobs {jobs} is only for a search, but the run in {folder.path} is no search; omit --jobs"
            )
        try:
            with _prepared(folder, request, memory, quiet=quiet) as (request, prepared):
                if request.searches:
                    return run_search(folder, request, prepared, shown, device=device, jobs=jobs, live=live)
                return _run(folder, request, prepared, saved, device, shown)
        except KeyboardInterrupt:
            say(f"lamina: interrupted; {views.how_to_go_on(folder)}", error=True)
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
        say("lamina: interrupted; continue with lamina train --resume, if there was a checkpoint", error=True)
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
    from lamina.training.run_folder import CHECKPOINT, held_run, new_run

    if resume is None:
        if "data" not in chosen:
            raise LaminaError("the table is missing: name the table to train on, or add --resume RUN")
        unlike_earlier: dict[str, Any] = {"keeps_row_numbers": False, "has_additions": True}
        request = Request(**chosen, options=ReadOptions(**read_as), **unlike_earlier)
        with new_run(out, request.run_name, replace=replace) as folder:
            yield folder, request, None
        return
    if out is not None:
        raise LaminaError("--resume continues in the run's own folder; leave out --out")
    with held_run(resume, replace=replace) as folder:
        begun, saved = read_unfinished(folder.path)
        request = _same(begun, chosen, read_as)
        if not folder.has(CHECKPOINT):
            _require_more(begun, request, resume)
        yield folder, request, saved


def _require_more(begun: Request, request: Request, run: Path) -> None:
    """Raise `LaminaError` if a complete search is to be resumed without more time or trials."""
    if not any((getattr(request, name) or 0) > (getattr(begun, name) or 0) for name in TUNED):
        raise LaminaError(
            f"the search in {run} is complete; to continue it, give a longer --time-limit (the total of all runs), or "
            "more --trials"
        )


def _same(begun: Request, chosen: dict[str, Any], read_as: dict[str, Any]) -> Request:
    """Update the resumed run's request with new limits of a search; raise `LaminaError` if other options differ."""
    for name, value in (chosen | read_as).items():
        if begun.searches and name in TUNED:
            continue
        its = getattr(begun, name) if name in chosen else getattr(begun.options, name)
        if value != its and name != "data":
            raise LaminaError(f"the run began with {_said(name, its)}, which can't change")
    # The files may have other names, but must have the same content.
    changed = {name: chosen[name] for name in ("data", *(TUNED if begun.searches else ())) if name in chosen}
    return dataclasses.replace(begun, **changed)


def _said(name: str, value: Any) -> str:
    """Format a request's value as a command-line option, e.g. "--lr 0.01", or "no --lr" if it is not set."""
    flags = {
        "kinds": "--kind, --ordered or --drop",
        "date_format": "--day-first or --month-first",
        **{option.name: option.flag for option in OPTIONS.values()},
    }
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
        say(f"lamina: {why}: rows are read from the disk", error=True)
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
    from lamina.runs.run_folder import as_line
    from lamina.runs.training import train
    from lamina.table.messages import counted
    from lamina.training.checkpoint import Checkpoints
    from lamina.training.display import Display, Waiting

    quiet = shown.quiet
    if shown.tables:
        views.show_prepared(prepared, request.monotone)
    if saved and not quiet:
        say(
            f"lamina: {folder.replaces or folder.path} continues after {counted(len(saved.past), 'epoch')}",
            error=True,
        )
    observers: list[Observer] = [Checkpoints(folder, request.to_dict(), as_line, saved=saved)]
    if not quiet:
        observers += [Display(sys.stderr, _progress(request)), Waiting(sys.stderr)]
    trained = train(prepared, request, observers, device)
    if device != "cpu" and not quiet:
        say(f"lamina: trained on {trained.model.estimator.device_}", error=True)
    if trained.interrupted:
        say(f"lamina: interrupted; keeping epoch {trained.best_epoch}, the best so far", error=True)
    return views.finish(prepared, trained, request, folder, shown)


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
