"""The accuracy of recipe ``best``, several seeds in processes of their own: how far five minutes on this machine go.

    python benchmarks/pictures.py                                   # lamina train mnist --recipe best, seeds 0, 1, 2
    python benchmarks/pictures.py --time-limit 60s --seeds 0 1
    python benchmarks/pictures.py --folder fashion-mnist            # four files of MNIST's format
    python benchmarks/pictures.py --validation 10000 --epochs 6 --hidden 512,512 --lr 0.001     # to choose settings

With `--validation` that many of the training images are held out and judged in place of the test images. The time on
the wall's clock is that of the whole process. Fashion-MNIST is in Debian's package dataset-fashion-mnist.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np


def command_line(options: list[str]) -> dict[str, Any]:
    """Train by ``lamina train mnist``; what its last epoch measured."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        program = [sys.executable, "-m", "lamina", "train", "mnist", "--recipe", "best", "--out", str(out)]
        subprocess.run([*program, *options], check=True, stdout=subprocess.DEVNULL)
        found = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        return {"epochs": len(found), **found[-1]}


def told(text: str) -> None:
    """What a training says of itself, beside the results."""
    print(text, file=sys.stderr, flush=True)


def in_process(arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Train on other images, or with some held out; what the last epoch measured."""
    from lamina.datasets import mnist, mnist_in
    from lamina.estimators.option_values import layers
    from lamina.recipes import Digits, Settings, Training, evaluate
    from lamina.training.time_limit import TimeLimit, seconds_of

    data = mnist_in(arguments.folder) if arguments.folder else mnist()
    train = Digits.from_arrays(data.train_images, data.train_labels)
    test = Digits.from_arrays(data.test_images, data.test_labels)
    if held_out := arguments.validation:
        test = Digits(train.images[-held_out:], train.labels[-held_out:])
        train = train.first(len(train) - held_out)
    chosen: dict[str, Any] = {"seed": seed}
    for name in ("epochs", "lr", "batch_size"):
        if (value := getattr(arguments, name)) is not None:
            chosen[name] = value
    if arguments.hidden is not None:
        chosen["hidden"] = layers("--hidden", arguments.hidden)
    limit = None
    if arguments.epochs is None:
        chosen["time_limit"] = seconds_of(arguments.time_limit)
        limit = TimeLimit(chosen["time_limit"], time.process_time())
        limit.kept = 1.0  # measuring
    training = Training(Settings.of("best", **chosen), train, test, limit=limit, tell=told)
    *_, last = training.run()
    loss = evaluate(training.network, test)[1]
    return {"epochs": last.number, "loss": last.loss, "test_loss": loss, **last.scores}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--time-limit", default="5m")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder")
    parser.add_argument("--validation", type=int, default=0)
    parser.add_argument("--hidden")
    parser.add_argument("--lr", type=float)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker is not None:
        print(json.dumps(in_process(arguments, arguments.worker)))
        return
    accuracies = []
    for seed in arguments.seeds:
        start = time.perf_counter()
        if arguments.folder or arguments.validation:
            worker = [sys.executable, *sys.argv, "--worker", str(seed)]
            found = json.loads(subprocess.run(worker, check=True, stdout=subprocess.PIPE).stdout)
        else:
            given = {name: getattr(arguments, name) for name in ("epochs", "hidden", "lr", "batch_size")}
            options = [
                x for n, v in given.items() if v is not None for x in (f"--{n.replace('_', '-')}", str(v))
            ]
            limit = [] if arguments.epochs else ["--time-limit", arguments.time_limit]
            found = command_line([*options, *limit, "--seed", str(seed)])
        accuracies.append(found["test_accuracy"])
        print(
            f"seed {seed}: {time.perf_counter() - start:.1f} s on the wall's clock, {json.dumps(found)}",
            flush=True,
        )
    print(
        f"mean accuracy {100 * np.mean(accuracies):.3f} %, "
        f"from {100 * min(accuracies):.2f} to {100 * max(accuracies):.2f}"
    )


if __name__ == "__main__":
    main()
