"""Random programs that train the same parameters by steps of several kinds: plain, compiled, hybridized.

A program is a list of statements over some arrays and a small network, run several times over. Each statement that
computes comes in several ways of being written: undecorated, compiled as a whole, with only its forward pass or its
update compiled, hybridized, many steps in one call. Between them stand what programs do besides: views, writes,
another `grad_req`, errors, looks, and children that are forked. `run` returns all that a program saw; eagerly, with
``compiling=False``, every way is the plain one.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from same_values import same_numbers

import lamina
from lamina import autograd, gluon, nd, optimizer
from lamina.errors import LaminaError, StaleGradientError

__all__ = ["OPTIMIZERS", "STALE", "Program", "differences", "run", "seen"]

# By a larger epsilon than theirs, small gradients' roundings are not made large.
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.02, "momentum": 0.9},
    "nag": {"learning_rate": 0.02, "momentum": 0.9},
    "adam": {"learning_rate": 0.01, "epsilon": 1e-2},
    "adamw": {"learning_rate": 0.01, "epsilon": 1e-2, "wd": 0.1},
    "adamax": {"learning_rate": 0.01},
    "nadam": {"learning_rate": 0.01, "epsilon": 1e-2},
    "adagrad": {"learning_rate": 0.02, "eps": 1e-2},
    "adadelta": {"epsilon": 1e-4, "rescale_grad": 0.05},
    "rmsprop": {"learning_rate": 0.01, "epsilon": 1e-2},
    "ftrl": {"learning_rate": 0.02},
}
ROWS, INPUTS, OUTPUTS = 5, 4, 3
STALE = "a stale gradient"
"""What a program sees of a gradient that a compiled step has used up; eagerly, too, where there are numbers."""
OF_NET = "0123"

Statement = Callable[["World"], None]


class World:
    """What a program works on, and a log of all that it saw."""

    def __init__(self, program: Program, compiling: bool) -> None:
        self.compiling = compiling
        self.log: list[Any] = []
        self.iteration = 0
        self.compiled: dict[str, Any] = {}
        self.kept: dict[str, Any] = {}
        self.stale: set[str] = set()
        numbers = np.random.default_rng(program.seed)
        self.x = [nd.array(numbers.normal(0, 0.5, (ROWS, INPUTS))) for _ in range(3)]
        self.y = [nd.array(numbers.normal(0, 0.5, (ROWS, OUTPUTS))) for _ in range(3)]
        self.w = nd.array(numbers.normal(0, 0.5, (INPUTS, OUTPUTS)))
        self.b = nd.array(numbers.normal(0, 0.5, (OUTPUTS,)))
        for parameter in (self.w, self.b):
            parameter.attach_grad()
        net = self.net = gluon.nn.HybridSequential()
        net.add(
            gluon.nn.Dense(INPUTS, activation="tanh", in_units=INPUTS),
            gluon.nn.Dense(OUTPUTS, in_units=INPUTS),
        )
        net.initialize()
        for parameter in net.collect_params().values():
            parameter.set_data(nd.array(numbers.normal(0, 0.5, parameter.shape)))
        self.optimizer = program.optimizer
        self.others: list[np.ndarray] = []
        self.begin_anew()

    def begin_anew(self) -> None:
        """Train with a new optimizer, compiled anew; memory that the old one leaves is used by others."""
        self.compiled.clear()
        settings = OPTIMIZERS[self.optimizer]
        self.trainer = gluon.Trainer(self.net.collect_params(), self.optimizer, dict(settings))
        self.updater = optimizer.get_updater(optimizer.create(self.optimizer, **settings))
        self.others += [np.full(size, 7, np.float32) for size in (3, 4, 12, 16) for _ in range(20)]

    def see(self, value: Any) -> None:
        """Note an array's contents."""
        self.log.append(np.array(value.asnumpy()))

    def see_gradient(self, of: str) -> None:
        """Note a gradient's contents; of a stale one that it is stale, which lamina must say, too."""
        gradient = self.gradient(of)
        if gradient is None:
            self.log.append("no gradient")
            return
        if of in self.stale:
            if self.compiling:
                with contextlib.suppress(StaleGradientError):
                    self.log.append(gradient.asnumpy())
                    return
            self.log.append(STALE)
        else:
            self.see(gradient)

    def array(self, of: str) -> Any:
        """A trained array: ``w``, ``b``, or one of the network's, by its number."""
        return getattr(self, of) if of in "wb" else list(self.net.collect_params().values())[int(of)].data()

    def gradient(self, of: str) -> Any:
        """Its gradient, None if it has none."""
        return self.array(of).grad

    def note_gradients(self, of: str, *, used_up: bool) -> None:
        """`backward` wrote gradients, in a compiled step that uses them up or so that they stay."""
        for name in of:
            leaf = self.array(name)._leaf
            if leaf is not None and leaf.req == "write":
                (self.stale.add if used_up else self.stale.discard)(name)
                if used_up:
                    self.kept.pop("v" + name, None)

    def as_compiled(self, function: Callable[..., Any], **options: Any) -> Any:
        """A method of the world, compiled once, or itself where nothing is."""
        if not self.compiling:
            return function
        key = f"{function.__name__} {options}"
        if key not in self.compiled:
            self.compiled[key] = lamina.compile(function, **options)
        return self.compiled[key]

    # --- what steps are made of ----------------------------------------------------------------------------------

    def loss(self, x: Any, y: Any) -> Any:
        """Of the arrays."""
        return nd.sum(nd.square(nd.tanh(nd.dot(x, self.w) + self.b) - y))

    def update_by_hand(self) -> None:
        """The update of the arrays."""
        for x in (self.w, self.b):
            if x.grad is not None:
                x[:] = x - 0.02 * x.grad

    def update_by_optimizer(self) -> None:
        """The same by the optimizer."""
        for i, x in enumerate((self.w, self.b)):
            if x.grad is not None:
                self.updater(i, x.grad, x)

    def step_by_hand(self, x: Any, y: Any) -> Any:
        """A step that trains the arrays."""
        with autograd.record():
            loss = self.loss(x, y)
        loss.backward()
        self.update_by_hand()
        return loss

    def step_by_optimizer(self, x: Any, y: Any) -> Any:
        """The same with the optimizer."""
        with autograd.record():
            loss = self.loss(x, y)
        loss.backward()
        self.update_by_optimizer()
        return loss

    def only_backward(self, x: Any, y: Any) -> Any:
        """Gradients alone."""
        with autograd.record():
            loss = self.loss(x, y)
        loss.backward()
        return loss

    def loss_of_net(self, x: Any, y: Any) -> Any:
        """Of the network."""
        return nd.sum(nd.square(self.net(x) - y), axis=1)

    def step_of_net(self, x: Any, y: Any) -> Any:
        """A step that trains the network."""
        with autograd.record():
            loss = self.loss_of_net(x, y)
        loss.backward()
        self.trainer.step(ROWS)
        return loss

    def predict(self, x: Any) -> Any:
        """What both say."""
        return nd.tanh(nd.dot(x, self.w) + self.b) + self.net(x)

    def handler(self, kind: int) -> None:
        """What interrupts the program. It changes nothing that the program sees."""
        if kind == 0:
            self.array("w").asnumpy()
            self.array("0").asnumpy()
        elif kind == 1:
            (nd.ones((2, 2)) * 3 + 1).asnumpy()
        elif kind == 2:
            self.predict(self.x[0]).asnumpy()
        elif kind == 3:
            self.as_compiled(self.predict)(self.x[0]).asnumpy()
        else:
            pickle.dumps(self.array("b"))

    def scale_gradient(self) -> None:
        """Read and write a gradient."""
        if self.w.grad is not None:
            self.w.grad[:] = self.w.grad * 0.5

    def fails(self, x: Any, y: Any) -> Any:
        """An error after the forward pass."""
        with autograd.record():
            loss = self.loss(x, y)
            loss = loss + nd.sum(nd.ones((7, 7)) + self.w)
        loss.backward()
        return loss


class Program:
    """Statements with their source, made from a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._random = random.Random(seed)
        self.optimizer = self._random.choice(sorted(OPTIMIZERS))
        self.lines: list[str] = []
        self.statements = [self._made() for _ in range(self._random.randint(3, 9))]
        # By numbers of their own, so that the programs of older seeds stay what they were.
        apart = random.Random(f"{seed} new state")
        if apart.random() < 0.25:
            line, statement = _anew(apart)
            self.lines.append(line)
            self.statements.append(statement)

    def __str__(self) -> str:
        return f"seed {self.seed}, {self.optimizer}\n" + "\n".join(self.lines)

    def _made(self, makers: Sequence[Any] | None = None) -> Statement:
        r = self._random
        if makers is None and r.random() < 0.05:
            return self._forked()
        line, statement = r.choice(makers or _MAKERS)(r)
        if r.random() < 0.1:
            only = r.randint(1, 4)
            line, statement = f"if iteration == {only}: {line}", _only(statement, only)
        self.lines.append(line)
        return statement

    def _forked(self) -> Statement:
        """Some statements in a child, once; what it saw is seen."""
        when = self._random.randint(0, 4)
        self.lines.append(f"in a forked child, if iteration == {when}, twice:")
        inside = [self._made(_MAKERS) for _ in range(self._random.randint(1, 3))]
        self.lines.append("end of the child")

        def statement(world: World) -> None:
            if world.iteration == when and hasattr(os, "fork"):
                world.log += _in_child(world, inside)

        return statement


def run(
    program: Program, *, compiling: bool = True, interrupted: bool = False, iterations: int = 6
) -> list[Any]:
    """Execute a program so many times, and return what it saw, with all contents at the end.

    `interrupted`: between some lines of lamina, as signals do, a handler looks at what is trained, and predicts.
    """
    nd.random.seed(program.seed)
    world = World(program, compiling)
    with warnings.catch_warnings(), _interruptions(world, program.seed) if interrupted else nullcontext():
        warnings.filterwarnings("ignore", message=".*have not been written by backward")
        warnings.filterwarnings("ignore", message=".*runs eagerly")
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
        for world.iteration in range(iterations):
            _execute(world, program.statements)
    _see_all(world)
    return world.log


@contextmanager
def _interruptions(world: World, seed: int) -> Generator[None]:
    """Inside, the world's handler is called now and then between two lines of lamina."""
    r, left = random.Random(f"{seed} interrupted"), 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(_LAMINA):
            return None
        if event == "line":
            left -= 1
            if left < 0:
                left = r.randint(1, 4000)
                signal.raise_signal(signal.SIGUSR1)
        return trace

    before, handler = sys.gettrace(), signal.signal(signal.SIGUSR1, lambda *_: world.handler(r.randrange(5)))
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
        signal.signal(signal.SIGUSR1, handler)


_LAMINA = str(Path(lamina.__file__).parent)


def seen(seed: int) -> list[Any]:
    """What the program of a seed sees, for processes that get nothing but the seed."""
    return run(Program(seed))


def differences(wanted: Sequence[Any], got: Sequence[Any]) -> list[str]:
    """Where what a program saw is not what it sees eagerly."""
    found = [f"{len(got)} things seen instead of {len(wanted)}"] if len(got) != len(wanted) else []
    for i, (x, y) in enumerate(zip(wanted, got, strict=False)):
        if isinstance(x, str) or isinstance(y, str):
            same = isinstance(x, str) and isinstance(y, str) and x == y
        else:
            same = x.shape == y.shape and same_numbers(x, y)
        if not same:
            found.append(f"at {i}: eager\n{x}\nmixed\n{y}")
    return found


def _execute(world: World, statements: Sequence[Statement]) -> None:
    for statement in statements:
        try:
            statement(world)
        except (LaminaError, TypeError) as error:  # an error of the program's is one more thing that it sees
            world.log.append(type(error).__name__)


def _see_all(world: World) -> None:
    for name in "wb" + OF_NET:
        world.see(world.array(name))
        world.see_gradient(name)
    if not all((other == 7).all() for other in world.others):
        raise RuntimeError("memory of others was written")


def _in_child(world: World, statements: Sequence[Statement]) -> list[Any]:
    """What a forked child saw that executed these statements twice."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            world.log = []
            for _ in range(2):
                _execute(world, statements)
            _see_all(world)
            said: Any = world.log
        except BaseException:
            said = traceback.format_exc()
        finally:
            with os.fdopen(writing, "wb") as file:
                pickle.dump(said, file)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        content = file.read()
    os.waitpid(child, 0)
    said = pickle.loads(content) if content else "the child died"
    if isinstance(said, str):
        raise RuntimeError(f"in the child: {said}")
    return said


def _only(statement: Statement, iteration: int) -> Statement:
    def run(world: World) -> None:
        if world.iteration == iteration:
            statement(world)

    return run


# --- statements: each maker returns its text and a function ----------------------------------------------------------


def _batch(world: World, i: int) -> tuple[Any, Any]:
    return world.x[i], world.y[i]


def _step(r: random.Random) -> tuple[str, Statement]:
    name, i, keep = (
        r.choice(["step_by_hand", "step_by_optimizer", "step_of_net"]),
        r.randrange(3),
        r.random() < 0.3,
    )
    way = r.choice(["plain", "plain", "compiled", "compiled", "many"])
    looks, of = r.random() < 0.5, OF_NET if name == "step_of_net" else "wb"

    def statement(world: World) -> None:
        function, loss = getattr(world, name), None
        if way == "plain":
            loss = function(*_batch(world, i))
        elif way == "compiled":
            loss = world.as_compiled(function, keep_gradients=keep)(*_batch(world, i))
        elif world.compiling:
            rows = np.arange(ROWS).reshape(1, ROWS).repeat(2, 0)
            world.as_compiled(function, keep_gradients=keep).run_batches(rows, *_batch(world, i))
        else:
            function(*_batch(world, i))
            function(*_batch(world, i))
        world.note_gradients(of, used_up=way != "plain" and not keep)
        if looks and loss is not None:
            world.see(loss)

    return f"{way} {name} on {i} ({keep=} {looks=})", statement


def _parts(r: random.Random) -> tuple[str, Statement]:
    """A step of which only some parts are compiled."""
    forward, update, i = r.random() < 0.5, r.random() < 0.5, r.randrange(3)
    how, peek = r.choice(["update_by_hand", "update_by_optimizer"]), r.random() < 0.2

    def statement(world: World) -> None:
        of_loss = world.as_compiled(world.loss) if forward else world.loss
        do = world.as_compiled(getattr(world, how)) if update else getattr(world, how)
        with autograd.record():
            loss = of_loss(*_batch(world, i))
        if peek:
            world.see(loss)
        loss.backward()
        world.note_gradients("wb", used_up=False)
        do()

    return f"parts: {forward=} {update=} {how} on {i} ({peek=})", statement


def _hybridized(r: random.Random) -> tuple[str, Statement]:
    how, i, after = (
        r.choice(["later", "at once", "in eager", "in a thread"]),
        r.randrange(3),
        r.random() < 0.5,
    )

    def statement(world: World) -> None:
        if world.compiling:
            # What is rounded on a GPU alone; but so the network is compiled by itself here, too.
            world.net.hybridize(precision="tf32" if how == "at once" else "float32")
        if how == "in eager":
            with lamina.eager():
                loss = world.step_of_net(*_batch(world, i))
        elif how == "in a thread":
            with ThreadPoolExecutor(1) as pool:
                loss = pool.submit(world.step_of_net, *_batch(world, i)).result()
        else:
            loss = world.step_of_net(*_batch(world, i))
        world.note_gradients(OF_NET, used_up=False)
        if world.compiling and not after:
            world.net.hybridize(active=False)
        world.see(loss)

    return f"hybridized {how}{' and after' * after}: step on {i}", statement


def _gradients_alone(r: random.Random) -> tuple[str, Statement]:
    i, compiled = r.randrange(3), r.random() < 0.5
    way = r.choice(["only_backward", "update_by_hand", "scale_gradient"])

    def statement(world: World) -> None:
        if way != "only_backward" and not world.stale.isdisjoint("wb"):
            return
        function = getattr(world, way)
        if compiled:
            function = world.as_compiled(function)
        function(*(_batch(world, i) if way == "only_backward" else ()))
        if way == "only_backward":
            world.note_gradients("wb", used_up=False)

    return f"{way} {compiled=}", statement


def _trainer(r: random.Random) -> tuple[str, Statement]:
    how = r.choice(["step", "rate", "save", "zero"])

    def statement(world: World) -> None:
        if how == "step":  # on gradients that were used, of which it warns
            world.trainer.step(ROWS)
        elif how == "rate":
            world.trainer.set_learning_rate(0.01 / (1 + world.iteration))
        elif how == "zero":
            world.net.collect_params().zero_grad()
            world.note_gradients(OF_NET, used_up=False)
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder)
                world.net.save_parameters(path / "net")
                world.trainer.save_states(path / "states")
                world.step_of_net(*_batch(world, 0))
                world.note_gradients(OF_NET, used_up=False)
                world.net.load_parameters(path / "net")
                world.trainer.load_states(path / "states")

    return f"trainer: {how}", statement


def _predict(r: random.Random) -> tuple[str, Statement]:
    i, compiled = r.randrange(3), r.random() < 0.5

    def statement(world: World) -> None:
        world.see((world.as_compiled(world.predict) if compiled else world.predict)(world.x[i]))

    return f"predict {i} {compiled=}", statement


def _write(r: random.Random) -> tuple[str, Statement]:
    of, how = (
        r.choice("wb01"),
        r.choice(["whole", "scaled", "row", "gradient", "row of gradient", "from gradient", "data"]),
    )

    def statement(world: World) -> None:
        array, gradient = world.array(of), world.gradient(of)
        if how == "whole":
            array[:] = array * 0.5
        elif how == "scaled":
            array *= 0.5
        elif how == "row":
            array[1] = 0.25
        elif how == "data":
            world.x[0], world.x[1] = world.x[1], world.x[0]
        elif gradient is None:
            return
        elif how == "gradient":
            gradient[:] = 0.125
            world.stale.discard(of)
        elif of not in world.stale:
            if how == "from gradient":
                array[:] = array - 0.01 * gradient
            else:
                gradient[1] = 0.125

    return f"write {how} of {of}", statement


def _view(r: random.Random) -> tuple[str, Statement]:
    of, of_gradient = r.choice("wb01"), r.random() < 0.3
    how = r.choice(["row", "flat", "detach", "itself", "write", "write", "see", "drop"])

    def statement(world: World) -> None:
        base, key = world.gradient(of) if of_gradient else world.array(of), f"v{of}" if of_gradient else "v"
        if base is None or (of_gradient and of in world.stale):
            return
        if how == "row":
            world.kept[key] = base[1]
        elif how == "flat":
            world.kept[key] = base.reshape((-1,))
        elif how == "detach":
            world.kept[key] = base.detach()
        elif how == "itself":
            world.kept[key] = base
        elif how == "drop":
            world.kept.clear()
        elif key in world.kept:
            if how == "write":
                world.kept[key][:] = 0.25
            else:
                world.see(world.kept[key])

    return f"view of {'the gradient of ' * of_gradient}{of}: {how}", statement


def _share(r: random.Random) -> tuple[str, Statement]:
    of, how = r.choice("wb02"), r.choice(["take", "write", "drop"])

    def statement(world: World) -> None:
        if how == "take":
            world.kept["n"] = np.asarray(world.array(of))
        elif how == "drop":
            world.kept.pop("n", None)
        elif "n" in world.kept:
            world.kept["n"] *= 0.5

    return f"NumPy's array of {of}: {how}", statement


def _mark(r: random.Random) -> tuple[str, Statement]:
    of, req, when = r.choice(["w", "b", "net"]), r.choice(["write", "add", "null"]), r.randint(0, 4)

    def statement(world: World) -> None:
        if world.iteration != when:
            return
        if of == "net":
            for name, parameter in zip(OF_NET, world.net.collect_params().values(), strict=True):
                if parameter.grad_req != req:  # else it keeps its gradient, be it stale
                    parameter.grad_req = req
                    world.stale.discard(name)
        else:
            world.array(of).attach_grad(req)
            world.stale.discard(of)

    return f"gradients of {of}: {req} from {when} on", statement


def _fail(r: random.Random) -> tuple[str, Statement]:
    compiled, how = r.random() < 0.5, r.choice(["in the graph", "shapes", "user's"])

    def statement(world: World) -> None:
        x, y = _batch(world, 0)
        if how == "user's":
            with contextlib.suppress(KeyError), autograd.record():
                world.loss(x, y)
                raise KeyError("user's")
            return
        function = world.fails if how == "in the graph" else world.step_by_hand
        (world.as_compiled(function) if compiled else function)(
            x, y if how == "in the graph" else nd.ones((7, 7))
        )

    return f"fail {how} {compiled=}", statement


def _look(r: random.Random) -> tuple[str, Statement]:
    of, of_gradient = r.choice("wb03"), r.random() < 0.6

    def statement(world: World) -> None:
        if of_gradient:
            world.see_gradient(of)
        else:
            world.see(world.array(of))

    return f"look at {'the gradient of ' * of_gradient}{of}", statement


def _anew(r: random.Random) -> tuple[str, Statement]:
    when = r.randint(1, 4)

    def statement(world: World) -> None:
        if world.iteration == when:
            world.begin_anew()
            world.step_of_net(
                *_batch(world, 0)
            )  # with fresh gradients, since it does not know which were used
            world.only_backward(*_batch(world, 0))
            world.note_gradients("wb" + OF_NET, used_up=False)

    return f"with a new optimizer from {when} on", statement


_MAKERS: list[Callable[[random.Random], tuple[str, Statement]]] = [
    _step, _step, _step, _step, _parts, _parts, _hybridized, _hybridized, _gradients_alone, _trainer, _predict, _write,
    _write, _view, _share, _mark, _fail, _look,
]  # fmt: skip
