"""What each part of the preset realmlp brings: the estimator with one part switched off at a time.

    python benchmarks/ablation.py                                # small tables that come with scikit-learn
    python benchmarks/ablation.py houses.csv median_house_value  # a table of your own and its target
    python benchmarks/ablation.py --parts piecewise,members --seeds 5

Each table is split once (20 % for testing); every variant is trained with the same seeds. The numbers are means over
them: RMSE for a regression, log-loss and accuracy for a classification. "loss" says how much larger (+) or smaller (−)
RMSE or log-loss is than with all parts, the geometric mean over the tables.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import lamina

PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "members": ("one network instead of several", {"members": 1}),
    "piecewise": ("no piecewise linear functions of numbers", {"number_pieces": 0}),
    "embedding": ("no embedding of numbers at all", {"number_embedding": False}),
    "scale": ("no learned scale of inputs", {"input_scale": False}),
    "activation": ("no learned blend in the activation", {"learned_activation": False}),
    "ntk": ("Glorot's initialization, rate 0.001", {"ntk": False, "learning_rate_init": 0.001}),
    "schedule": ("constant learning rate", {"learning_rate": "constant"}),
    "decay": ("no weight decay", {"weight_decay": 0.0}),
    "dropout": ("no dropout", {"dropout": 0.0}),
    "flat_cos": ("weight decay and dropout constant", {"regularization_schedule": "constant"}),
    "beta_2": ("Adam's β₂ = 0.999", {"beta_2": 0.999}),
    "preprocess": ("numbers as they are", {"preprocess": False}),
    "calibration": ("no calibration", {"calibrate": False}),
    "smoothing": ("with label smoothing 0.1", {"label_smoothing": 0.1}),
    "accuracy": ("best epoch by accuracy", {"scoring": "accuracy"}),
    "epochs": ("256 epochs", {"max_iter": 256}),
    "muon": ("Muon for hidden layers' matrices", {"solver": "muon"}),
}
"""What is switched off (or, from ``smoothing`` on, done otherwise), and how."""

_CLASSIFIER_ONLY = ("calibration", "smoothing", "accuracy")
_FEW_CLASSES = 20


@dataclass(frozen=True)
class Table:
    """Rows, target and the task they make."""

    name: str
    X: Any
    y: np.ndarray
    is_classification: bool


def bundled() -> list[Table]:
    """Tables of scikit-learn, real and generated, the last with columns of categories."""
    load: dict[str, Any] = {"digits": datasets.load_digits, "breast_cancer": datasets.load_breast_cancer}
    tables = [Table(name, *one(return_X_y=True), True) for name, one in load.items()]
    tables.append(Table("diabetes", *datasets.load_diabetes(return_X_y=True), False))
    tables.append(Table("friedman1", *datasets.make_friedman1(4000, noise=1.0, random_state=0), False))
    return [*tables, _with_categories()]


def _with_categories() -> Table:
    import polars as pl

    X, y = datasets.make_classification(
        8000, 20, n_informative=8, n_classes=3, n_clusters_per_class=3, flip_y=0.05, random_state=0
    )
    frame = pl.DataFrame(X, schema=[f"x{i}" for i in range(20)])
    for name, count in {"x0": 5, "x1": 12, "x2": 30}.items():
        ranks = frame[name].rank("ordinal").to_numpy().astype(int) - 1
        frame = frame.with_columns(pl.Series(name, [f"v{rank * count // len(y)}" for rank in ranks]))
    return Table("classification", frame, y, True)


def from_file(path: str, target: str) -> Table:
    """A CSV file. The task is a regression if the target is numbers with many values."""
    import polars as pl

    frame = pl.read_csv(path, infer_schema_length=None)
    y = frame[target].to_numpy()
    is_classification = y.dtype.kind not in "iuf" or len(np.unique(y)) <= _FEW_CLASSES
    return Table(Path(path).stem, frame.drop(target), y, is_classification)


def scores(table: Table, settings: Mapping[str, Any], seeds: int) -> np.ndarray:
    """Means over the seeds: RMSE, or log-loss; NaN, or accuracy; seconds of processor time."""
    stratify = table.y if table.is_classification else None
    rows, test = train_test_split(np.arange(len(table.y)), test_size=0.2, random_state=0, stratify=stratify)
    kind: Any = lamina.MLPClassifier if table.is_classification else lamina.MLPRegressor
    found: list[tuple[float, float, float]] = []
    for seed in range(seeds):
        start = time.process_time()
        model = kind(random_state=seed, **settings).fit(table.X[rows], table.y[rows])
        seconds = time.process_time() - start
        found.append((*_quality(model, table, test), seconds))
    return np.mean(found, axis=0)


def _quality(model: Any, table: Table, test: np.ndarray) -> tuple[float, float]:
    X, y = table.X[test], table.y[test]
    if not table.is_classification:
        return float(np.sqrt(np.mean((model.predict(X) - y) ** 2))), float("nan")
    probabilities = model.predict_proba(X)
    accuracy = float(np.mean(model.classes_[probabilities.argmax(axis=1)] == y))
    return float(log_loss(y, probabilities, labels=model.classes_)), accuracy


def run(tables: Sequence[Table], parts: Sequence[str], seeds: int, shared: Mapping[str, Any]) -> list[str]:
    """The lines of a Markdown table, one for each variant."""
    variants = {"all parts": {}} | {part: PARTS[part][1] for part in parts}
    lines = [f"| without | {' | '.join(table.name for table in tables)} | loss | seconds |"]
    lines.append("|---" * (len(tables) + 3) + "|")
    whole: list[float] = []
    for part, settings in variants.items():
        losses, seconds, cells = [], 0.0, []
        for table in tables:
            if part in _CLASSIFIER_ONLY and not table.is_classification:
                losses.append(float("nan"))
                cells.append("")
                continue
            loss, accuracy, time_ = scores(table, {**shared, **settings}, seeds)
            losses.append(loss)
            seconds += time_
            cells.append(_shown(loss) if np.isnan(accuracy) else f"{loss:.4f} ({100 * accuracy:.2f} %)")
        whole = whole or losses
        change = float(np.exp(np.nanmean(np.log(losses) - np.log(whole))) - 1)
        name = part if part not in PARTS else f"{part}: {PARTS[part][0]}"
        lines.append(f"| {name} | {' | '.join(cells)} | {100 * change:+.1f} % | {seconds:.0f} |")
        print(lines[-1], flush=True)
    return lines


def _shown(error: float) -> str:
    return f"{error:,.0f}" if error >= 1000 else f"{error:.4g}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("csv", nargs="?", help="a table of your own")
    parser.add_argument("target", nargs="?", help="its column to predict")
    parser.add_argument("--parts", default=",".join(PARTS), help="those to switch off, separated by commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preset", default="realmlp")
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    options = parser.parse_args(arguments)
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown parts {sorted(unknown)}; known: {', '.join(PARTS)}")
    if (options.csv is None) != (options.target is None):
        parser.error("a CSV file needs the name of its target")
    tables = bundled() if options.csv is None else [from_file(options.csv, options.target)]
    shared = {"preset": options.preset, "max_iter": options.epochs}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lines = run(tables, parts, options.seeds, shared)
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
