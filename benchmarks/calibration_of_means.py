"""Whether the mean of several networks wants the factor that calibrates each of them, or a larger one.

    python benchmarks/calibration_of_means.py --folder /where/adult.csv/is --preset medium --seeds 3

Each member is calibrated on rows that it held out, and the mean of members is less sure of itself than each of them. So
the calibrated outputs are multiplied by a constant besides, and tested.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from paired import Split, arguments, loss_of, measured_on_tables, summary

import lamina

TABLES = (
    "breast_cancer", "digits", "Chile", "Males", "Hdma", "HI", "flchain", "VerbAgg", "hastie", "categories clusters",
    "wine", "spam7", "classes 26", "adult",
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
    options = arguments(__doc__, TABLES, "calibration_of_means.jsonl").parse_args()
    warnings.simplefilter("ignore")
    lines = measured_on_tables(options, losses)
    print(summary(lines, [f"{x:g}" for x in FACTORS]))


if __name__ == "__main__":
    main()
