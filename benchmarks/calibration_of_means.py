"""Whether the mean of several networks wants the factor that calibrates each of them, or a larger one.

    python benchmarks/calibration_of_means.py --folder /where/adult.csv/is --preset medium --seeds 3

Each member is calibrated on rows that it held out, and the mean of members is less sure of itself than each of them. So
the calibrated outputs are multiplied by a constant besides, and tested.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from paired import Split, loss_of, measured, split, summary

import lamina

TABLES = (
    "breast_cancer", "digits", "Chile", "Males", "Hdma", "HI", "flchain", "VerbAgg", "hastie", "categories", "wine",
    "spam7", "clusters", "adult",
)  # fmt: skip
FACTORS = (1.0, 0.95, 1.05, 1.1, 1.15, 1.2, 1.3, 1.5)


def losses(one: Split, preset: str, seed: int) -> Iterator[dict[str, Any]]:
    """A line for each constant."""
    model = lamina.MLPClassifier(preset=preset, random_state=seed).fit(one.X, one.y)
    outputs = model.fitted_.outputs(model.fitted_.encode(one.X_test))
    for factor in FACTORS:
        predicted = model.fitted_.target.probabilities(outputs * np.float32(factor))
        loss = loss_of(one, predicted, model.classes_)
        yield {"variant": f"{factor:g}", "loss": loss, "members": len(model.fitted_.network.members)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--preset", default="medium")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--out", type=Path, default=Path("calibration_of_means.jsonl"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    lines: list[Any] = []
    for name in options.tables.split(","):
        one = split(name, options.folder)
        keys = [{"table": name, "preset": options.preset, "seed": seed} for seed in range(options.seeds)]
        lines = measured(options.out, keys, lambda key, one=one: losses(one, key["preset"], key["seed"]))
    print(summary([line for line in lines if line["preset"] == options.preset], [f"{x:g}" for x in FACTORS]))


if __name__ == "__main__":
    main()
