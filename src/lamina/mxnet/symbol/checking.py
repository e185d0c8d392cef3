"""Checks of a symbol's outputs and gradients against expected values, under the names of MXNet's ``mx.test_utils``.

Gradients are computed by `lamina.autograd`. `location` has the arguments' values and `aux_states` the auxiliary
states, either by name or in the order of `Symbol.list_arguments` and `Symbol.list_auxiliary_states`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.core.state import Mode
from lamina.core.tape import backward
from lamina.device.context import Context
from lamina.gluon.metric.base import as_numpy
from lamina.mxnet.symbol.computing import evaluated
from lamina.mxnet.symbol.executor import Given, by_name
from lamina.mxnet.symbol.nodes import Symbol
from lamina.nd import NDArray, array, ones_like


def _arrays(
    sym: Symbol, location: Given, states: Given | None, ctx: Context | None, dtype: Any
) -> dict[str, NDArray]:
    """New arrays for all variables, by name, with the values of `location` and `states`."""
    values = by_name("location", location, sym.list_arguments())
    missing = [name for name in sym.list_arguments() if name not in values]
    if missing:
        raise ValueError(f"location: no value for {', '.join(missing)}")
    values.update(by_name("aux_states", states, sym.list_auxiliary_states()))
    return {name: _as_array(value, ctx, dtype).copy() for name, value in values.items()}


def _assert_close(
    what: str, found: Any, expected: Any, rtol: float, atol: float | None, equal_nan: bool = False
) -> None:
    atol = 1e-20 if atol is None else atol
    np.testing.assert_allclose(as_numpy(found), as_numpy(expected), rtol, atol, equal_nan, err_msg=what)


def check_symbolic_forward(
    sym: Symbol,
    location: Given,
    expected: Given,
    rtol: float = 1e-4,
    atol: float | None = None,
    aux_states: Given | None = None,
    ctx: Context | None = None,
    equal_nan: bool = False,
    dtype: Any = np.float32,
) -> list[NDArray]:
    """Compare a symbol's outputs with `expected`, and return the outputs.

    Raises `AssertionError` if they differ.

    >>> import lamina as mx
    >>> x = mx.sym.var("x")
    >>> _ = check_symbolic_forward(x * x, [[1.0, 2.0]], [[1.0, 4.0]])
    """
    outputs = evaluated(sym.heads, _arrays(sym, location, aux_states, ctx, dtype))
    wanted = by_name("expected", expected, sym.list_outputs())
    for name, output in zip(sym.list_outputs(), outputs, strict=True):
        if name in wanted:
            _assert_close(f"forward {name}", output, wanted[name], rtol, atol, equal_nan)
    return outputs


def _gradients(
    sym: Symbol, arrays: Mapping[str, NDArray], requests: Mapping[str, str], heads: Sequence[NDArray] | None
) -> dict[str, NDArray]:
    """The gradients of the arguments in `requests`, which maps names to `grad_req`, in training mode."""
    for name, request in requests.items():
        arrays[name].attach_grad(request)
    with Mode(True, True):
        outputs = evaluated(sym.heads, arrays)
    with Mode(False, True):
        given = [ones_like(y) for y in outputs] if heads is None else list(heads)
        backward(outputs, given, retain_graph=False)
    return {name: arrays[name].grad for name, request in requests.items() if request != "null"}  # pyright: ignore


def check_symbolic_backward(
    sym: Symbol,
    location: Given,
    out_grads: Given | None,
    expected: Given,
    rtol: float = 1e-5,
    atol: float | None = None,
    aux_states: Given | None = None,
    grad_req: str | Given = "write",
    ctx: Context | None = None,
    grad_stypes: Any = None,
    equal_nan: bool = False,
    dtype: Any = np.float32,
) -> dict[str, NDArray]:
    """Compare the gradients of a symbol's outputs, times `out_grads`, with `expected`, and return the gradients.

    >>> import lamina as mx
    >>> x = mx.sym.var("x")
    >>> _ = check_symbolic_backward(x * x, [[1.0, 2.0]], [[1.0, 1.0]], [[2.0, 4.0]])
    """
    arrays = _arrays(sym, location, aux_states, ctx, dtype)
    names = sym.list_arguments()
    is_one = isinstance(grad_req, str)
    requests = dict.fromkeys(names, grad_req) if is_one else by_name("grad_req", grad_req, names)
    given = None if out_grads is None else by_name("out_grads", out_grads, sym.list_outputs())
    heads = None if given is None else [_as_array(given[name], ctx, dtype) for name in sym.list_outputs()]
    found = _gradients(sym, arrays, requests, heads)
    for name, wanted in by_name("expected", expected, names).items():
        if name in found:
            _assert_close(f"backward {name}", found[name], wanted, rtol, atol, equal_nan)
    return found


def _as_array(value: Any, ctx: Context | None, dtype: Any) -> NDArray:
    return value if isinstance(value, NDArray) else array(value, ctx=ctx, dtype=dtype)


def check_numeric_gradient(
    sym: Symbol,
    location: Given,
    aux_states: Given | None = None,
    numeric_eps: float = 1e-3,
    rtol: float = 1e-2,
    atol: float | None = None,
    grad_nodes: Sequence[str] | Mapping[str, str] | None = None,
    use_forward_train: bool = True,
    ctx: Context | None = None,
    grad_stype_dict: Any = None,
    dtype: Any = np.float32,
) -> None:
    """Compare the gradients of the arguments `grad_nodes` (None for all) with central differences.

    The compared function is a sum of the outputs with random weights, which prevents errors from canceling. Differences
    are always computed in float64, since float32 differences would be mostly rounding errors.

    >>> import lamina as mx
    >>> check_numeric_gradient(mx.sym.tanh(mx.sym.var("x")), [[0.5, -1.0]])
    """
    arrays = _arrays(sym, location, aux_states, ctx, dtype)
    names = list(sym.list_arguments() if grad_nodes is None else grad_nodes)
    requests = {name: grad_nodes[name] if isinstance(grad_nodes, Mapping) else "write" for name in names}
    exact = {name: x.astype(np.float64) for name, x in arrays.items()}
    random = np.random.default_rng(0)
    weights = [random.uniform(0.5, 1.5, y.shape) for y in evaluated(sym.heads, arrays)]
    found = _gradients(sym, arrays, requests, [_as_array(w, ctx, dtype) for w in weights])

    def total() -> float:
        with Mode(use_forward_train, use_forward_train):
            outputs = evaluated(sym.heads, {name: x.copy() for name, x in exact.items()})
        return sum(float((as_numpy(y) * w).sum()) for y, w in zip(outputs, weights, strict=True))

    for name, gradient in found.items():
        _assert_close(
            f"numeric gradient {name}", gradient, _differences(exact, name, total, numeric_eps), rtol, atol
        )


def _differences(arrays: dict[str, NDArray], name: str, total: Callable[[], float], eps: float) -> np.ndarray:
    """The derivatives of `total()` by the elements of the array `name`, from central differences over ±eps/2."""
    before = arrays[name]
    numbers = before.asnumpy()
    slopes = np.zeros(numbers.shape)
    for place in np.ndindex(*numbers.shape):
        sides: list[float] = []
        for half in (eps / 2, -eps / 2):
            moved = numbers.copy()
            moved[place] += half
            arrays[name] = array(moved, ctx=before.context, dtype=np.float64)
            sides.append(total())
        slopes[place] = (sides[0] - sides[1]) / eps
    arrays[name] = before
    return slopes


def simple_forward(
    sym: Symbol, ctx: Context | None = None, is_train: bool = False, **inputs: Any
) -> np.ndarray | list[np.ndarray]:
    """A symbol's output as a NumPy array, or a list of several outputs."""
    arrays = {name: _as_array(value, ctx, None) for name, value in inputs.items()}
    with Mode(is_train, is_train):
        found = [as_numpy(y) for y in evaluated(sym.heads, arrays)]
    return found[0] if len(found) == 1 else found
