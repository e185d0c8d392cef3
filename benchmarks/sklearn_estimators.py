"""How long lamina.neural_network and scikit-learn take for the same trainings, in turn, in one process.

    python benchmarks/sklearn_estimators.py [--threads 1 2] [--repeats 5] [--only mnist]

Each line: a table, the threads, the medians and how many times as fast lamina is, by the clock and by processor time.
`iris` and `digits` also say what the first training of a process costs, with nothing compiled on disk. MNIST is what
lamina brings, its pixels from 0 to 1; the table of 500,000 × 54 is generated. Of these two, `--epochs` are trained.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np


def pictures():
    """60,000 pictures of 784 pixels from 0 to 1, and their digits."""
    from lamina.datasets import mnist

    data = mnist()
    return data.train_images.reshape(-1, 784) / 255, data.train_labels


def covtype():
    """500,000 rows of 54 numbers in seven classes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500_000, 54))
    return X, (X @ rng.normal(size=(54, 7)) + rng.gumbel(size=(500_000, 7))).argmax(axis=1)


def iris():
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


def digits():
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


TABLES = {"iris": iris, "digits": digits, "mnist": pictures, "covtype": covtype}
LARGE = ("mnist", "covtype")


def timed(module, settings, X, y) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    start, used = time.perf_counter(), time.process_time()
    module.MLPClassifier(**settings).fit(X, y)
    return time.perf_counter() - start, time.process_time() - used


def compare(name: str, threads: int, dtype: str, repeats: int, epochs: int) -> None:
    """Print one line."""
    import sklearn.neural_network as theirs
    from threadpoolctl import threadpool_limits

    import lamina
    import lamina.neural_network as ours

    lamina.set_num_threads(threads)
    X, y = TABLES[name]()
    X = X.astype(dtype)
    settings = {"random_state": 0, **({"max_iter": epochs} if name in LARGE else {})}
    with threadpool_limits(threads):
        times = [[timed(module, settings, X, y) for module in (theirs, ours)] for _ in range(repeats + 1)][1:]
    (their_wall, our_wall), (their_cpu, our_cpu) = (
        [statistics.median(pair[who][what] for pair in times) for who in (0, 1)] for what in (0, 1)
    )
    print(
        f"{name:8} {dtype} {threads} thread(s): scikit-learn {their_wall:.3f} s, lamina {our_wall:.3f} s, "
        f"{their_wall / our_wall:.2f} times as fast; processor {their_cpu / our_cpu:.2f}",
        flush=True,
    )


FIRST = """
import sys, time, warnings
from sklearn.datasets import load_{name}
warnings.simplefilter("ignore")
X, y = load_{name}(return_X_y=True)
import sklearn.neural_network
start = time.perf_counter()
from {module}.neural_network import MLPClassifier
MLPClassifier(random_state=0).fit(X, y)
print(time.perf_counter() - start)
"""


def first(name: str, repeats: int) -> None:
    """Print what the first training of a process takes, with its import."""
    medians = []
    for module in ("sklearn", "lamina"):
        seconds = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                code = FIRST.format(name=name, module=module)
                environment = {**os.environ, "LAMINA_CACHE_DIR": folder}
                done = subprocess.run(
                    [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
                )
                seconds.append(float(done.stdout))
        medians.append(statistics.median(seconds))
    print(
        f"{name:8} first of a process: scikit-learn {medians[0]:.3f} s, lamina {medians[1]:.3f} s", flush=True
    )


def main() -> None:
    """Print all lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--dtypes", nargs="*", default=["float64", "float32"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(TABLES))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in options.only:
        if name not in LARGE:
            first(name, options.repeats)
        for threads in options.threads:
            for dtype in options.dtypes:
                compare(name, threads, dtype, options.repeats, options.epochs)


if __name__ == "__main__":
    main()
