"""Processes that are killed at random moments, or whose disk is full: what they leave, and whether it goes on.

Run as a program, with what is done (a key of `WORK`), how it ends ("killed" or "full"), how often, and an empty folder.
A process of its own forks each trial, so that a trial costs no start, and no thread is there to fork.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np

import lamina
from lamina import nd
from lamina.cli import main
from lamina.files.tensors import load_tensors
from lamina.recipes import Digits, Settings, Training
from lamina.recipes.run import checkpoints, network_of_run, read_run
from lamina.training import checkpoint
from lamina.training.run_folder import held_run, new_run

FILES = Path(__file__).parents[1]


class Saves:
    """Files that are written over and over, with one content and another."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "file"
        models = [
            lamina.load(FILES / f"estimators/files/{name}.safetensors")
            for name in ("classifier", "regressor")
        ]
        arrays = [{"w": nd.ones((300, 100)) * i} for i in range(2)]
        self.writers: list[Callable[[], object]] = [lambda: lamina.save(models[0], self.file)]
        self.writers.append(lambda: lamina.save(models[1], self.file))
        self.writers += [lambda x=x: nd.save(self.file, x) for x in arrays]
        self.contents: list[bytes] = []
        for write in self.writers:
            write()
            self.contents.append(self.file.read_bytes())

    def work(self) -> None:
        for _ in range(5):
            for write in self.writers:
                write()

    def check(self) -> None:
        """What is there is one of the contents, and what the killed process left goes with the next save."""
        assert self.file.read_bytes() in self.contents
        self.writers[0]()
        assert os.listdir(self.file.parent) == ["file"], os.listdir(self.file.parent)


class Run:
    """A training in a folder, which goes on after each end until it is complete."""

    def __init__(self, folder: Path) -> None:
        self.out, self.trials = folder / "run-0", 0
        in_child(self.work)
        self.whole = load_tensors(self.out / "model.safetensors")[0]

    def work(self) -> None:
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def check(self) -> None:
        """What is there loads, and goes on to the network of a training that nothing ended."""
        if any((self.out / name).exists() for name in ("model.safetensors", "checkpoint.safetensors")):
            self.load()
            in_child(self.resume)
        else:
            self.begin_anew()
        found = load_tensors(self.out / "model.safetensors")[0]
        assert found.keys() == self.whole.keys()
        for name, array in found.items():
            np.testing.assert_array_equal(array, self.whole[name])
        assert not [name for name in os.listdir(self.out) if name.startswith(".")]
        self.trials += 1
        self.out = self.out.with_name(f"run-{self.trials}")

    def begin_anew(self) -> None:
        """Nothing is there that could go on; what a killed process left of its first files, a user removes."""
        left = {
            name for name in (os.listdir(self.out) if self.out.exists() else ()) if not name.startswith(".")
        }
        assert left <= {"settings.json", "metrics.jsonl"}, left
        if left:
            shutil.rmtree(self.out)
        in_child(self.work)

    def load(self) -> None:
        for file in self.out.glob("*.safetensors"):
            load_tensors(file)


class TableRun(Run):
    def __init__(self, folder: Path) -> None:
        # Loaded once, and not by each trial; not polars, whose threads would not live in a fork.
        import sklearn.linear_model  # noqa: F401

        import lamina.runs.training  # noqa: F401

        sys.modules["matplotlib"] = None  # type: ignore[assignment] - the report's pictures are half of the time
        super().__init__(folder)

    def work(self) -> None:
        table = FILES / "training/files/people.csv"
        options = ("--epochs", "5", "--hidden", "4", "--seed", "3", "--quiet", "--preset", "fast")
        command("train", table, "-t", "income", *options, "-o", self.out)

    def resume(self) -> None:
        if (self.out / "checkpoint.safetensors").exists():
            command("train", "--resume", self.out, "--quiet")


class DigitsRun(Run):
    settings = Settings(hidden=(8,), epochs=3, batch_size=20)

    def work(self) -> None:
        with new_run(self.out, "mnist") as folder:
            self.train(checkpoints(folder, self.settings))

    def resume(self) -> None:
        with held_run(self.out) as folder:
            settings, saved = read_run(self.out)
            self.train(checkpoints(folder, settings, saved))

    def train(self, saving: checkpoint.Checkpoints) -> None:
        rng = np.random.default_rng(0)
        digits = Digits.from_arrays(rng.integers(0, 255, (1100, 28, 28), np.uint8), rng.integers(0, 10, 1100))
        for _ in Training(self.settings, digits, digits, [saving]).run():
            pass

    def load(self) -> None:
        super().load()
        network_of_run(self.out)


WORK = {"saves": Saves, "table": TableRun, "digits": DigitsRun}


def command(*arguments: object) -> None:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(f"exit code {ended.code}") from ended


def started(work: Callable[[], object]) -> int:
    """Fork a process that does it; it says nothing, and ends with 0 if all went well."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(said):
            work()
        code = 0
    except BaseException as error:
        if not isinstance(error, (OSError, RuntimeError)):  # a full disk; and as the command line tells it
            print(f"{error!r}\n{said.getvalue()}", file=sys.stderr, flush=True)
            code = 3
    finally:
        os._exit(code)


def in_child(work: Callable[[], object]) -> float:
    """Do it in a process of its own, which must succeed; the seconds that it took."""
    start = time.perf_counter()
    _, status = os.waitpid(started(work), 0)
    assert status == 0, f"a process that nothing disturbed ended with {status}"
    return time.perf_counter() - start


def killed(work: Callable[[], object], seconds: float, rng: Random) -> bool:
    """Have it end by SIGKILL at a random moment of so many seconds; whether it was still at work."""
    process = started(work)
    time.sleep(rng.uniform(0, seconds))
    os.kill(process, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


def full(work: Callable[[], object], seconds: float, rng: Random) -> bool:
    """Have it work where no file may be longer than a random length; whether it failed for that."""
    length = int(2 ** rng.uniform(0, 15))

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (length, length))
        work()

    _, status = os.waitpid(started(limited), 0)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) in (0, 1), f"ended with {status}"
    return status != 0


def trials(what: str, how: str, times: int, folder: Path) -> None:
    """Each a process that ends so, and a look at what it left."""
    checkpoint._SECONDS, checkpoint._COST = 0.0, float("inf")  # a checkpoint after each epoch
    subject, rng, ended = WORK[what](folder), Random(0), 0
    end = {"killed": killed, "full": full}[how]
    in_child(subject.work) if what == "saves" else None
    if isinstance(subject, Run):
        subject.out = subject.out.with_name("timed")
        seconds = in_child(subject.work)
        subject.out = subject.out.with_name("run-1")
        subject.trials = 1
    else:
        seconds = in_child(subject.work)
    for _ in range(times):
        ended += end(subject.work, seconds, rng)
        subject.check()
    print(f"{what}: {times} {how}, {ended} of them at work, in {seconds:.2f} s each")


if __name__ == "__main__":
    trials(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
