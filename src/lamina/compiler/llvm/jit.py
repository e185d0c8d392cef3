"""Turns LLVM assembly into machine code in this process, and keeps the machine code on disk."""

from __future__ import annotations

import hashlib
import itertools
import sys
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from lamina.compiler.llvm.builder import Module
from lamina.compiler.llvm.cache import CodeCache, default_directory
from lamina.compiler.llvm.machine import Machine, host_machine, target_machine

__all__ = ["CompiledModule", "assembly", "compile_object", "load"]

_library_numbers = itertools.count()
_compiling = threading.RLock()  # LLVM's global context isn't made for several threads


class CompiledModule:
    """Machine code in memory; it stays as long as this object."""

    def __init__(
        self, code: bytes, make_ir: Callable[[], str | Module], tracker: llvm.ResourceTracker
    ) -> None:
        self._code = code
        self._make_ir = make_ir
        self._tracker = tracker

    def address(self, name: str) -> int:
        """The address of a function."""
        return self._tracker[name]

    def ir(self) -> str:
        """The LLVM assembly that this was made from, before optimisation."""
        return _text(self._make_ir())

    def optimized_ir(self) -> str:
        """The LLVM assembly after optimisation."""
        with _compiling:
            return str(_optimized(self.ir()))

    def assembly(self) -> str:
        """The machine's assembly."""
        return assembly(self.ir())

    def keep_forever(self) -> None:
        """Never free the machine code, not even when the interpreter shuts down."""
        self._tracker.detach()

    @property
    def code_bytes(self) -> int:
        return len(self._code)


def load(
    key: str,
    make_ir: Callable[[], str | Module],
    functions: tuple[str, ...] = ("step",),
    symbols: Mapping[str, int] | None = None,
) -> CompiledModule:
    """Compile a module, or fetch its machine code from the cache on disk.

    `key` names everything that the code depends on, except what is added here: lamina's own code generator,
    LLVM's version and the processor. `make_ir` is called only where the cache has nothing. `functions` are
    the ones whose `address` can be asked for; `symbols` are addresses of functions that the code calls.
    """
    full_key = hashlib.sha256("\0".join([key, _environment(target_machine())]).encode()).hexdigest()
    store = CodeCache(default_directory())
    code = store.get(full_key)
    if code is None:
        code = compile_object(_text(make_ir()))
        store.put(full_key, code)
    return CompiledModule(code, make_ir, _link(code, functions, symbols or {}))


def compile_object(ir: str) -> bytes:
    """The machine code (an object file) of LLVM assembly."""
    with _compiling:
        return _target_machine().emit_object(_optimized(ir))


def assembly(ir: str) -> str:
    """The machine's assembly of LLVM assembly: this machine's, or that of `machine.compiling_for`."""
    with _compiling:
        return _target_machine().emit_assembly(_optimized(ir))


def _text(ir: str | Module) -> str:
    return ir if isinstance(ir, str) else ir.ir()


def _optimized(ir: str) -> llvm.ModuleRef:
    target = _target_machine()
    module = llvm.parse_assembly(ir)
    module.triple = target.triple
    module.data_layout = str(target.target_data)
    # What is worth a vector, an unrolled loop or a hoisted value was written as one: the few passes that clean up
    # give code as fast as LLVM's level 2 does, in a tenth of its time.
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options()))
    return module


def _link(code: bytes, functions: tuple[str, ...], symbols: Mapping[str, int]) -> llvm.ResourceTracker:
    with _compiling:
        library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for name, address in symbols.items():
            library.import_symbol(name, address)
        for name in functions:
            library.export_symbol(name)
        return library.link(_linker(), f"lamina{next(_library_numbers)}")


@cache
def _linker() -> llvm.LLJIT:
    # LLVM's older linker may put constants farther from the code than an instruction of AArch64 reaches. The newer one
    # isn't made for Windows; elsewhere on x86-64 addresses are written in full, and both do.
    contiguous = host_machine().architecture == "aarch64" and sys.platform != "win32"
    linker = llvm.create_lljit_compiler(_target_machine(), use_jit_link=contiguous)
    linker._owned = False  # never disposed of: code may be running until the process ends
    return linker


def _target_machine() -> llvm.TargetMachine:
    return _llvm_target(target_machine())


@cache
def _llvm_target(machine: Machine) -> llvm.TargetMachine:
    if machine.triple:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        target: Any = llvm.Target.from_triple(machine.triple)
    else:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=machine.cpu, features=machine.features, opt=1, reloc="pic", jit=True
    )


@cache
def _environment(machine: Machine) -> str:
    """What machine code depends on beside the function: the code generator, LLVM, the processor, the system."""
    sources = hashlib.sha256()
    for folder in ("cpu", "llvm"):
        for path in sorted((Path(__file__).parent.parent / folder).glob("*.py")):
            sources.update(path.read_bytes())
    version = ".".join(str(part) for part in llvm.llvm_version_info)
    triple = machine.triple or llvm.get_default_triple()
    return "\0".join([sources.hexdigest(), llvmlite.__version__, version, triple, repr(machine)])
