"""The decorator `lamina.compile`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

from lamina.compiler.front.compiled import CompiledFunction
from lamina.core.precision import Precision, require_precision
from lamina.errors import TraceError

P = ParamSpec("P")
R = TypeVar("R")


@overload
def compile(
    function: Callable[P, R],
    *,
    keep_gradients: bool = False,
    precision: Precision = "float32",
    independent_rows: bool = False,
) -> CompiledFunction[P, R]: ...
@overload
def compile(
    *, keep_gradients: bool = False, precision: Precision = "float32", independent_rows: bool = False
) -> Callable[[Callable[P, R]], CompiledFunction[P, R]]: ...
def compile(
    function: Callable[..., Any] | None = None,
    *,
    keep_gradients: bool = False,
    precision: Precision = "float32",
    independent_rows: bool = False,
) -> Any:
    """Compile a function of arrays to fused machine code; also usable as a decorator.

    The function is run once with symbolic arrays. The arrays that it reads (arguments, parameters in closures and
    globals) and writes (``param[:] = …``, gradients) are found automatically. Number arguments may change from call to
    call. The function is compiled again for other shapes or dtypes, and when an array, network or constant that it
    found outside is replaced. Results are new arrays, unless they are arguments or parameters themselves: a returned
    view shares no memory.

    Python code runs only while the function is compiled: `print` prints once. A function runs eagerly instead if it
    changes variables each time it runs, such as a counter or a list of losses. The same happens if it uses an object
    that can't be watched, such as an iterator or a Python or NumPy random generator. A warning names the object (see
    ``docs/adr/guards.md``).

    Args:
        function: the function to compile. Without it, as in ``@lamina.compile(precision="tf32")``, a decorator is
            returned.
        keep_gradients: a gradient that is both computed and used inside is normally not stored; True stores it in
            ``param.grad``.
        precision: the precision to which operands of large float32 products may be rounded, for faster units:
            ``"float32"`` (no rounding), ``"tf32"`` (11 significant bits; tensor cores) or ``"bfloat16"`` (8; tensor
            cores, and a CPU's AMX). Sums and everything else stay float32. The error of an element Σ xᵢyᵢ with n terms
            is then at most 0.001 (tf32) or 0.008 (bfloat16) of Σ |xᵢyᵢ|, in addition to the error of float32 sums,
            n · 2⁻²³ of Σ |xᵢyᵢ|. Small products, other devices and functions with `independent_rows` on a CPU use
            float32; `explain` shows which products are rounded.
        independent_rows: on the CPU, give a row of a result the same bits for any number of rows computed together.
            Products of many rows then don't use a matrix unit (AMX), and take up to twice as long on processors with
            this unit. Predictions of estimators, runs and servers use this option.

    Returns:
        A `CompiledFunction`: called like `function`, with its signature and docstring, and a method `explain`.

    Raises:
        TraceError: the argument is not a function that can be compiled.
        ValueError: unknown `precision`.

    >>> import lamina
    >>> from lamina import nd
    >>> @lamina.compile
    ... def scaled(x, factor):
    ...     return nd.exp(x) * factor
    >>> scaled(nd.zeros((2,)), 3.0).asnumpy()
    array([3., 3.], dtype=float32)
    """
    require_precision(precision, "lamina.compile")
    if function is None:
        return lambda f: CompiledFunction(f, keep_gradients, precision, independent_rows)
    if isinstance(function, CompiledFunction):
        return function
    _require_plain_function(function)
    return CompiledFunction(function, keep_gradients, precision, independent_rows)


def _require_plain_function(function: Callable[..., Any]) -> None:
    if not callable(function):
        raise TraceError(f"lamina.compile: needs a function, got {type(function).__name__}")
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        raise TraceError(
            f"lamina.compile: {function.__name__} is a generator or a coroutine, which can't be compiled; "
            "compile the functions that it calls instead"
        )
