"""`lamina.compile`: the decorator."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

from lamina.compiler.front.compiled import CompiledFunction
from lamina.core.precision import Precision, require_precision
from lamina.errors import TraceError

__all__ = ["compile"]

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
    *,
    keep_gradients: bool = False,
    precision: Precision = "float32",
    independent_rows: bool = False,
) -> Callable[[Callable[P, R]], CompiledFunction[P, R]]: ...
def compile(
    function: Callable[..., Any] | None = None,
    *,
    keep_gradients: bool = False,
    precision: Precision = "float32",
    independent_rows: bool = False,
) -> Any:
    """Compile a function of arrays to fused machine code: a decorator.

    The function is run once with symbolic arrays. What it reads (arguments, parameters in closures and globals) and
    what it writes (``param[:] = …``, gradients) is found by itself. Numbers among the arguments may change from
    call to call. It is compiled again for other shapes or dtypes, and when an array, network or constant that it found
    outside is replaced. Results are new arrays, unless they are arguments or parameters themselves: a view that is
    returned shares no memory.

    Python runs only while the function is compiled: `print` prints once. A function that changes variables each time it
    runs, such as a counter or a list of losses, or that finds what can't be watched, such as an iterator or a random
    number of Python's or NumPy's, runs eagerly, with a warning that names it (see ``docs/adr/guards.md``).

    Args:
        function: what is compiled. Without it, as in ``@lamina.compile(precision="tf32")``, a decorator is returned.
        keep_gradients: a gradient that is both computed and used inside is normally not stored; True stores it in
            ``param.grad``.
        precision: what operands of large float32 products may be rounded to, where a device has tensor cores that are
            faster for it: ``"float32"`` (not at all), ``"tf32"`` (11 significant bits) or ``"bfloat16"`` (8). Sums and
            all else stay float32. An element of a product of n terms, Σ xᵢyᵢ, is then off by at most 0.001 or 0.008 of
            Σ |xᵢyᵢ|, beside what float32 sums are off by (n · 2⁻²³ of it). Small products, other devices and the CPU
            stay with float32; `explain` says which products are rounded.
        independent_rows: on the CPU a row of a result has the same bits, however many rows are computed together.
            Products of many rows then stay off the matrix unit of processors that have one (AMX), which takes up to
            twice as long there. Predictions of estimators, runs and servers are computed so.

    Returns:
        A `CompiledFunction`: it is called as `function` is, has its signature and docstring, and an `explain`.

    Raises:
        TraceError: what is given is no function that can be compiled.
        ValueError: `precision` is none of these.

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
    if not callable(function):
        raise TraceError(f"lamina.compile: needs a function, got {type(function).__name__}")
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        raise TraceError(
            f"lamina.compile: {function.__name__} is a generator or a coroutine, which has not run when it returns; "
            "compile the function that does the work in it"
        )
    return CompiledFunction(function, keep_gradients, precision, independent_rows)
