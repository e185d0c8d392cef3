"""Kernels shared by the programs of a process: a program can call code that another program compiled.

The programs of a search, of cross-validation or of fits on similar tables have many equal kernels. A kernel accesses
only its frame, so equal text is equal code in any program. On disk, a program's file contains only kernels that no
other program had, and the keys of the programs that have the others.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.compiler.llvm.jit import CompiledModule

Home = tuple[str, str]
"""The location of a kernel's code: the key of a program's code on disk, and the name of a function in this code."""

_MOST_PROGRAMS = 64


class SharedKernels:
    """The code of the latest programs that compiled new kernels."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._programs: OrderedDict[str, tuple[CompiledModule, frozenset[str]]] = OrderedDict()
        self._homes: dict[str, Home] = {}

    def find(self, digest: str) -> tuple[Home, CompiledModule] | None:
        """The program and name of a kernel's code, and the module that contains it; None if it is not in memory.

        The code stays in memory while the module is referenced.
        """
        with self._lock:
            home = self._homes.get(digest)
            module = home and self.at(home)
            return (home, module) if home and module else None

    def at(self, home: Home) -> CompiledModule | None:
        """The module that contains a kernel's code; None if it is not in memory."""
        program, name = home
        with self._lock:
            module, names = self._programs.get(program, (None, ()))
            if name not in names:
                return None
            self._programs.move_to_end(program)
            return module

    def add(self, program: str, module: CompiledModule, kernels: Mapping[str, str]) -> None:
        """Add the kernels that a program has compiled; `kernels` maps function names to digests."""
        if not kernels:
            return
        with self._lock:
            self._programs[program] = module.own(), frozenset(kernels)
            self._homes |= {digest: (program, name) for name, digest in kernels.items()}
            if len(self._programs) > _MOST_PROGRAMS:
                last, _ = self._programs.popitem(last=False)
                self._homes = {digest: home for digest, home in self._homes.items() if home[0] != last}

    def clear(self) -> None:
        """Remove all kernels, as in a new process."""
        with self._lock:
            self._programs.clear()
            self._homes.clear()
