"""Training of an estimator on a prepared table, and the run's evaluation, files and report.

Ctrl-C ends the training with the best epoch so far.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina import __version__
from lamina.distributed.communicator import world
from lamina.errors import LaminaError
from lamina.estimators import MLPClassifier, MLPRegressor
from lamina.estimators.base import encoder_of, fit_streamed, fit_table
from lamina.estimators.declaring import declared
from lamina.estimators.settings import settings_of
from lamina.runs.data import EXAMPLES, SETTINGS, Part, Prepared, Request, example_rows, known_rows, marks_of
from lamina.runs.model import TableModel, Trained
from lamina.runs.report import Findings, findings_of, report_page, resolved_settings
from lamina.runs.run_folder import save_run
from lamina.runs.wording import decision_of
from lamina.table.columns import named, value_name
from lamina.table.encode import TableEncoder
from lamina.table.kinds import relearned
from lamina.table.messages import DataWarning, closest, listed
from lamina.table.schema import Target
from lamina.table.write import write
from lamina.training.checkpoint import write_json_lines
from lamina.training.loop import Epoch, Loop, Observer
from lamina.training.run_folder import RunFolder

if TYPE_CHECKING:
    from lamina.runs.search import Closing


def train(
    prepared: Prepared, request: Request, observers: Sequence[Observer] = (), device: str = "cpu"
) -> Trained:
    """Train an estimator on a table, or resume an earlier run.

    Args:
        prepared: the table.
        request: the run's request, with the training's settings.
        observers: observers, such as the run's `Checkpoints`, which may resume an earlier run.
        device: as for the estimators' parameter `device`; a run may be resumed on another device.

    Raises:
        LaminaError: the settings are invalid, or the training diverged.
        KeyboardInterrupt: Ctrl-C was pressed before the first epoch was complete.
    """
    watch = _Watch()
    estimator = estimator_for(prepared, request, [*observers, watch])
    estimator.set_params(device=device)
    # Ctrl-C ends all of several processes, and only the checkpoint remains.
    interrupted = fit_or_keep(estimator, prepared, lambda: bool(watch.past) and world().size == 1)
    estimator.set_params(callbacks=None)
    model = TableModel.of(estimator)
    history = [epoch.line() for epoch in watch.past]
    best = len(history) if prepared.validation is None else estimator.best_epoch_
    return Trained(model, history, best, interrupted, time.perf_counter() - watch.start, watch.epochs)


class _Watch(Observer):
    """An observer that records a training's start, its epochs, and their maximum number."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.past: list[Epoch] = []
        self.epochs = 0

    def on_begin(self, loop: Loop) -> None:
        self.past, self.epochs = loop.past, loop.epochs
        if loop.past:
            self.start -= loop.past[-1].seconds


def estimator_for(prepared: Prepared, request: Request, observers: Sequence[Any]) -> Any:
    """Create the unfitted estimator that a request describes."""
    is_class = prepared.target.task == "classification"
    is_early_medium = request.preset == "medium" and not request.has_additions
    _require_of_task(prepared, request)
    kind: Any = MLPClassifier if is_class else MLPRegressor
    known = declared(kind)
    settings = {name: getattr(request, one.name) for name, one in SETTINGS.items() if name in known}
    if is_class:
        settings["class_weight"] = _by_class(request.class_weight, prepared.target)
    elif request.quantiles is None:
        del settings["quantile"]
    else:
        settings |= {"loss": "quantile", "quantile": [*request.quantiles]}
    settings |= {
        "early_stopping": request.searches or prepared.validation is not None,
        "column_kinds": {one.name: one.type.choice for one in prepared.schema.columns if one.type.choice},
        "monotone": request.monotone or None,
        # A model without hidden layers should be linear; but monotone columns must be embedded.
        "number_embedding": False if request.hidden == () and not request.monotone else None,
        "preprocess": True,  # also for scikit-learn's preset, which leaves scaling to a pipeline
        "linear_path": None if request.has_additions else False,
        "n_iter_no_change": math.inf if is_early_medium else None,
        "dropout": 0.1 if is_early_medium and not request.searches else None,
        "scoring": request.scoring or ("log_loss" if is_class else "loss"),
        "callbacks": observers,
    }
    return kind(**settings)


def _require_of_task(prepared: Prepared, request: Request) -> None:
    """Raise `LaminaError` for options that don't fit the task, or that need missing validation rows."""
    name, is_class = prepared.target.name, prepared.target.task == "classification"
    if is_class and request.quantiles is not None:
        raise LaminaError(
            f"quantiles are for numbers, but {name!r} has classes; to predict it as numbers, add --task regression"
        )
    for option in ("class_weight", "threshold"):
        if not is_class and getattr(request, option) is not None:
            raise LaminaError(
                f"--{option.replace('_', '-')} is for classes, but {name!r} has numbers; to predict them as classes, "
                "add --task classification"
            )
    classes = len(prepared.target.classes)
    if request.threshold is not None and classes != 2:
        raise LaminaError(
            f"--threshold {request.threshold} decides between two classes, but {name!r} has {classes}; leave it out"
        )
    if request.searches or prepared.validation is not None:
        return
    if isinstance(request.threshold, str):
        raise LaminaError(
            f"--threshold {request.threshold} is chosen on validation rows, but there are none; give a number, such "
            "as --threshold 0.3, or hold rows out with --validation"
        )
    if request.scoring is not None:
        raise LaminaError(
            f"--scoring {request.scoring} scores validation rows, but there are none; hold some out with --validation"
        )


def _by_class(class_weight: Any, target: Target) -> Any:
    """Replace the keys of class weights, which are the classes' names as text, by the classes.

    Raises:
        LaminaError: there is no class with such a name.
    """
    if not isinstance(class_weight, Mapping):
        return class_weight
    classes = {value_name(value): value for value in target.classes}
    for name in class_weight:
        if name not in classes:
            raise LaminaError(
                f"--class-weight {name}: {target.name!r} has no such class.{closest(name, list(classes))} It has "
                f"{listed(list(classes))}"
            )
    return {classes[name]: float(weight) for name, weight in class_weight.items()}


def fit_or_keep(estimator: Any, prepared: Prepared, can_keep: Callable[[], bool]) -> bool:
    """Fit an estimator; return whether Ctrl-C ended it early, with a network that can be kept.

    Raises:
        LaminaError: the settings are invalid, or the training diverged.
        KeyboardInterrupt: Ctrl-C was pressed before `can_keep`.
    """
    try:
        _fit(estimator, prepared)
    except KeyboardInterrupt:
        if not can_keep():
            raise
        return True
    except ValueError as error:
        if isinstance(error, LaminaError):
            raise
        raise LaminaError(str(error)) from error
    return False


def _fit(estimator: Any, prepared: Prepared) -> None:
    """Fit an estimator to the training rows, validating on the validation rows."""
    target = prepared.target.name
    validation = None
    if prepared.validation is not None:
        part = known_rows(prepared.validation)
        validation = (part.frame.drop(named(target)), _values(part, prepared))
    if prepared.streamed is not None:
        fit_streamed(estimator, prepared.streamed, validation)
        return
    table = prepared.train.frame.drop(named(target))
    # Warnings about the whole table were given already.
    with warnings.catch_warnings(action="ignore", category=DataWarning):
        schema = relearned(prepared.schema, table)
        groups, time = marks_of(table, prepared.schema.columns, prepared.group, prepared.time)
        fit_table(estimator, table, _values(prepared.train, prepared), schema, validation, groups, time)


def encoder_for(estimator: Any, prepared: Prepared) -> TableEncoder:
    """Fit an encoder, with the estimator's settings, to all training rows."""
    table = prepared.train.frame.drop(named(prepared.target.name))
    with warnings.catch_warnings(action="ignore", category=DataWarning):
        schema = relearned(prepared.schema, table)
        return encoder_of(schema, settings_of(estimator)).fit(table)


def _values(part: Part, prepared: Prepared) -> np.ndarray:
    """The target of a subset's rows as classes or numbers, (rows,), for the estimator."""
    if prepared.target.task == "regression":
        return part.target
    return np.array(prepared.target.classes)[part.target]


# --- the run's files --------------------------------------------------------------------------------------------------


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
        LaminaError: the folder can't be filled, e.g. on a full disk; the error names another one, with the run.
        OSError: no folder can be filled.
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

    folder.put_trained(fill)
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
    resolved = resolved_settings(trained.model.estimator) | {
        "max_iter": trained.most_epochs,
        "monotone": None,
    }
    return {"lamina": __version__, **request.to_dict(), "resolved": resolved}
