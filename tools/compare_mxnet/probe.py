"""Runs under MXNet and under lamina alike: what a library has, and what it answers. Prints a line of JSON an item.

python probe.py mxnet PART SKIPPED    # the items of parts/PART.py, but for the first SKIPPED ones
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

Item = tuple[str, str, Any]
"""The kind (name, arguments, result), what was asked, and the answer."""


def main(library: str, part_name: str, skipped: int) -> None:
    mx = importlib.import_module(library)
    part = importlib.import_module(f"parts.{part_name}")
    if library == "lamina":
        mx.mxnet.install()
    for number, (kind, key, answer) in enumerate(_items(mx, part)):
        if number >= skipped:
            print(json.dumps([kind, key], ensure_ascii=True), flush=True)
            print(json.dumps(answer()), flush=True)


def _items(mx: Any, part: Any) -> Iterator[Item]:
    """All that is asked of a library, in the same order and number in both."""
    for path in part.NAMESPACES:
        yield "names", path, lambda path=path: _names(_at(mx, path))
    for path in part.NAMESPACES:
        yield "arguments", path, lambda path=path: _arguments_of_all(_at(mx, path))
    for call in part.CALLS.strip().splitlines():
        if call and not call.startswith("#"):
            yield "results", call, lambda call=call: _result(mx, lambda: _run(call, mx, part))
    for program in part.PROGRAMS:
        yield "results", program.__name__, lambda program=program: _result(mx, lambda: program(mx))


# --- names and arguments -----------------------------------------------------------------------------------------


def _at(mx: Any, path: str) -> Any:
    """The object at a path such as ``mx.nd.linalg``; None if there is none."""
    found = mx
    for name in path.split(".")[1:]:
        found = getattr(found, name, None)
    return found


def _names(namespace: Any) -> list[str]:
    """Public names, without modules of Python that a module imported."""
    return sorted(n for n in dir(namespace) if not n.startswith("_") and not _is_foreign(namespace, n))


def _is_foreign(namespace: Any, name: str) -> bool:
    """Whether it is a module, class or function of neither library."""
    value = getattr(namespace, name, None)
    owner = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
    if not isinstance(owner, str) or not (inspect.ismodule(value) or callable(value)):
        return False
    package = owner.partition(".")[0]
    return package in sys.stdlib_module_names or package in ("requests", "scipy")


def _arguments_of_all(namespace: Any) -> dict[str, list[list[str]]]:
    found = {}
    for name in _names(namespace) if namespace is not None else []:
        value = getattr(namespace, name, None)
        if callable(value):
            arguments = _arguments(value, is_method=inspect.isclass(namespace))
            if arguments is not None:
                found[name] = arguments
    return found


_DEFAULT = re.compile(r"^(\w+) ?: .*?default=(.+?)\s*$", re.M)


def _arguments(function: Any, is_method: bool = False) -> list[list[str]] | None:
    """Names and defaults. MXNet's generated functions tell their defaults only in their documentation."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if is_method:
        del parameters[:1]
    told = dict(_DEFAULT.findall(function.__doc__ or ""))
    return [
        [p.name, _plain(told.get(p.name, p.default))]
        for p in parameters
        if p.name not in ("self", "out", "name") and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]


def _plain(default: Any) -> str:
    """A default in one spelling: ``'float32'``, ``float32`` and ``numpy.float32`` are the same, as are 0 and False."""
    if default is inspect.Parameter.empty:
        return ""
    text = default.__name__ if isinstance(default, type) else str(default)
    text = text.strip("'\"").lower().replace("_null", "").replace("<null>", "none")
    text = {"true": "1", "false": "0", "()": "[]"}.get(text, text)
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


# --- results -----------------------------------------------------------------------------------------------------


def _run(call: str, mx: Any, part: Any) -> Any:
    """The value of the last expression of a line of statements, in the names that the part prepares anew."""
    names = {"mx": mx, "nd": mx.nd, "autograd": mx.autograd, "np": np, **_helpers(mx), **part.prepare(mx)}
    *statements, last = ast.parse(call).body
    exec(compile(ast.Module(statements, []), "<call>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<call>", "eval"), names)  # pyright: ignore


def _helpers(mx: Any) -> dict[str, Any]:
    """What lines may use beside the library: ``grads``, ``derivatives`` and ``kind``."""

    def grads(function: Any, *arrays: Any) -> Any:
        """The outputs of a function, and the gradients of its inputs with head gradients 1, 2, 3, …"""
        for x in arrays:
            x.attach_grad()
        with mx.autograd.record():
            result = function(*arrays)
        outputs = list(result) if isinstance(result, (list, tuple)) else [result]
        heads = [mx.nd.array(np.arange(1, y.size + 1).reshape(y.shape), dtype=y.dtype) for y in outputs]
        mx.autograd.backward(outputs, heads)
        return [*outputs, *[x.grad for x in arrays]]

    def derivatives(function: Any, x: Any, order: int = 2) -> Any:
        """The first derivatives of a function of each number, up to an order."""
        x.attach_grad()
        found = []
        with mx.autograd.record():
            y = function(x)
            for _ in range(order):
                (y,) = mx.autograd.grad(y, [x], create_graph=True, retain_graph=True)
                found.append(y)
        return found

    def kind(x: Any) -> Any:
        """Shape and dtype, for what is random."""
        return [kind(y) for y in x] if isinstance(x, (list, tuple)) else [x.shape, np.dtype(x.dtype).name]

    def star(module: str) -> list[str]:
        """Which of the common names ``from mxnet.MODULE import *`` brings."""
        names: dict[str, Any] = {}
        exec(f"from mxnet.{module} import *", names)
        return sorted(names.keys() & _COMMON)

    return {"grads": grads, "derivatives": derivatives, "kind": kind, "star": star}


_COMMON = {
    "Block", "Context", "Dense", "Function", "HybridBlock", "NDArray", "Parameter", "Trainer", "array",
    "assert_almost_equal", "backward", "default_context", "get_symbol", "grad", "is_recording", "is_training",
    "mark_variables", "np", "pause", "predict_mode", "rand_ndarray", "record", "same", "seed", "set_recording",
    "set_training", "train_mode", "uniform",
}  # fmt: skip


def _result(mx: Any, run: Any) -> Any:
    try:
        return _encoded(run())
    except Exception as error:
        with suppress(Exception):
            mx.nd.waitall()  # what failed must not fail again in the next call
        return {"error": type(error).__name__, "text": str(error)[:300]}


def _encoded(value: Any) -> Any:
    """A result as JSON: arrays with dtype, shape and values."""
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    if isinstance(value, np.generic):
        return {"scalar": value.dtype.name, "value": value.item()}
    if hasattr(value, "asnumpy"):
        numbers = value.asnumpy()
        return {"array": numbers.dtype.name, "shape": list(numbers.shape), "values": numbers.ravel().tolist()}
    if isinstance(value, np.ndarray):
        return {"numpy": value.dtype.name, "shape": list(value.shape), "values": value.ravel().tolist()}
    if isinstance(value, (list, tuple)):
        return [_encoded(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _encoded(v) for k, v in value.items()}
    return {"type": getattr(value, "__name__", type(value).__name__)}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
