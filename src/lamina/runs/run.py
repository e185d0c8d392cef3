"""From a trained network to a complete run: measured, reported, and in its folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamina.runs._importance import permutation_importance
from lamina.runs._measure import measure
from lamina.runs._report import Findings, page_of
from lamina.runs.data import Prepared, Request
from lamina.runs.examples import EXAMPLES, example_rows
from lamina.runs.run_folder import save_run
from lamina.runs.training import Trained
from lamina.table.messages import DataWarning
from lamina.table.write import write
from lamina.training.run_folder import CHECKPOINT, RunFolder

__all__ = ["Run", "complete"]


@dataclass(frozen=True)
class Run:
    """A run in its folder: where it is, and what came out, as JSON holds it."""

    path: Path
    results: dict[str, Any]


def complete(
    prepared: Prepared,
    trained: Trained,
    request: Request,
    folder: RunFolder,
    tell: Callable[[str], None] = lambda _: None,
) -> Run:
    """Measure a trained network and fill its folder; only a run that Ctrl-C ended keeps its checkpoint.

    `tell` is told what is being done, before each part that takes seconds.

    Raises:
        OSError: the folder cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # held-out rows may have values that no training row has
        tell("measuring the network and the baselines")
        measured = measure(trained.model, prepared)
        tell("finding out which columns matter")
        importance = permutation_importance(trained.model, measured.rows, request.seed)
    results = _results(prepared, trained, measured, importance)
    settings = _settings(request, trained)
    findings = Findings(prepared.target, prepared.rows, trained, measured, importance, settings)

    tell("writing the report")

    def fill(filled: Path) -> None:
        save_run(filled, trained.model, settings, results, trained.history)
        (filled / "report.html").write_text(page_of(findings), "utf-8")
        write(example_rows(trained.model.schema, measured.rows), filled / EXAMPLES)

    folder.put(fill)
    if not trained.interrupted:
        folder.remove(CHECKPOINT)
    return Run(folder.path, results)


def _results(prepared: Prepared, trained: Trained, measured: Any, importance: Any) -> dict[str, Any]:
    return {
        "task": prepared.target.task,
        "target": prepared.target.name,
        "rows": prepared.rows,
        "measured_on": measured.part,
        "measured_rows": len(measured.rows),
        "metrics": measured.metrics,
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "interrupted": trained.interrupted,
        "seconds": round(trained.seconds, 3),
        "importance": [asdict(one) for one in importance],
        "intervals": [asdict(one) for one in measured.intervals],
        "quantiles": [asdict(one) for one in measured.quantiles],
    }


def _settings(request: Request, trained: Trained) -> dict[str, Any]:
    from lamina import __version__
    from lamina.estimators.base import settings_of

    resolved = settings_of(trained.model.estimator)
    resolved |= {"max_iter": trained.most_epochs, "column_kinds": None}
    return {"lamina": __version__, **request.to_dict(), "resolved": resolved}
