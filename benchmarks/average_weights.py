"""Averages of a network's weights over its last steps, beside the weights themselves, from the same trainings.

    python benchmarks/average_weights.py --folder /where/the/csv/files/are --preset medium --seeds 3

While a preset trains, exponential moving averages of all weights go along, whose horizons are shares of all steps (a
horizon of 0.1 forgets a step after a tenth of the training, about; Izmailov et al., "Averaging Weights Leads to Wider
Optima and Better Generalization", 2018; the average over steps as in arXiv 2604.15297). Each is validated after each
epoch as the weights are, its best epoch is kept, calibrated, and tested. `chosen` is what validates best of all.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from paired import Split, arguments, loss_of, measured_on_tables, summary

import lamina
from lamina import nd
from lamina.core.state import call_each_step
from lamina.estimators import base
from lamina.estimators.fitted import own_outputs
from lamina.estimators.training import EnsembleTraining

TABLES = (
    "adult", "california", "breast_cancer", "digits", "Chile", "Males", "Hdma", "HI", "flchain", "VerbAgg", "hastie",
    "categories clusters", "diabetes", "diamonds", "Computers", "Wages", "SLID", "OFP", "LaborSupply", "BudgetFood",
    "friedman1",
)  # fmt: skip
HORIZONS = (0.01, 0.03, 0.1, 0.3)


class AveragedTraining(EnsembleTraining):
    """A training along which averages go; `found` has each one's best score and state."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.found: dict[float, tuple[float, dict[str, np.ndarray]]] = {}
        weights = self.network.weights
        self.averages = {
            h: {name: nd.array(w.array.asnumpy()) for name, w in weights.items()} for h in HORIZONS
        }
        AveragedTraining.last = self

    def _update(self, pieces: Any) -> None:
        super()._update(pieces)
        for h, arrays in self.averages.items():
            rate = call_each_step(lambda h=h: 1 / min(self._steps_done, max(h * self.steps_total, 1)))
            for name, w in self.network.weights.items():
                arrays[name][:] = arrays[name] + (w.array - arrays[name]) * rate

    def _measure(self) -> Any:
        network, state = self.network, self.network.state()
        for h, arrays in self.averages.items():
            network.load_state(state | {name: x.asnumpy() for name, x in arrays.items()})
            score = self.score(own_outputs(network, self.validation))
            if h not in self.found or score >= self.found[h][0]:
                self.found[h] = score, network.state()
        network.load_state(state)
        return super()._measure()

    last: Any = None


def fits(one: Split, preset: str, seed: int) -> Iterator[dict[str, Any]]:
    """A line for the weights, one for each average, and one for what validates best."""
    kind: Any = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
    base.training_of = AveragedTraining
    model = kind(preset=preset, random_state=seed).fit(one.X, one.y)
    training, network = AveragedTraining.last, model.fitted_.network
    candidates = {"weights": (training.best_score, training.best_state)}
    candidates |= {f"{h:g}": training.found[h] for h in HORIZONS}
    lines: dict[str, dict[str, Any]] = {}
    for name, (score, state) in candidates.items():
        network.load_state(state)
        model._calibrate(own_outputs(network, training.validation), training.validation)
        predict = model.predict_proba if one.is_classification else model.predict
        loss = loss_of(one, predict(one.X_test), getattr(model, "classes_", None))
        lines[name] = {"variant": name, "loss": loss, "held": -float(score)}
    yield from lines.values()
    best = min(lines.values(), key=lambda line: line["held"])
    yield best | {"variant": "chosen"}


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__, TABLES, "average_weights.jsonl").parse_args()
    warnings.simplefilter("ignore")
    lines = measured_on_tables(options, fits)
    variants = ["weights", *(f"{h:g}" for h in HORIZONS), "chosen"]
    print("test\n" + summary(lines, variants), "\nheld out\n" + summary(lines, variants, "held"))


if __name__ == "__main__":
    main()
