"""A unit of compilation: the text of its functions and declarations."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, Generic, Protocol, Self, TypeVar

from lamina.compiler.llvm.processor import Machine
from lamina.compiler.llvm.values import DType, type_name

Argument = DType | None  # None: a pointer


class _Writer(Protocol):
    is_worth_trouble: bool
    """Whether LLVM should optimize the function, which takes several times as long."""
    result_type: str
    """LLVM's name for the type of the function's result; "void" without one."""

    def body(self) -> list[str]: ...


B = TypeVar("B", bound=_Writer)

_NAMES = re.compile(r"@([\w.]+)")
"""The pattern of a global name in LLVM assembly."""


def _nobody(_name: str) -> None:
    """Do nothing."""


class Module(Generic[B]):
    """A unit of compilation for a machine: functions, and declarations of functions that they call.

    `builder` creates a builder for each function. `arguments` are the arguments of functions that don't specify theirs.
    `attributes` are LLVM attributes of each function besides the machine's.
    """

    attributes = ""
    has_runtime = False
    """Whether the code is linked with the functions of a process's runtime."""

    def __init__(
        self,
        machine: Machine,
        builder: Callable[[Any, Mapping[str, Argument]], B],
        arguments: Mapping[str, Argument],
    ) -> None:
        self.machine = machine
        self._builder, self._arguments = builder, arguments
        self._declarations: dict[str, None] = {}
        self._elsewhere: dict[str, str] = {}
        self.functions: dict[str, str] = {}
        self._internal: set[str] = set()
        self._to_write: Callable[[Any], None] | None = None
        self._tell: Callable[[str], None] = _nobody

    def declare(self, declaration: str) -> None:
        """Add a declaration outside functions, unless the module has it already."""
        self._declarations[declaration] = None

    def take_from_elsewhere(self, name: str) -> None:
        """Declare a function of another module, with the default arguments."""
        parameters = ", ".join(map(_argument_type, self._arguments.values()))
        self._elsewhere[name] = f"declare void @{name}({parameters}) nounwind"

    @contextmanager
    def function(
        self, name: str, arguments: Mapping[str, Argument] | None = None, *, internal: bool = False
    ) -> Generator[B]:
        """A context with a builder for a new function; `internal` ones are only the module's."""
        arguments = self._arguments if arguments is None else arguments
        b = self._builder(self, arguments)
        yield b
        linkage, inlining = ("internal ", "noinline") if internal else ("", "")
        if not b.is_worth_trouble:
            inlining = "noinline optnone"
        attributes = f"nounwind {inlining} {self.machine.function_attributes} {self.attributes}"
        parameters = ", ".join(f"{_argument_type(dtype)} %{key}" for key, dtype in arguments.items())
        head = f"define {linkage}{b.result_type} @{name}({parameters}) {attributes} {{"
        self.functions[name] = "\n".join([head, *b.body(), "}"])
        if internal:
            self._internal.add(name)
        else:
            self._tell(name)

    def written_by(self, write: Callable[[Any], None]) -> Self:
        """Set the function that writes the module's functions when they are first needed; returns this module."""
        self._to_write = write
        return self

    def finish(self, tell: Callable[[str], None] = _nobody) -> None:
        """Write all functions that are not written yet; ``tell(name)`` is called for each visible one at once."""
        for name in self.functions:
            if name not in self._internal:
                tell(name)
        write, self._to_write, self._tell = self._to_write, None, tell
        if write is not None:
            write(self)
        self._tell = _nobody

    def ir(self) -> str:
        """The module as LLVM assembly."""
        self.finish()
        return "\n".join([*self._declarations, *self.functions.values(), ""])

    def part(self, names: Iterable[str]) -> str:
        """The LLVM assembly of some functions and everything that they need, with declarations of other functions."""
        texts: dict[str, str] = {}
        others: dict[str, None] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop(0)
            if name not in texts:
                texts[name] = self.functions[name]
                known = [x for x in dict.fromkeys(_NAMES.findall(texts[name])) if x in self.functions]
                waiting += [x for x in known if x in self._internal]
                others.update(dict.fromkeys(x for x in known if x not in self._internal))
        used = set(_NAMES.findall("\n".join(texts.values())))
        needed = [x for x in self._declarations if used.intersection(_NAMES.findall(x))]
        in_tables = _NAMES.findall("\n".join(needed))
        others.update(dict.fromkeys(x for x in in_tables if x in self.functions))
        needed += [text for x, text in self._elsewhere.items() if x in used or x in in_tables]
        heads = [_declaration(self.functions[x]) for x in others if x not in texts]
        return "\n".join([*needed, *heads, *texts.values(), ""])


def _declaration(function: str) -> str:
    """The declaration of a function, from its definition's text, for use in another module."""
    return "declare" + function.partition("\n")[0].removeprefix("define").removesuffix("{")


def _argument_type(dtype: Argument) -> str:
    return "ptr" if dtype is None else type_name(dtype)
