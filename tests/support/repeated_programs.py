"""Random programs that repeat, as loops do: the same statements again and again, with small changes now and then.

A program is a list of statements over named arrays. `run` executes it a number of times and returns all that it saw.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina import autograd, nd

__all__ = ["Program", "run"]

ROWS, COLUMNS = 3, 4
Statement = Callable[["World"], None]


class World:
    """What a program works on: arrays by name, and a log of all numbers that it looked at."""

    def __init__(self, seed: int) -> None:
        numbers = np.random.default_rng(seed)
        self.iteration = 0
        self.log: list[Any] = []
        self.arrays: dict[str, Any] = {}
        self.numpy: dict[str, np.ndarray] = {}
        for name in "abcd":
            self.arrays[name] = nd.array(numbers.integers(-3, 4, (ROWS, COLUMNS)))
        for name in "pq":
            self.arrays[name] = nd.array(numbers.integers(-2, 3, (ROWS, COLUMNS)))
            self.arrays[name].attach_grad()
        self.arrays["w"] = nd.array(numbers.integers(-2, 3, (COLUMNS, COLUMNS)))
        self.arrays["w"].attach_grad()

    def see(self, value: Any) -> None:
        """Note a number or an array's contents."""
        known = "None" if value is None else np.array(value.asnumpy() if hasattr(value, "asnumpy") else value)
        self.log.append(known)


class Program:
    """Statements with their source, made from a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._random = random.Random(seed)
        self.lines: list[str] = []
        self.statements: list[Statement] = []
        for _ in range(self._random.randint(3, 14)):
            self._add()

    def __str__(self) -> str:
        return f"seed {self.seed}\n" + "\n".join(self.lines)

    def _add(self) -> None:
        line, statement = self._random.choice(_MAKERS)(self._random)
        change = self._random.random()
        if change < 0.06:
            skipped = self._random.randint(2, 5)
            line = f"if iteration != {skipped}: {line}"
            statement = _unless(statement, skipped)
        self.lines.append(line)
        self.statements.append(statement)


def _unless(statement: Statement, iteration: int) -> Statement:
    def run(world: World) -> None:
        if world.iteration != iteration:
            statement(world)

    return run


def run(program: Program, iterations: int = 7) -> list[Any]:
    """Execute a program so many times, and return what it saw, with all contents at the end."""
    nd.random.seed(program.seed)
    world = World(program.seed)
    for world.iteration in range(iterations):
        for statement in program.statements:
            try:
                statement(world)
            except Exception as error:  # an error of the program's is one more thing that it sees
                world.log.append(f"{type(error).__name__}: {error}")
    for name in sorted(world.arrays):
        x = world.arrays[name]
        world.see(x)
        if x.grad is not None:
            world.see(x.grad)
    for name in sorted(world.numpy):
        world.see(world.numpy[name])
    return world.log


# --- statements: each maker returns its text and a function ----------------------------------------------------------


def _name(r: random.Random, names: str = "abcdpqw") -> str:
    return r.choice(names)


def _clipped(x: Any) -> Any:
    """Small numbers again, so that integers stay exact in float32."""
    return nd.clip(x, -8, 8)


def _binary(r: random.Random) -> tuple[str, Statement]:
    into, x, y = _name(r, "abcd"), _name(r, "abcdpq"), _name(r, "abcdpq")
    operator = r.choice(["__add__", "__sub__", "__mul__", "__gt__"])

    def statement(world: World) -> None:
        world.arrays[into] = _clipped(getattr(world.arrays[x], operator)(world.arrays[y]))

    return f"{into} = clip({x}.{operator}({y}))", statement


def _with_number(r: random.Random) -> tuple[str, Statement]:
    into, x = _name(r, "abcd"), _name(r, "abcdpq")
    value = r.choice([0.0, -0.0, 1.0, 2.0, 2, -1.0])
    varies = r.random() < 0.3

    def statement(world: World) -> None:
        number = value + world.iteration % 3 if varies else value
        world.arrays[into] = _clipped(world.arrays[x] * number + number)

    return f"{into} = clip({x} * {value} + {value}){' varying' * varies}", statement


def _unary(r: random.Random) -> tuple[str, Statement]:
    into, x, name = (
        _name(r, "abcd"),
        _name(r, "abcdpq"),
        r.choice(["abs", "relu", "sign", "negative", "square", "floor"]),
    )

    def statement(world: World) -> None:
        world.arrays[into] = _clipped(getattr(nd, name)(world.arrays[x]))

    return f"{into} = clip({name}({x}))", statement


def _product(r: random.Random) -> tuple[str, Statement]:
    into, x = _name(r, "abcd"), _name(r, "abcdpq")

    def statement(world: World) -> None:
        world.arrays[into] = _clipped(nd.dot(world.arrays[x], world.arrays["w"]))

    return f"{into} = clip(dot({x}, w))", statement


def _reduction(r: random.Random) -> tuple[str, Statement]:
    into, x, axis = _name(r, "abcd"), _name(r, "abcdpq"), r.choice([0, 1])

    def statement(world: World) -> None:
        world.arrays[into] = _clipped(world.arrays[x] - nd.max(world.arrays[x], axis=axis, keepdims=True))

    return f"{into} = clip({x} - max({x}, {axis}))", statement


def _chain(r: random.Random) -> tuple[str, Statement]:
    into, x, count = _name(r, "abcd"), _name(r, "abcdpq"), r.randint(4, 10)

    def statement(world: World) -> None:
        y = world.arrays[x]
        for i in range(count):
            y = nd.relu(y + i) - 1
        world.arrays[into] = _clipped(y)

    return f"{into} = a chain of {count} from {x}", statement


def _in_place(r: random.Random) -> tuple[str, Statement]:
    into, x = _name(r), _name(r, "abcdpq")
    operator = r.choice(["__iadd__", "__isub__", "[:]"])

    def statement(world: World) -> None:
        target, source = world.arrays[into], world.arrays[x]
        if into == "w":
            source = nd.dot(source, source, transpose_a=True)
        if operator == "[:]":
            target[:] = _clipped(source)
        else:
            getattr(target, operator)(source)
            target[:] = _clipped(target)

    return f"{into} {operator} {x}", statement


def _view(r: random.Random) -> tuple[str, Statement]:
    into, x, row = _name(r, "abcd"), _name(r, "abcdpq"), r.randint(0, ROWS - 1)
    kind = r.choice(["row", "reshape", "detach", "column"])

    def statement(world: World) -> None:
        base = world.arrays[x]
        if kind == "row":
            world.arrays["v"] = base[row]
        elif kind == "column":
            world.arrays["v"] = base[:, row]
        elif kind == "reshape":
            world.arrays["v"] = base.reshape((-1,))
        else:
            world.arrays[into] = base.detach()

    return f"v = {kind} {row} of {x} ({into})", statement


def _through_view(r: random.Random) -> tuple[str, Statement]:
    value = r.randint(-3, 3)
    how = r.choice(["write", "add", "see"])

    def statement(world: World) -> None:
        v = world.arrays.get("v")
        if v is None:
            return
        if how == "write":
            v[:] = value
        elif how == "add":
            v += 1
            v[:] = _clipped(v)
        else:
            world.see(v)

    return f"{how} v {value}", statement


def _element(r: random.Random) -> tuple[str, Statement]:
    x, row, value = _name(r, "abcd"), r.randint(0, ROWS - 1), r.randint(-3, 3)

    def statement(world: World) -> None:
        world.arrays[x][row, 1:3] = value

    return f"{x}[{row}, 1:3] = {value}", statement


def _look(r: random.Random) -> tuple[str, Statement]:
    x, how = _name(r), r.choice(["scalar", "array", "print", "if"])

    def statement(world: World) -> None:
        value = world.arrays[x]
        if how == "scalar":
            world.see(nd.sum(value).asscalar())
        elif how == "array":
            world.see(value)
        elif how == "print":
            world.log.append(repr(value))
        elif nd.sum(value) > 0:
            world.arrays["a"] = world.arrays["a"] + 1 - 1

    return f"look at {x}: {how}", statement


def _share(r: random.Random) -> tuple[str, Statement]:
    x = _name(r, "abcd")
    how = r.choice(["asarray", "from_numpy", "write"])

    def statement(world: World) -> None:
        if how == "asarray":
            world.numpy["n"] = np.asarray(world.arrays[x])
        elif how == "from_numpy":
            memory = world.numpy["m"] = np.ones((ROWS, COLUMNS), np.float32)
            world.arrays[x] = nd.from_numpy(memory)
        else:
            for memory in world.numpy.values():
                memory += 1
                np.clip(memory, -8, 8, out=memory)

    return f"{how} {x}", statement


def _learn(r: random.Random) -> tuple[str, Statement]:
    x, p = _name(r, "abcd"), _name(r, "pq")
    twice, update, peek = r.random() < 0.2, r.random() < 0.7, r.random() < 0.2
    keep = r.random() < 0.15

    def statement(world: World) -> None:
        arrays = world.arrays
        with autograd.record():
            hidden = nd.relu(nd.dot(arrays[x] * arrays[p], arrays["w"]))
            if peek:
                world.see(nd.sum(hidden).asscalar())
            loss = nd.mean(hidden - arrays[p], axis=1)
        loss.backward(retain_graph=twice)
        if twice:
            loss.backward()
        if keep:
            arrays["d"] = hidden
        if update:
            for name in (p, "w"):
                arrays[name][:] = _clipped(arrays[name] - nd.sign(arrays[name].grad))
        world.see(nd.sum(loss).asscalar())

    return f"learn {p}, w from {x} ({twice=} {update=} {peek=} {keep=})", statement


def _record_only(r: random.Random) -> tuple[str, Statement]:
    x, p = _name(r, "abcd"), _name(r, "pq")

    def statement(world: World) -> None:
        with autograd.record():
            world.arrays["y"] = nd.square(world.arrays[x] + world.arrays[p])

    return f"y = recorded square({x} + {p})", statement


def _backward(r: random.Random) -> tuple[str, Statement]:
    p = _name(r, "pq")

    def statement(world: World) -> None:
        y = world.arrays.get("y")
        if y is not None:
            y.backward()
            world.see(world.arrays[p].grad)

    return f"y.backward(); look at {p}.grad", statement


def _second(r: random.Random) -> tuple[str, Statement]:
    p = _name(r, "pq")

    def statement(world: World) -> None:
        x = world.arrays[p]
        with autograd.record():
            (slope,) = autograd.grad(nd.sum(x * x * x), [x], create_graph=True)
            total = nd.sum(slope)
        total.backward()
        world.see(x.grad)

    return f"second derivative by {p}", statement


def _draw(r: random.Random) -> tuple[str, Statement]:
    into = _name(r, "abcd")

    def statement(world: World) -> None:
        world.arrays[into] = nd.random.randint(-3, 3, shape=(ROWS, COLUMNS)).astype("float32")

    return f"{into} = randint", statement


def _mistake(r: random.Random) -> tuple[str, Statement]:
    x = _name(r)

    def statement(world: World) -> None:
        world.arrays["a"] = world.arrays[x] + nd.ones((7, 7))

    return f"a = {x} + ones(7, 7)", statement


def _write_recorded(r: random.Random) -> tuple[str, Statement]:
    p = _name(r, "pq")

    def statement(world: World) -> None:
        with autograd.record():
            y = world.arrays[p] * 2
            z = y * y
        y[:] = 1
        z.backward()

    return f"write over what backward by {p} needs", statement


def _forget(r: random.Random) -> tuple[str, Statement]:
    x = _name(r, "vy")

    def statement(world: World) -> None:
        world.arrays.pop(x, None)

    return f"del {x}", statement


def _mark(r: random.Random) -> tuple[str, Statement]:
    p, req = _name(r, "pq"), r.choice(["write", "add", "null"])

    def statement(world: World) -> None:
        if world.iteration % 4 == 1:
            world.arrays[p].attach_grad(req)

    return f"{p}.attach_grad({req}) at times", statement


_MAKERS: list[Callable[[random.Random], tuple[str, Statement]]] = [
    _binary, _binary, _with_number, _with_number, _unary, _product, _reduction, _chain, _chain, _in_place, _in_place,
    _view, _through_view, _element, _look, _share, _learn, _learn, _learn, _record_only, _backward, _second, _draw,
    _mistake, _write_recorded, _forget, _mark,
]  # fmt: skip
