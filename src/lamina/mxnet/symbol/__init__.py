"""Symbols under MXNet's names: networks as graphs, stored in files (``-symbol.json``).

`gluon.HybridBlock.export` writes such files, and `gluon.SymbolBlock` runs a symbol. Functions of `lamina.nd` that a
symbol file can represent exist here under the same names; they apply to a `Symbol` and return a `Symbol`.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from lamina.mxnet.symbol import random
from lamina.mxnet.symbol._file import read_symbol, symbol_of
from lamina.mxnet.symbol._names import prefixed, uncounted
from lamina.mxnet.symbol._operator import OPERATORS
from lamina.mxnet.symbol.nodes import NAMED, Group, Symbol, SymbolError, function, var

__all__ = [
    "Group", "Symbol", "SymbolError", "Variable", "load", "load_json", "prefixed", "random", "uncounted", "var",
]  # fmt: skip

Variable = var
Symbol.F = sys.modules[__name__]


def load(fname: str | os.PathLike[str]) -> Symbol:
    """Read an MXNet symbol file of any version; reading an untrusted file is safe.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is damaged, or contains an operator that dense networks don't have.
    """
    return read_symbol(fname)


def load_json(json_str: str) -> Symbol:
    """Parse the text of a symbol file, with the same checks as `load`.

    >>> load_json(var("data").tojson())
    <Symbol data>
    """
    return symbol_of(json_str, "the text")


class _Namespace:
    """Functions whose names have a common prefix, such as ``F.linalg.gemm2`` for ``F.linalg_gemm2``."""

    def __init__(self, prefix: str, hint: str) -> None:
        self._prefix, self._hint = prefix, hint

    def __getattr__(self, name: str) -> Any:
        return function(self._prefix + name, self._hint + name)


linalg, contrib = _Namespace("_linalg_", ""), _Namespace("_contrib_", "")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return function(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *OPERATORS, *NAMED})
