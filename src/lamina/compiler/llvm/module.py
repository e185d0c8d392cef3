"""A unit of compilation: the text of its functions."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from lamina.compiler.llvm._machine import Machine
from lamina.compiler.llvm.values import DType, type_name

__all__ = ["Argument", "Module"]

Argument = DType | None  # None: a pointer


class _Writer(Protocol):
    def body(self) -> list[str]: ...


B = TypeVar("B", bound=_Writer)


class Module(Generic[B]):
    """A unit of compilation for a machine: functions, and declarations of what they call.

    `builder` makes what writes a function, whose arguments are `arguments` unless others are given. `attributes` are
    what LLVM is told of each function besides what the machine says.
    """

    attributes = ""

    def __init__(
        self,
        machine: Machine,
        builder: Callable[[Any, Mapping[str, Argument]], B],
        arguments: Mapping[str, Argument],
    ) -> None:
        self.machine = machine
        self._builder, self._arguments = builder, arguments
        self._declarations: dict[str, None] = {}
        self.functions: dict[str, str] = {}

    def declare(self, declaration: str) -> None:
        """Add a line outside functions, once."""
        self._declarations[declaration] = None

    @contextmanager
    def function(
        self, name: str, arguments: Mapping[str, Argument] | None = None, *, internal: bool = False
    ) -> Generator[B]:
        """Write a function that returns nothing; `internal` ones are seen by their module only."""
        arguments = self._arguments if arguments is None else arguments
        b = self._builder(self, arguments)
        yield b
        linkage, inlining = ("internal ", "noinline") if internal else ("", "")
        attributes = f"nounwind {inlining} {self.machine.function_attributes} {self.attributes}"
        parameters = ", ".join(f"{_argument_type(dtype)} %{key}" for key, dtype in arguments.items())
        head = f"define {linkage}void @{name}({parameters}) {attributes} {{"
        self.functions[name] = "\n".join([head, *b.body(), "}"])

    def ir(self) -> str:
        """The module as LLVM assembly."""
        return "\n".join([*self._declarations, *self.functions.values(), ""])


def _argument_type(dtype: Argument) -> str:
    return "ptr" if dtype is None else type_name(dtype)
