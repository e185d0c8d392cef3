"""Whether training on a streamed table is as good as in memory: adult and MNIST, five seeds each.

    python benchmarks/stream_accuracy.py adult.csv        # UCI's table with its header; MNIST comes along

Both sides train with preset fast on the same rows and are judged on the same others. Windows are made so small that a
table has some eight of them, as a table larger than memory has many.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina import MLPClassifier
from lamina.datasets import mnist
from lamina.table.read import read
from lamina.table.stream import cache

SEEDS = 5
WINDOWS = 8


class Rows:
    """Rows of an array, as LightGBM's `Sequence`."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice) -> np.ndarray:
        return self.rows[index]


def adult(path: str) -> tuple[list[Callable[[Any], Any]], Callable[[Any], tuple[float, float]], int]:
    frame = read(path).sample(fraction=1, shuffle=True, seed=0)
    target = frame.columns[-1]
    train, test = frame[:39_000], frame[39_000:]
    fits = [lambda m: m.fit(train.drop(target), train[target]), lambda m: m.fit(train.lazy(), target)]
    return fits, lambda m: judged(m, test.drop(target), test[target].to_numpy()), 39_000 * 120


def digits() -> tuple[list[Callable[[Any], Any]], Callable[[Any], tuple[float, float]], int]:
    data = mnist()
    train = (data.train_images.reshape(60_000, 784), data.train_labels)
    test = (data.test_images.reshape(10_000, 784), data.test_labels)
    fits = [lambda m: m.fit(*train), lambda m: m.fit(Rows(train[0]), train[1])]
    return fits, lambda m: judged(m, *test), 60_000 * 3140


def judged(model: Any, X: Any, y: np.ndarray) -> tuple[float, float]:
    """Accuracy and log-loss."""
    p = model.predict_proba(X)
    at = np.searchsorted(model.classes_, y)
    return float((p.argmax(axis=1) == at).mean()), float(-np.log(p[np.arange(len(y)), at]).mean())


def main() -> None:
    tables = {"adult": lambda: adult(sys.argv[1]), "MNIST": digits}
    print(f"{'table':8}{'rows':12}{'accuracy':>20}{'log-loss':>20}")
    for name, table in tables.items():
        fits, judge, size = table()
        cache._WINDOW_BYTES = size // WINDOWS
        cache._GROUP_BYTES = cache._WINDOW_BYTES // 64
        for where, fit in zip(("in memory", "streamed"), fits, strict=True):
            found = np.array(
                [
                    judge(fit(MLPClassifier(preset="fast", members=1, random_state=seed)))
                    for seed in range(SEEDS)
                ]
            )
            cells = "".join(f"{x.mean():12.4f} ± {x.std(ddof=1):.4f}" for x in found.T)
            print(f"{name:8}{where:12}{cells}", flush=True)


if __name__ == "__main__":
    main()
