"""Initializers, which set the first values of parameters; random values depend on `lamina.random.seed`.

An initializer is called with the parameter's name and the array to fill. The name's end decides the values: ``weight``
gets the initializer's values, ``bias``, ``beta`` and ``running_mean`` get 0, ``gamma`` and ``running_var`` get 1. A
parameter with a separate initializer always gets that initializer's values.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.compiler.deferral import eager
from lamina.errors import ParameterError, ShapeError
from lamina.nd import NDArray, array
from lamina.nd.random import normal, uniform
from lamina.support.files.named import read_arrays
from lamina.support.messages import in_a_line
from lamina.support.registry import Registry
from lamina.support.unsupported import names_of_others

__all__ = [
    "Constant", "InitDesc", "Initializer", "Load", "MSRAPrelu", "Mixed", "Normal", "One",
    "Orthogonal", "Uniform", "Xavier", "Zero", "alias", "create", "register",
]  # fmt: skip

Fill = Callable[[str, NDArray], object]
"""A callable that fills the array of the parameter with the given name, such as an `Initializer`."""


class InitDesc(str):
    """The name of a parameter, with a dictionary of attributes.

    The attribute ``"__init__"`` is an initializer for this parameter alone, or its name.
    """

    attrs: dict[str, Any]
    global_init: Initializer | None

    def __new__(
        cls, name: str, attrs: Mapping[str, Any] | None = None, global_init: Initializer | None = None
    ) -> InitDesc:
        desc = super().__new__(cls, name)
        desc.attrs, desc.global_init = dict(attrs or {}), global_init
        return desc


class Initializer:
    """A base class of initializers; subclasses override `_init_weight`, and ``_init_…`` for other parameters.

    >>> from lamina import nd
    >>> class Ramp(Initializer):
    ...     def _init_weight(self, desc, arr):
    ...         arr[:] = nd.arange(arr.size).reshape(arr.shape)
    >>> weight = nd.zeros((2, 2))
    >>> Ramp()("dense0_weight", weight)
    >>> weight.asnumpy().tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._kwargs.items())})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._kwargs == getattr(other, "_kwargs", None)

    __hash__ = object.__hash__

    def dumps(self) -> str:
        """The initializer's name and settings as JSON text, as in MXNet's symbol files.

        >>> Uniform(0.5).dumps()
        '["uniform", {"scale": 0.5}]'
        """
        return json.dumps(
            [type(self).__name__.lower(), self._kwargs], default=lambda x: np.asarray(x).tolist()
        )

    @eager()  # random numbers depend on the seed alone, not on earlier computations
    def __call__(self, desc: str, arr: NDArray) -> None:
        """Fill `arr`, the array of the parameter called `desc`."""
        if isinstance(desc, InitDesc) and desc.attrs.get("__init__"):
            create(desc.attrs["__init__"])._init_weight(desc, arr)
            return
        for ending, method in _BY_ENDING.items():
            if desc.endswith(ending):
                getattr(self, method)(desc, arr)
                return
        self._init_default(desc, arr)

    def _init_weight(self, desc: str, arr: NDArray) -> None:
        raise TypeError(f"{type(self).__name__} must override _init_weight")

    def _init_zero(self, desc: str, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_one(self, desc: str, arr: NDArray) -> None:
        arr[:] = 1.0

    _init_bias = _init_beta = _init_zero
    _init_gamma = _init_one

    def _init_default(self, desc: str, arr: NDArray) -> None:
        raise ParameterError(
            f"the initial values of '{desc}' don't follow from its name, which ends in none of "
            f"{', '.join(_BY_ENDING)}; give the parameter an initializer of its own (init=…)"
        )


_BY_ENDING = {
    "weight": "_init_weight",
    "bias": "_init_bias",
    "gamma": "_init_gamma",
    "beta": "_init_beta",
    "running_mean": "_init_zero",
    "running_var": "_init_one",
    "moving_mean": "_init_zero",
    "moving_var": "_init_one",
}

_initializers = Registry[Initializer]("initializer", Initializer)


def register(klass: type[Initializer]) -> type[Initializer]:
    """A decorator that registers an initializer under its class's name."""
    return _initializers.register()(klass)


def alias(*aliases: str) -> Callable[[type[Initializer]], type[Initializer]]:
    """A decorator that registers an initializer under further names."""
    return _initializers.register(*aliases)


def create(init: str | Initializer, *args: Any, **kwargs: Any) -> Initializer:
    """Create the initializer called `init` (case-insensitive), or return an initializer unchanged.

    >>> create("xavier", magnitude=2)
    Xavier(rnd_type='uniform', factor_type='avg', magnitude=2)
    >>> create("xaver")
    Traceback (most recent call last):
    ValueError: unknown initializer 'xaver'. Did you mean 'xavier'? Known: ...
    """
    return _initializers.create(init, *args, **kwargs)


def _made(init: Any) -> Fill:
    """The initializer called `init`; an initializer or a function of a name and an array is returned unchanged."""
    is_function = callable(init) and not isinstance(init, type)
    return init if is_function else _initializers.create(init)


# --- constant values -----------------------------------------------------------------------------------------------


@_initializers.register("zero", "zeros")
class Zero(Initializer):
    """Fill parameters with 0."""

    _init_weight = Initializer._init_zero


@_initializers.register("one", "ones")
class One(Initializer):
    """Fill parameters with 1."""

    _init_weight = Initializer._init_one


@_initializers.register("constant")
class Constant(Initializer):
    """Fill parameters with a number, or with an array of the parameter's shape."""

    def __init__(self, value: Any) -> None:
        super().__init__(value=value)
        self.value = value

    def _init_weight(self, desc: str, arr: NDArray) -> None:
        arr[:] = self.value


# --- random values -------------------------------------------------------------------------------------------------


def _draw(distribution: Any, first: float, second: float, shape: tuple[int, ...], dtype: Any) -> NDArray:
    """Random numbers from ``distribution(first, second)``, drawn as float64 for float64, else as float32."""
    return distribution(first, second, shape=shape, dtype=np.float64 if dtype == np.float64 else np.float32)


@_initializers.register("uniform")
class Uniform(Initializer):
    """Fill with random numbers uniform on [-scale, scale)."""

    def __init__(self, scale: float = 0.07) -> None:
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, desc: str, arr: NDArray) -> None:
        arr[:] = _draw(uniform, -self.scale, self.scale, arr.shape, arr.dtype)


@_initializers.register("normal")
class Normal(Initializer):
    """Fill with normal random numbers of mean 0 and standard deviation `sigma`."""

    def __init__(self, sigma: float = 0.01) -> None:
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, desc: str, arr: NDArray) -> None:
        arr[:] = _draw(normal, 0.0, self.sigma, arr.shape, arr.dtype)


@_initializers.register("orthogonal")
class Orthogonal(Initializer):
    """Fill with a random matrix with orthonormal rows or columns, times `scale` (Saxe et al., 2014).

    The rows are orthonormal if there are at most as many rows as columns, else the columns.

    Args:
        scale: the length of rows or columns; MXNet's default, √2 rounded, suits ReLU.
        rand_type: the distribution before orthogonalization: ``"uniform"`` or ``"normal"``.
    """

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform") -> None:
        super().__init__(scale=scale, rand_type=rand_type)
        if rand_type not in ("uniform", "normal"):
            raise ValueError(f"rand_type must be 'uniform' or 'normal', not {rand_type!r}")
        self.scale, self.rand_type = scale, rand_type

    def _init_weight(self, desc: str, arr: NDArray) -> None:
        _require_matrix("Orthogonal", desc, arr)
        rows, columns = arr.shape[0], math.prod(arr.shape[1:])
        distribution, first, second = (uniform, -1, 1) if self.rand_type == "uniform" else (normal, 0, 1)
        numbers = _draw(distribution, first, second, (rows, columns), arr.dtype).asnumpy()
        u, _, v = np.linalg.svd(numbers, full_matrices=False)
        arr[:] = (self.scale * (u if u.shape == numbers.shape else v)).reshape(arr.shape)


@_initializers.register("xavier")
class Xavier(Initializer):
    """Random values whose scale preserves the variance of signals through the layers (Glorot and Bengio, 2010).

    With scale = √(magnitude / factor) the values are uniform on [-scale, scale), or normal with standard deviation
    `scale`. For a weight of shape (outputs, inputs) the factor is the number of inputs, the number of outputs, or the
    mean of both, times the sizes of further axes.

    Args:
        rnd_type: the distribution: ``"uniform"`` or ``"gaussian"``.
        factor_type: the factor: ``"in"``, ``"out"`` or ``"avg"``.
        magnitude: see above; 3 gives uniform values the variance 1/factor.

    >>> import lamina as mx
    >>> from lamina.gluon import nn
    >>> net = nn.Dense(100, in_units=200)
    >>> net.initialize(mx.init.Xavier())
    >>> round(float(abs(net.weight.data().asnumpy()).max()), 2)  # √(3 / 150)
    0.14
    """

    def __init__(self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3) -> None:
        super().__init__(rnd_type=rnd_type, factor_type=factor_type, magnitude=magnitude)
        if rnd_type not in ("uniform", "gaussian"):
            raise ValueError(f"rnd_type must be 'uniform' or 'gaussian', not {rnd_type!r}")
        if factor_type not in ("in", "out", "avg"):
            raise ValueError(f"factor_type must be 'in', 'out' or 'avg', not {factor_type!r}")
        self.rnd_type, self.factor_type, self.magnitude = rnd_type, factor_type, float(magnitude)

    def _init_weight(self, desc: str, arr: NDArray) -> None:
        _require_matrix(type(self).__name__, desc, arr)
        window = math.prod(arr.shape[2:])
        outputs, inputs = arr.shape[0] * window, arr.shape[1] * window
        factor = {"in": inputs, "out": outputs, "avg": (inputs + outputs) / 2}[self.factor_type]
        scale = math.sqrt(self.magnitude / factor) if factor else 0.0
        distribution, first = (uniform, -scale) if self.rnd_type == "uniform" else (normal, 0.0)
        arr[:] = _draw(distribution, first, scale, arr.shape, arr.dtype)


def _require_matrix(initializer: str, desc: str, arr: NDArray) -> None:
    if arr.ndim < 2:
        raise ShapeError(
            f"{initializer} needs a weight with at least 2 axes, but '{desc}' has shape {arr.shape}; "
            "give it another initializer (init=…)"
        )


@_initializers.register("msraprelu")
class MSRAPrelu(Xavier):
    """`Xavier` with Gaussian values and magnitude 2 / (1 + slope²), for leaky ReLU (He, Zhang, Ren and Sun, 2015)."""

    def __init__(self, factor_type: str = "avg", slope: float = 0.25) -> None:
        super().__init__("gaussian", factor_type, 2.0 / (1.0 + slope**2))
        self._kwargs = {"factor_type": factor_type, "slope": slope}


# --- values by name, and from files --------------------------------------------------------------------------------


@_initializers.register("mixed")
class Mixed(Initializer):
    """For each parameter, the first initializer whose regular expression matches the start of the name.

    >>> Mixed(["bias", ".*"], [Zero(), Uniform(0.1)])
    Mixed(patterns=['bias', '.*'], initializers=[Zero(), Uniform(scale=0.1)])
    """

    def __init__(self, patterns: Sequence[str], initializers: Sequence[str | Initializer | Fill]) -> None:
        if len(patterns) != len(initializers):
            raise ValueError(f"Mixed: {len(patterns)} patterns but {len(initializers)} initializers")
        made = [_made(init) for init in initializers]
        super().__init__(patterns=list(patterns), initializers=made)
        self.map = [(re.compile(pattern), init) for pattern, init in zip(patterns, made, strict=True)]

    def dumps(self) -> str:
        unnamed = next((init for _, init in self.map if not isinstance(init, Initializer)), None)
        if unnamed is not None:
            raise ParameterError(f"Mixed: {in_a_line(unnamed)} has no settings that could be written as JSON")
        made = [init.dumps() for _, init in self.map if isinstance(init, Initializer)]
        return json.dumps(["mixed", {"patterns": self._kwargs["patterns"], "initializers": made}])

    def __call__(self, desc: str, arr: NDArray) -> None:
        self._chosen(desc)(desc, arr)

    def _init_weight(self, desc: str, arr: NDArray) -> None:
        chosen = self._chosen(desc)
        fill = chosen._init_weight if isinstance(chosen, Initializer) else chosen
        fill(desc, arr)

    def _chosen(self, desc: str) -> Fill:
        for pattern, init in self.map:
            if pattern.match(desc):
                return init
        shown = ", ".join(repr(pattern.pattern) for pattern, _ in self.map)
        raise ParameterError(f"Mixed: '{desc}' matches none of {shown}; add '.*' with a default at the end")


class Load(Initializer):
    """Fill each parameter with the array of the same name in a dict or file, or by `default_init` if there is none.

    Args:
        param: a dict of arrays, or the path of a ``.params`` or safetensors file. The prefixes ``arg:`` and ``aux:`` of
            names are removed.
        default_init: an initializer or its name; without it, a missing name is an error.
        verbose: accepted and ignored.
    """

    def __init__(
        self,
        param: Mapping[str, Any] | str | os.PathLike[str],
        default_init: str | Initializer | Fill | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(param, Mapping):
            param = {name: array(values, dtype=values.dtype) for name, values in read_arrays(param).items()}
        self.param = {name.removeprefix("arg:").removeprefix("aux:"): arr for name, arr in param.items()}
        self.default_init = None if default_init is None else _made(default_init)

    def __call__(self, desc: str, arr: NDArray) -> None:
        found = self.param.get(str(desc))
        if found is None:
            if self.default_init is None:
                raise ParameterError(
                    f"Load: there is no array '{desc}' and no default_init; there are only {', '.join(self.param)}"
                )
            self.default_init(desc, arr)
            return
        if tuple(found.shape) != arr.shape:
            raise ShapeError(
                f"Load: '{desc}' has shape {arr.shape}, but the loaded array {tuple(found.shape)}"
            )
        arr[:] = found

    _init_weight = __call__


__getattr__ = names_of_others("lamina.initializer")
