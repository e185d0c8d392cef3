"""Control flow as functions: MXNet's ``nd.contrib.foreach``, ``while_loop`` and ``cond``.

These functions run in Python, operator by operator. Inside `lamina.compile` only `foreach` is possible, since
`while_loop` and `cond` read values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.errors import ParameterError, ShapeError
from lamina.nd.creation import zeros
from lamina.nd.join import concat, stack
from lamina.nd.operators import NDArray

__all__ = ["cond", "foreach", "while_loop"]

Arrays = Any
"""An array, or a list of them (nested to any depth)."""


def _flat(arrays: Arrays) -> list[NDArray]:
    if isinstance(arrays, list | tuple):
        return [x for part in arrays for x in _flat(part)]
    return [arrays]


def _like(arrays: Arrays, flat: list[Any]) -> Arrays:
    """Remove as many items from the front of `flat` as `arrays` has, and return them, nested like `arrays`."""
    if isinstance(arrays, list | tuple):
        return [_like(part, flat) for part in arrays]
    return flat.pop(0)


def _stacked(outputs: list[Arrays]) -> Arrays:
    """The outputs of all steps, stacked along a new axis 0."""
    columns = zip(*[_flat(output) for output in outputs], strict=True)
    return _like(outputs[0], [stack(*column, axis=0) for column in columns])


def foreach(
    body: Callable[[Arrays, Arrays], tuple[Arrays, Arrays]],
    data: Arrays,
    init_states: Arrays,
    name: str | None = None,
) -> tuple[Arrays, Arrays]:
    """Apply ``outputs, states = body(data[i], states)`` along axis 0; return the stacked outputs and the final states.

    Raises `ShapeError` if the arrays in `data` differ in size along axis 0, or if this size is 0.

    >>> from lamina import nd
    >>> sums, last = nd.contrib.foreach(lambda x, s: (x + s, x + s), nd.array([1, 2, 3]), nd.array([0]))
    >>> sums.reshape(-1).asnumpy(), last.asnumpy()
    (array([1., 3., 6.], dtype=float32), array([6.], dtype=float32))
    """
    columns = _flat(data)
    steps = {x.shape[0] for x in columns}
    if len(steps) != 1:
        raise ShapeError(
            "foreach: the arrays in data must have one size along axis 0, got shapes "
            f"{', '.join(str(x.shape) for x in columns)}"
        )
    outputs, states = list[Arrays](), init_states
    for i in range(steps.pop()):
        output, states = body(_like(data, [x[i] for x in columns]), states)
        outputs.append(output)
    if not outputs:
        raise ShapeError("foreach: data has no elements along axis 0")
    return _stacked(outputs), states


def while_loop(
    cond: Callable[..., NDArray],
    func: Callable[..., tuple[Arrays, Arrays]],
    loop_vars: Arrays,
    max_iterations: int | None = None,
    name: str | None = None,
) -> tuple[Arrays, Arrays]:
    """Run ``outputs, loop_vars = func(*loop_vars)`` while ``cond(*loop_vars)`` is nonzero.

    The loop ends after at most `max_iterations` steps. Returns the outputs, stacked along axis 0 and padded with
    zeros to `max_iterations`, and the final loop variables.

    Raises `ParameterError` if `max_iterations` is missing, and `ShapeError` if `func` changes the number of loop
    variables.

    >>> from lamina import nd
    >>> squares, last = nd.contrib.while_loop(
    ...     lambda i: i < 3, lambda i: (i * i, i + 1), nd.array([0]), max_iterations=4)
    >>> squares.reshape(-1).asnumpy()
    array([0., 1., 4., 0.], dtype=float32)
    """
    if max_iterations is None:
        raise ParameterError("while_loop: max_iterations, the size of the outputs, must be given")
    single = not isinstance(loop_vars, list | tuple)
    variables = [loop_vars] if single else list(loop_vars)
    outputs = list[Arrays]()
    while len(outputs) < max_iterations and bool(cond(*variables)):
        output, new = func(*variables)
        outputs.append(output)
        new = list(new) if isinstance(new, list | tuple) else [new]
        if len(new) != len(variables):
            raise ShapeError(f"while_loop: func returned {len(new)} loop variables, needs {len(variables)}")
        variables = new
    if not outputs:
        return [], variables[0] if single else variables
    stacked = _stacked(outputs)
    missing = int(max_iterations) - len(outputs)
    padded = [_padded(x, missing) for x in _flat(stacked)]
    return _like(stacked, padded), variables[0] if single else variables


def _padded(x: NDArray, rows: int) -> NDArray:
    if not rows:
        return x
    return concat(x, zeros((rows, *x.shape[1:]), ctx=x.context, dtype=x.dtype), dim=0)


def cond(
    pred: NDArray,
    then_func: Callable[[], Arrays],
    else_func: Callable[[], Arrays],
    name: str | None = None,
) -> Arrays:
    """``then_func()`` if the single element of `pred` is nonzero, else ``else_func()``."""
    return then_func() if bool(pred) else else_func()
