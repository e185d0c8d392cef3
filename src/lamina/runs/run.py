"""Complete a run after training: evaluate the model, and write the run's files and report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.estimators.settings import settings_of
from lamina.runs.data import Prepared, Request
from lamina.runs.examples import EXAMPLES, example_rows
from lamina.runs.model import Trained
from lamina.runs.report import Findings, findings_of, report_page
from lamina.runs.run_folder import save_run
from lamina.runs.wording import decision_of
from lamina.table.write import write
from lamina.training.checkpoint import write_json_lines
from lamina.training.run_folder import RunFolder

if TYPE_CHECKING:
    from lamina.runs.search import Closing

_TRIALS_LOG = "trials.jsonl"
"""One JSON object per trial of a search: settings, score, seconds, and share of the mean."""


def complete(
    prepared: Prepared,
    trained: Trained,
    request: Request,
    folder: RunFolder,
    tell: Callable[[str], None] = lambda _: None,
    closing: Closing | None = None,
) -> dict[str, Any]:
    """Evaluate a trained network, and write the run's files and report.

    The checkpoint remains, so that a run without its last files, such as the page, can be resumed. `tell` is called
    with a message before each stage that takes seconds. `closing` limits the time for computing the importance of
    columns.

    Raises:
        OSError: the folder is not writable.
    """
    settings = _settings(request, trained)
    findings = findings_of(prepared, trained, settings, request.seed, tell, closing)
    results = _results(findings)
    tell("writing the report")

    def fill(filled: Path) -> None:
        save_run(filled, trained.model, findings.settings, results, trained.history)
        (filled / "report.html").write_text(report_page(findings), "utf-8")
        if trained.search is not None:
            write_json_lines(filled / _TRIALS_LOG, trained.search["lines"])
        write(example_rows(trained.model.schema, findings.measured.rows), filled / EXAMPLES)

    folder.put(fill)
    return results


def _results(findings: Findings) -> dict[str, Any]:
    """The results of a run, for JSON."""
    trained, measured, shap = findings.trained, findings.measured, findings.shap
    search = trained.search and {name: value for name, value in trained.search.items() if name != "lines"}
    return {
        "task": findings.target.task,
        "target": findings.target.name,
        "rows": findings.rows,
        "divided": findings.divided,
        "measured_on": measured.part,
        "measured_rows": len(measured.rows),
        "metrics": measured.metrics,
        "decision": decision_of(trained.model),
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "interrupted": trained.interrupted,
        "seconds": round(trained.seconds, 3),
        "importance": [asdict(one) for one in findings.importance],
        "shap": None if shap is None else asdict(shap),
        "intervals": [asdict(one) for one in measured.intervals],
        "quantiles": [asdict(one) for one in measured.quantiles],
        "outermost": None if measured.outermost is None else asdict(measured.outermost),
        **({} if search is None else {"search": search}),
        "advice": findings.advice,
        "words": {column: [asdict(one) for one in ranked] for column, ranked in findings.words.items()},
    }


def _settings(request: Request, trained: Trained) -> dict[str, Any]:
    from lamina import __version__

    resolved = vars(settings_of(trained.model.estimator).replace(max_iter=trained.most_epochs, monotone=None))
    return {"lamina": __version__, **request.to_dict(), "resolved": resolved}
