"""Random programs for the test that compiled equals eager: `Program(seed)` has a source, a world, and arguments.

A program is Python source that is grown line by line: each line is tried eagerly first, and kept if it works, so that
shapes fit. There are two kinds. In *exact* programs all numbers are small integers (or NaN, or infinite), and every
operator is exact: what is compiled must be the same bits. In *smooth* ones all functions are continuous, so that
rounding differences stay small.

Any change here makes other programs of the same seeds, also of those that are kept since they failed once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina import autograd, nd

__all__ = ["Program"]

SIZES = (0, 1, 1, 2, 3, 5, 8, 9, 17, 40)
EXACT = (
    "{a} + {b}", "{a} - {b}", "nd.clip({a} * {b}, -8, 8)", "nd.maximum({a}, {b})", "nd.minimum({a}, {b})",
    "nd.where({a} > {b}, {c}, {d})", "nd.where({a}, {b}, {n})", "nd.where({a} == {a}, {a}, 0)", "{a} >= {b}",
    "{a} == {n}", "nd.sign({a})", "nd.abs({a})", "-{a}", "nd.floor({a})", "nd.relu({a})", "nd.clip({a}, -2, 3)",
    "nd.clip(nd.dot({a}, {b}, transpose_a={t}, transpose_b={t}), -8, 8)",
    "nd.clip(nd.sum({a}, axis={i}, keepdims={t}), -8, 8)", "nd.clip(nd.sum({a}), -8, 8)",
    "nd.max({a}, axis={i}, keepdims={t})", "nd.min({a}, axis={i})", "nd.max({a})", "nd.argmax({a}, axis={i})",
    "nd.clip({a} + {n}, -8, 8)", "nd.clip({n} * {a}, -8, 8)", "{n} - {a}", "nd.clip(nd.square({a}), -8, 8)",
    "nd.pick({a}, nd.argmax({b}, axis=1), axis=1)", "{a}.astype('int32')", "{a}.astype('float64')",
    "{a}.astype('float32')", "nd.one_hot(nd.clip({a}, 0, 3).reshape((-1,)), 4)", "nd.logical_not({a})",
)  # fmt: skip
SMOOTH = (
    "{a} + {b}", "{a} - {b}", "{a} * {b} * 0.5", "{a} / (1 + nd.abs({b}))", "nd.tanh({a})", "nd.sigmoid({a})",
    "nd.exp(nd.tanh({a}))", "nd.log(1 + nd.abs({a}))", "nd.sqrt(nd.abs({a}) + 0.1)", "nd.tanh({a}) ** 2",
    "nd.tanh(nd.dot({a}, {b}, transpose_a={t}, transpose_b={t}))", "nd.mean({a}, axis={i}, keepdims={t})",
    "nd.mean({a})", "nd.sum({a}, axis={i}) * 0.1", "nd.softmax({a}, axis=-1)", "nd.log_softmax({a}) * 0.2",
    "nd.relu({a} + 0.37)", "nd.clip({a}, -0.51, 0.77)", "{a} * {n}", "{n} / (2 + nd.abs({a}))", "{a} + {n}",
    "({a} - nd.mean({a}, axis=-1, keepdims=True)) / nd.sqrt(nd.mean({a} * {a}) + 1)", "nd.sin({a})", "nd.erf({a})",
)  # fmt: skip
SHAPED = (
    "{a}.T", "{a}.reshape((-1,))", "{a}.reshape((0, -1))", "{a}.reshape((-1, {k}))", "{a}.expand_dims({i})",
    "nd.squeeze({a})", "{a}[{s}]", "{a}[{s}, {s}]", "{a}[{k}]", "{a}[-1]", "{a}[None]", "{a}[..., {s}]",
    "nd.flip({a}, axis={i})", "nd.concat({a}, {b}, dim={i})", "nd.stack({a}, {b}, axis={i})", "nd.take({a}, ROWS)",
    "{a}[ROWS]", "nd.broadcast_to({a}, shape={b}.shape)", "nd.broadcast_like({a}, {b})", "nd.tile({a}, reps=(2,))",
    "nd.repeat({a}, repeats=2, axis=0)", "{a}.detach()", "nd.zeros_like({a})", "{a}.copy()", "{a}.flatten()",
    "nd.slice_axis({a}, axis={i}, begin=0, end=1)", "helper({a})", "box({a})",
    "{a}[{s}]", "{a}[{s}, {s}]", "{a}[:, {s}]", "{a}.reshape((-1, 1))[:, {s}]", "{a}[{k}, {s}]", "{a}[None, {s}]",
    "helper({a} - 1)", "box({a}) * RATE",
)  # fmt: skip
WRITES = (
    "{a}[:] = {b}", "{a}[{s}] = {b}", "{a}[{s}] = {n}", "{a}[{k}] = {b}", "{a} += {b}", "{a} -= {n}",
    "{a}[:, {s}] = {n}", "{a}[{s}] += {n}", "{a}[ROWS] = {n}", "{a}[0, {k}] = {n}",
)  # fmt: skip
NUMBERS = (
    "2",
    "-1",
    "n0",
    "RATE",
    "box.rate",
    "table['rate']",
    "numbers[1]",
    "outer[0]",
    "float(outer.sum())",
    "len(tags)",
)


class Box:
    """An object with arrays and numbers."""

    rate = 2.0
    shift = 1.0

    def __call__(self, x: Any) -> Any:
        return x + self.shift if self.enabled else x - self.shift

    @property
    def enabled(self) -> bool:
        return self.switches["on"]


class Program:
    """The program of a seed; see the module."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        r = self._random = random.Random(seed)
        self.exact = r.random() < 0.6
        self.special = r.random() < 0.4
        self.gradients = r.random() < 0.35
        self.dtype = np.float64 if self.exact and r.random() < 0.1 else np.float32
        m, n, k = (r.choice(SIZES) for _ in range(3))
        shapes = [(m, n), (n, k), (m,), (n,), (1, n), (m, 1), (1,), (m, k), (2, m, n)]
        self.shapes = {name: r.choice(shapes) for name in ("x0", "x1", "x2", "w0", "w1", "w2")}
        self.several_threads = r.random() < 0.5
        self._lines: list[str] = []
        self._grow()
        self.source = self._written()

    def __repr__(self) -> str:
        return f"seed {self.seed}, {self.shapes}\n{self.source}"

    # --- what it finds outside, and its arguments ----------------------------------------------------------------

    def numbers(self, shape: tuple[int, ...], key: object, dtype: Any = None) -> Any:
        """An array of numbers of this kind of program, the same ones for the same key."""
        generator = np.random.default_rng([self.seed, hash(key) & 0xFFFF])
        if self.exact:
            values = generator.integers(-3, 4, shape).astype(np.float32)
        else:
            values = generator.normal(size=shape).astype(np.float32)
        if self.special and values.size:
            for special in (np.nan, np.inf, -np.inf, -0.0):
                values.flat[generator.integers(0, values.size)] = special
        return nd.array(values, dtype=dtype or self.dtype)

    def arguments(self, call: int, dtype: Any = None) -> list[Any]:
        names = ("x0", "x1", "x2")
        arrays = [self.numbers(self.shapes[name], i + 10 * call, dtype) for i, name in enumerate(names)]
        return [*arrays, (2, 3, -1)[call % 3]]

    def world(self, dtype: Any = None) -> dict[str, Any]:
        """The variables that the program finds outside, with its function under the name ``program``."""
        box = Box()
        weights = [self.numbers(self.shapes[f"w{i}"], 100 + i, dtype) for i in range(3)]
        box.weight, box.switches = weights[1], {"on": True}  # type: ignore[attr-defined]
        if self.gradients:
            for w in weights:
                w.attach_grad()
        found: dict[str, Any] = {
            "nd": nd, "autograd": autograd, "box": box, "W": weights[0], "RATE": 3, "numbers": [1, 2],
            "table": {"w": weights[2], "rate": -2.0}, "outer": np.array([2.0, 1.0]), "tags": {1, 2},
            "ROWS": nd.array([0, 0], dtype=np.int32), "__name__": "random_program", "weights": weights,
        }  # fmt: skip
        exec("def helper(x, factor=2):\n    return nd.maximum(x, -x * factor)", found)
        if hasattr(self, "source"):
            exec(compile(self.source, f"<seed {self.seed}>", "exec"), found)
        return found

    def change(self, world: dict[str, Any], call: int) -> None:
        """What happens to the world before a call, of which the program should notice each by itself."""
        if not call:
            return
        box = world["box"]

        def replace_weight() -> None:
            world["W"] = world["W"] * 1
            if self.gradients:
                world["W"].attach_grad()
            world["weights"][0] = world["W"]

        changes: list[Callable[[], object]] = [
            lambda: world.update(RATE=1),
            lambda: setattr(box, "rate", 1.0 + call),
            lambda: setattr(box, "shift", 2.0),
            lambda: box.switches.update(on=False),
            lambda: world["numbers"].__setitem__(1, 3),
            lambda: world["outer"].__setitem__(slice(None), [1.0, -1.0]),
            lambda: world["tags"].add(3),
            lambda: world["table"].update(rate=1.0),
            lambda: setattr(world["helper"], "__defaults__", (1,)),
            replace_weight,
        ]
        r = random.Random(f"{self.seed} {call}")
        for change in r.sample(changes, r.choice((0, 1, 1, 3))):
            change()

    # --- how it grows --------------------------------------------------------------------------------------------

    def _grow(self) -> None:
        r = self._random
        world = self.world()
        variables = {"x0", "x1", "x2", "W", "box.weight", "table['w']"}
        world |= dict(zip(("x0", "x1", "x2", "n0"), self.arguments(0), strict=True))
        arrays = sorted(variables)
        recording = autograd.record() if self.gradients else autograd.pause()
        wanted = r.randint(2, 14)
        with recording:
            for _ in range(4 * wanted):
                if len(self._lines) == wanted:
                    break
                if not self.gradients and r.random() < 0.25:
                    line, made = (
                        self._filled(r.choice(WRITES), arrays[-4:] if r.random() < 0.7 else arrays),
                        None,
                    )
                else:
                    made = f"v{len(self._lines)}"
                    kind = SHAPED if r.random() < 0.4 else EXACT if self.exact else SMOOTH
                    line = f"{made} = {self._filled(r.choice(kind), arrays)}"
                if line.startswith(("W +=", "W -=")):
                    continue  # it would make a local variable of it
                try:
                    exec(line, world)
                except Exception:
                    continue
                if made and not (isinstance(world[made], nd.NDArray) and world[made].size < 20_000):
                    continue
                self._lines.append(line)
                if made:
                    arrays += [made, made]  # the newest ones are chosen more often
        self._made = sorted({x for x in arrays if x.startswith("v")})

    def _filled(self, template: str, arrays: list[str]) -> str:
        r = self._random
        for place, choose in (
            ("a", lambda: r.choice(arrays)), ("b", lambda: r.choice(arrays)), ("c", lambda: r.choice(arrays)),
            ("d", lambda: r.choice(arrays)), ("n", lambda: r.choice(NUMBERS)),
            ("i", lambda: str(r.choice((0, 0, 1, -1)))),
            ("k", lambda: str(r.choice((0, 1, 2)))), ("t", lambda: r.choice(("True", "False"))),
            ("s", lambda: r.choice(("1:", ":2", "::2", "::-1", "0:1", "1:3", ":", "2:2", "-2:"))),
        ):  # fmt: skip
            while "{" + place + "}" in template:
                template = template.replace("{" + place + "}", choose(), 1)
        return template

    def _written(self) -> str:
        r = self._random
        results = r.sample(self._made, min(len(self._made), r.randint(1, 4))) + r.sample(["x0", "W * 1"], 1)
        lines = [*self._lines]
        if self.gradients:
            lines = ["with autograd.record():", *(f"    {line}" for line in self._lines)]
            floats = [f"nd.sum({x}.astype(W.dtype) * 0.5)" for x in self._made[-3:]]
            lines += [f"    loss = {' + '.join([*floats, 'nd.sum(W)'])}", "loss.backward()"]
            if r.random() < 0.5:
                lines.append("W[:] = W - 0.5 * W.grad")
        form = r.choice(("({},)", "[{}]", "{{'a': {}}}"))
        returned = (
            form.format(", ".join(results)) if "'" not in form else form.format(f"({', '.join(results)},)")
        )
        return "\n    ".join(["def program(x0, x1, x2, n0):", *lines, f"return {returned}\n"])
