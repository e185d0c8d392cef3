"""Trainings that are interrupted between any two bytecodes, by handlers that use arrays.

A `Training` takes steps whose arithmetic is exact, so that what it comes to does not depend on how it is computed: a
handler must see parameters of some step, and the training must end as it does eagerly, whatever the handler did.

Run as a program, with a training (a key of `TRAININGS`), what interrupts it (a key of `TRIGGERS`), how many times, and
from which number on. A process of its own forks each trial; one that hangs ends with a traceback.
"""

from __future__ import annotations

import faulthandler
import gc
import itertools
import os
import signal
import sys
import tempfile
import time
import traceback
import weakref
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from types import CodeType, FrameType
from typing import Any

import numpy as np

import lamina
from lamina import autograd, gluon, nd

__all__ = ["HANDLERS", "TRAININGS", "TRIGGERS", "Training", "boundaries", "interrupted"]

WARM, INTERRUPTED, AFTER = 4, 8, 2
"""Steps of a trial: before the fork, those that are interrupted, and those after."""
HANGS_SECONDS = 60
INPUTS, HIDDEN, ROWS = 4, 5, 3


# --- the trainings ---------------------------------------------------------------------------------------------------


class Training:
    """A network of two layers without biases, in whole numbers: each step adds half of the gradient's sign."""

    is_atomic = False
    """Whether a step is done as a whole, so that one which a handler takes in between comes before or after."""

    def __init__(self) -> None:
        random = np.random.default_rng(5)
        self.x = nd.array(random.integers(-1, 2, (ROWS, INPUTS)), dtype="float32")
        self.first = random.integers(-2, 3, (INPUTS, HIDDEN)).astype(np.float32)
        self.second = random.integers(1, 3, (HIDDEN, 1)).astype(np.float32)
        self.make()
        self.loss: Any = None

    def make(self) -> None:
        """Make the parameters."""
        self.w, self.v = nd.array(self.first), nd.array(self.second)
        self.w.attach_grad()
        self.v.attach_grad()

    @property
    def parameters(self) -> list[Any]:
        """Both matrices, as the step has them."""
        return [self.w, self.v]

    def predict(self) -> Any:
        """What the network says of the rows."""
        return nd.dot(nd.relu(nd.dot(self.x, self.w)), self.v)

    def forward(self) -> Any:
        """The loss, recorded."""
        with autograd.record():
            return nd.sum(nd.dot(nd.relu(nd.dot(self.x, self.w)), self.v))

    def train(self) -> Any:
        """One step; returns the loss."""
        loss = self.forward()
        loss.backward()
        for p in self.parameters:
            p[:] = p + 0.5 * nd.sign(p.grad)
        return loss

    def step(self) -> None:
        """One step, with a look at the loss."""
        self.loss = self.train()
        self.loss.asscalar()

    def save(self, path: str) -> list[np.ndarray]:
        """Save the parameters, and read them from the file again."""
        nd.save(path, self.parameters)
        return [x.asnumpy() for x in nd.load(path)]


class Compiled(Training):
    """The same step, compiled as a whole."""

    is_atomic = True

    def make(self) -> None:
        super().make()
        self.train = lamina.compile(self.train)  # pyright: ignore[reportAttributeAccessIssue]


class Gluon(Training):
    """The same network of Gluon's layers, with a trainer."""

    hybridized = False

    def make(self) -> None:
        self.net = gluon.nn.HybridSequential()
        self.net.add(
            gluon.nn.Dense(HIDDEN, activation="relu", use_bias=False, in_units=INPUTS),
            gluon.nn.Dense(1, use_bias=False, in_units=HIDDEN),
        )
        self.net.initialize()
        for layer, start in zip(self.net, (self.first.T, self.second.T), strict=True):
            layer.weight.set_data(nd.array(start))
        if self.hybridized:
            self.net.hybridize()
        self.trainer = gluon.Trainer(
            self.net.collect_params(), "signum", {"learning_rate": 0.5, "momentum": 0}
        )

    @property
    def parameters(self) -> list[Any]:
        return [layer.weight.data() for layer in self.net]

    def predict(self) -> Any:
        return self.net(self.x)

    def forward(self) -> Any:
        with autograd.record():
            return nd.sum(-self.net(self.x))

    def train(self) -> Any:
        loss = self.forward()
        loss.backward()
        self.trainer.step(1)
        return loss

    def save(self, path: str) -> list[np.ndarray]:
        self.net.save_parameters(path)
        return [x.asnumpy() for x in nd.load(path).values()]


class Hybridized(Gluon):
    """The same, hybridized."""

    hybridized = True


TRAININGS: dict[str, type[Training]] = {
    "plain": Training,
    "gluon": Gluon,
    "compiled": Compiled,
    "hybridized": Hybridized,
}


# --- the handlers ----------------------------------------------------------------------------------------------------


class Handlers:
    """What programs do in handlers. Each checks what it sees; what was wrong is in `wrong`."""

    def __init__(self, training: Training, states: list[list[np.ndarray]]) -> None:
        self.training, self.states = training, states
        self.own = nd.array([1.0, 2.0, 3.0])
        self.path = tempfile.mkstemp(suffix=".params")[1]
        self.calls = 0
        self.wrong: list[str] = []

    def save(self) -> None:
        """Save the parameters."""
        self._check("saved", self.training.save(self.path))

    def compute(self) -> None:
        """Compute on arrays of one's own."""
        with autograd.pause():
            total = nd.sum(self.own * 2 + 1).asscalar()
            self.own[:] = self.own + 0
        if total != 15:
            self.wrong.append(f"computed {total}, not 15")

    def look(self) -> None:
        """Look at the parameters, and the latest loss."""
        self._check("seen", [p.asnumpy() for p in self.training.parameters])
        if self.training.loss is not None:
            self.training.loss.asscalar()

    def predict(self) -> None:
        """Predict with the parameters."""
        with autograd.pause():
            said = self.training.predict().asnumpy()
        if not any(np.array_equal(said, y) for y in self._predictions()):
            self.wrong.append(f"predicted {said.ravel()}")

    def call(self) -> None:
        """Call what is running: another step, or only its forward pass where that could change what a step has read."""
        if self.training.is_atomic:
            with autograd.pause(train_mode=True):
                self.training.train()
            self.calls += 1
            return
        loss = abs(self.training.forward().asscalar())
        if loss not in [y.sum() for y in self._predictions()]:
            self.wrong.append(f"the loss was {loss}")

    def _predictions(self) -> list[np.ndarray]:
        x = self.training.x.asnumpy()
        firsts, seconds = zip(*self.states, strict=True)
        with np.errstate(all="ignore"):  # of whatever was interrupted
            return [np.maximum(x @ w, 0) @ v for w, v in itertools.product(firsts, seconds)]

    def _check(self, how: str, arrays: list[np.ndarray]) -> None:
        """Each parameter must be that of some step; of a step that is atomic, all of the same."""
        found = [_oriented(x, s) for x, s in zip(arrays, self.states[0], strict=True)]
        fits = [
            [any(np.array_equal(x, state[i]) for state in self.states) for i, x in enumerate(found)],
            [any(all(map(np.array_equal, found, state)) for state in self.states)],
        ][self.training.is_atomic]
        if not all(fits):
            self.wrong.append(f"{how} {[x.tolist() for x in found]}")


HANDLERS = ("save", "compute", "look", "predict", "call")


def _oriented(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A layer's weight as the plain program has it."""
    return x if x.shape == like.shape else x.T


def states(steps: int) -> list[list[np.ndarray]]:
    """The parameters after each number of steps, computed eagerly, by the plain program."""
    with lamina.eager():
        training = Training()
        found = [[p.asnumpy() for p in training.parameters]]
        for _ in range(steps):
            training.step()
            found.append([p.asnumpy() for p in training.parameters])
    return found


# --- what interrupts -------------------------------------------------------------------------------------------------


class _Boundaries:
    """Counts the boundaries between bytecodes that a program passes, and calls a handler at one of them."""

    def __init__(self, at: int, handler: Callable[[], None]) -> None:
        self.count, self._at, self._handler = 0, at, handler

    def passed(self) -> None:
        self.count += 1
        if self.count == self._at:
            self._handler()

    # before Python 3.12

    def trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            self.passed()
        return self.trace

    # since Python 3.12: only `sys.monitoring` sees all of them

    def instruction(self, _code: CodeType, _offset: int) -> None:
        if not self._is_inside:
            self._is_inside = True
            try:
                self.passed()
            finally:
                self._is_inside = False

    _is_inside = False


@contextmanager
def boundaries(at: int, handler: Callable[[], None]) -> Any:
    """Inside, the handler is called at the boundary `at` between two bytecodes; gives what counts them."""
    counted = _Boundaries(at, handler)
    if sys.version_info < (3, 12):
        before = sys.gettrace()
        sys.settrace(counted.trace)
        try:
            yield counted
        finally:
            sys.settrace(before)
    else:
        monitoring, tool = sys.monitoring, sys.monitoring.DEBUGGER_ID
        monitoring.use_tool_id(tool, "interruptions")
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, counted.instruction)
        monitoring.set_events(tool, monitoring.events.INSTRUCTION)
        try:
            yield counted
        finally:
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)


def interrupted(program: Callable[[], None], at: int, handler: Callable[[], None]) -> int:
    """Run a program with a handler at a boundary between two bytecodes; returns how many it passed."""

    def run() -> None:
        program()

    with boundaries(at, handler) as counted:
        run()
    return counted.count


def _by_boundaries(training: Training, handler: Callable[[], None], random: Random, number: int) -> int:
    """Each step at another boundary; the first one at that of the number."""
    most = number >> 32
    for i in range(INTERRUPTED):
        at = 1 + (number & 0xFFFFFFFF) if not i else random.randrange(1, most)
        interrupted(training.step, at, handler)
    return INTERRUPTED


def _by_signals(training: Training, handler: Callable[[], None], random: Random, _number: int) -> int:
    """A timer at random offsets."""
    count = 0

    def handle(*_: object) -> None:
        nonlocal count
        count += 1
        handler()

    signal.signal(signal.SIGALRM, handle)
    for _ in range(INTERRUPTED):
        signal.setitimer(signal.ITIMER_REAL, 1e-6 + random.choice([1e-4, 1e-3]) * random.random())
        training.step()
        signal.setitimer(signal.ITIMER_REAL, 0)
    return count


class _Garbage:
    """Is in a cycle of references, so that only the collector finds it."""

    def __init__(self, handler: Callable[[], None]) -> None:
        self._self, self._handler = self, handler

    def __del__(self) -> None:
        self._handler()


class _Referred:
    """Has weak references."""

    def __init__(self) -> None:
        self._self = self


def _by_collector(training: Training, handler: Callable[[], None], random: Random, _number: int) -> int:
    """``__del__`` and callbacks of weak references, when the collector finds garbage."""
    count = 0

    def handle(*_: object) -> None:
        nonlocal count
        count += 1
        handler()

    before = gc.get_threshold()
    kept: list[Any] = []
    gc.collect()
    gc.freeze()  # so that the collector looks through little, and can come often
    for i in range(INTERRUPTED):
        gc.collect()
        if (i + random.getrandbits(1)) % 2:
            _Garbage(handle)
        else:
            kept.append(weakref.ref(_Referred(), handle))
        gc.set_threshold(random.randrange(1, 60))
        training.step()
        gc.set_threshold(*before)
    gc.collect()
    return count


TRIGGERS: dict[str, Callable[[Training, Callable[[], None], Random, int], int]] = {
    "boundaries": _by_boundaries,
    "signals": _by_signals,
    "collector": _by_collector,
}


# --- trials ----------------------------------------------------------------------------------------------------------


def trial(training: Training, expected: list[list[np.ndarray]], kind: str, trigger: str, number: int) -> int:
    """Interrupt a warm training; returns how often. Raises `AssertionError` with what is wrong."""
    handlers = Handlers(training, expected)
    counted = TRIGGERS[trigger](training, getattr(handlers, kind), Random(f"{kind} {number}"), number)
    for _ in range(AFTER):
        training.step()
    Path(handlers.path).unlink()
    assert not handlers.wrong, handlers.wrong[0]
    steps = WARM + INTERRUPTED + AFTER
    found = [_oriented(p.asnumpy(), s) for p, s in zip(training.parameters, expected[0], strict=True)]
    least = steps + handlers.calls * training.is_atomic
    for i, x in enumerate(found):
        ends = [n for n, state in enumerate(expected) if np.array_equal(x, state[i])]
        assert set(ends) & set(range(least, steps + handlers.calls + 1)), (
            f"parameter {i} ends as after steps {ends}, not {least} (the handler took {handlers.calls})"
        )
    return counted


def _forked(work: Callable[[], int]) -> tuple[int, str]:
    """What a function returns in a child, and what went wrong there."""
    sys.stdout.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        status = 1
        with os.fdopen(writer, "w") as out:
            faulthandler.dump_traceback_later(HANGS_SECONDS, exit=True, file=out)
            try:
                print(work(), file=out)
                status = 0
            except BaseException:
                traceback.print_exc(file=out)
            out.flush()
            faulthandler.cancel_dump_traceback_later()
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as out:
        said = out.read()
    _, status = os.waitpid(child, 0)
    return (int(said), "") if status == 0 else (0, said or f"ended with status {status}")


def main(name: str, trigger: str, times: int, first: int) -> int:
    """Trials of one training; 1 if one failed."""
    start = time.monotonic()
    expected = states(WARM + INTERRUPTED + AFTER + 2 * INTERRUPTED)
    training = TRAININGS[name]()
    for _ in range(WARM):
        training.step()
    count = _forked(lambda: interrupted(training.step, 0, lambda: None))[0]
    total, failed = 0, []
    each = max(1, times // len(HANDLERS) // INTERRUPTED)
    for kind in HANDLERS:
        for i in range(each):
            number = (first + i * count // each) % count + (count << 32)
            done, wrong = _forked(partial(trial, training, expected, kind, trigger, number))
            total += done
            if wrong:
                failed.append(f"{kind}, {number & 0xFFFFFFFF}: {wrong}")
    seconds = time.monotonic() - start
    print(
        f"interruptions {name} {trigger}: {total:,} in {seconds:.0f} s, {count:,} boundaries a step, "
        f"{len(failed)} of {each * len(HANDLERS)} trials failed"
    )
    for text in failed[:5]:
        print(text, file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
