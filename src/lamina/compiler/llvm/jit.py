"""Compilation of LLVM assembly to machine code in this process, with a disk cache."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import itertools
import queue
import struct
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from llvmlite.binding import ffi

from lamina.compiler.llvm.cache import CodeCache, default_directory, digest_of_sources
from lamina.compiler.llvm.module import Module
from lamina.compiler.llvm.processor import Machine
from lamina.core.threads import get_num_threads
from lamina.core.timings import noted

MakeIR = Callable[[], "str | Module[Any]"]

_PART_LINES = 1200  # lines of a module's part: small parts are shared more evenly, but each has a fixed cost
_LIBRARIES = 16
"""The number of libraries that share a linker. A linker takes 160 KB, and keeps 9 KB of each library, even a freed one,
until all of its libraries are freed."""
_library_numbers = itertools.count()
_compiling = threading.RLock()  # LLVM's global context isn't made for several threads


@dataclass(frozen=True, eq=False)
class CompiledModule:
    """Machine code in memory, which is freed with this object."""

    _machine: Machine
    _make_ir: MakeIR
    _tracker: llvm.ResourceTracker
    _elsewhere: Mapping[str, tuple[CompiledModule, str]]

    def address(self, name: str) -> int:
        """The address of a function in this module, or in another module whose functions this module calls."""
        if name in self._elsewhere:
            module, there = self._elsewhere[name]
            return module.address(there)
        return self._tracker[name]

    def own(self) -> CompiledModule:
        """The same machine code without its source and other modules, for functions that call none of these."""
        return CompiledModule(self._machine, str, self._tracker, {})

    def ir(self) -> str:
        """The LLVM assembly of this code, before optimisation."""
        return _text(self._make_ir())

    def assembly(self) -> str:
        """The code in the machine's assembly language."""
        return assembly(self._machine, self.ir())

    def keep_forever(self) -> None:
        """Prevent the machine code from ever being freed, even when the interpreter exits."""
        self._tracker.detach()


@dataclass(frozen=True)
class Fetched:
    """Machine code before linking, with the note stored with it."""

    machine: Machine
    make_ir: MakeIR
    key: str
    """The name of the code on disk."""
    objects: list[bytes]
    note: bytes

    def linked(
        self,
        functions: Sequence[str],
        symbols: Mapping[str, int],
        elsewhere: Mapping[str, tuple[CompiledModule, str]] | None = None,
    ) -> CompiledModule:
        """Link the code in memory.

        `functions` are the names of the functions whose `address` is needed, and `symbols` the addresses of external
        functions that the code calls. `elsewhere` has, for each function that the code calls in another
        module, the module and the function's name there.
        """
        elsewhere = elsewhere or {}
        symbols = {name: module.address(there) for name, (module, there) in elsewhere.items()} | dict(symbols)
        tracker = link(self.machine, self.objects, functions, symbols)
        return CompiledModule(self.machine, self.make_ir, tracker, elsewhere)


def load(machine: Machine, key: str, make_ir: MakeIR, functions: Sequence[str] = ("step",)) -> CompiledModule:
    """Compile a module for this process's CPU, or read its machine code from the disk cache.

    `key` identifies everything on which the code depends, except lamina's compiler, LLVM's version and the machine,
    which are added here. `make_ir` is called only if the code isn't cached. `functions` are the names of the functions
    whose `address` is needed.
    """
    return fetched(machine, key, make_ir).linked(functions, {})


def fetched(
    machine: Machine,
    key: str,
    make_ir: MakeIR,
    make_note: Callable[[], bytes] = bytes,
    *,
    make_own: MakeIR | None = None,
    is_usable: Callable[[bytes], bool] = lambda note: True,
) -> Fetched:
    """A module's machine code before linking, with the note that `make_note` returned when the code was compiled.

    `make_own`, if given, returns the part of the module to be compiled: the functions that no other module has. Cached
    code is compiled again unless `is_usable(note)` is true.
    """

    def make() -> bytes:
        objects = _objects(machine, (make_own or make_ir)())
        return joined([make_note(), *objects])

    code = kept(machine, key, make, lambda code: is_usable(separated(code)[0]))
    return _fetched(machine, key_on_disk(machine, key), make_ir, code)


def found(machine: Machine, key: str) -> Fetched | None:
    """A module's machine code from the disk cache, by the key that `key_on_disk` returns; None if it isn't cached."""
    code = CodeCache(default_directory()).get(key)
    return None if code is None else _fetched(machine, key, str, code)


def _fetched(machine: Machine, key: str, make_ir: MakeIR, code: bytes) -> Fetched:
    note, *objects = separated(code)
    return Fetched(machine, make_ir, key, objects, note)


def key_on_disk(machine: Machine, key: str) -> str:
    """A digest of a key, the compiler and the machine: the key of code in the disk cache; `key` is as for `load`."""
    return hashlib.sha256("\0".join([key, _environment(machine)]).encode()).hexdigest()


def kept(
    machine: Machine, key: str, make: Callable[[], bytes], is_usable: Callable[[bytes], bool] = bool
) -> bytes:
    """The usable code from the disk cache, else the result of `make()`, which is stored; `key` is as for `load`."""
    full_key = key_on_disk(machine, key)
    store = CodeCache(default_directory())
    code = store.get(full_key)
    if code is not None and not is_usable(code):
        code = None
    noted("kernels compiled" if code is None else "kernels from the cache")
    if code is None:
        code = make()
        store.put(full_key, code)
    return code


def host_triple() -> str:
    """LLVM's name for this process's platform."""
    return llvm.get_default_triple()


_emitted: list[tuple[llvm.TargetMachine, llvm.ModuleRef]] = []
"""The modules written as SPIR-V. LLVM's writer keeps pointers into them, and would write invalid modules later if they
were freed."""


def translated(machine: Machine, ir: str, *, level: int) -> str:
    """Compile LLVM assembly to any machine's, at one of LLVM's optimisation levels (0: cleanup and required passes)."""
    with _compiling:
        target, module = _for_any_machine(machine, ir, level)
        return target.emit_assembly(module)


def translated_object(machine: Machine, ir: str, *, level: int) -> bytes:
    """Compile LLVM assembly to an object file for any machine, as `translated` does."""
    with _compiling:
        target, module = _for_any_machine(machine, ir, level)
        return target.emit_object(module)


def _for_any_machine(machine: Machine, ir: str, level: int) -> tuple[llvm.TargetMachine, llvm.ModuleRef]:
    target = _new_target(machine, level, _IN_PROCESS if machine.triple == host_triple() else {})
    module = llvm.parse_assembly(ir)
    module.triple, module.data_layout = target.triple, str(target.target_data)
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=level))
    if not level:
        _cleaned(target, module)
    if machine.triple.startswith("spirv"):
        _emitted.append((target, module))
    else:  # drivers of OpenCL optimise by themselves
        builder.getModulePassManager().run(module, builder)
    return target, module


def compile_object(machine: Machine, ir: str) -> bytes:
    """Compile LLVM assembly to an object file."""
    with _compiling:
        return _target(machine).emit_object(_optimized(machine, ir))


def _objects(machine: Machine, made: str | Module[Any]) -> list[bytes]:
    """Compile a module to object files, on several threads while later functions are still being written."""
    if isinstance(made, str):
        return [compile_object(machine, made)]
    _target(machine)  # initializes LLVM
    threads = get_num_threads()
    team = Team(threads, lambda: _new_target(machine), _cleaned)
    part: list[str] = []

    def tell(name: str) -> None:
        part.append(name)
        if threads > 1 and sum(made.functions[x].count("\n") for x in part) >= _PART_LINES:
            give()

    def give() -> None:
        if part:
            team.give(made.part(part))
            part.clear()

    try:
        made.finish(tell)
        give()
    except BaseException:
        team.dismiss()
        raise
    return team.objects()


def compile_linkable(
    machine: Machine, modules: Sequence[tuple[str, Collection[str]]], exported: Collection[str]
) -> bytes:
    """Compile LLVM assembly to an object file for a linker.

    `modules` are texts, each with the names to which the other modules may refer. The object file exports only the
    names in `exported`.
    """
    with _compiling:
        whole, *others = [_with_internal_names(llvm.parse_assembly(ir), seen) for ir, seen in modules]
        for module in others:
            whole.link_in(module)
        target = _target(machine, is_linked_later=True)
        return target.emit_object(_cleaned(target, _with_internal_names(whole, exported)))


def _with_internal_names(module: llvm.ModuleRef, seen: Collection[str]) -> llvm.ModuleRef:
    """Make all definitions in a module internal, except those named in `seen`."""
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name not in seen:
            value.linkage = "internal"
    return module


def assembly(machine: Machine, ir: str) -> str:
    """Translate LLVM assembly to the machine's assembly language."""
    with _compiling:
        return _target(machine).emit_assembly(_optimized(machine, ir))


def _text(ir: str | Module[Any]) -> str:
    return ir if isinstance(ir, str) else ir.ir()


def _optimized(machine: Machine, ir: str) -> llvm.ModuleRef:
    return _cleaned(_target(machine), llvm.parse_assembly(ir))


def _cleaned(target: llvm.TargetMachine, module: llvm.ModuleRef) -> llvm.ModuleRef:
    module.triple = target.triple
    module.data_layout = str(target.target_data)
    # The text has vectors, unrolled loops and hoisted values already where they pay: with a few cleanup passes, code
    # is as fast as at LLVM's level 2, in a tenth of the time.
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options()))
    return module


def link(
    machine: Machine, code: Sequence[bytes], functions: Sequence[str], symbols: Mapping[str, int]
) -> llvm.ResourceTracker:
    """Link object files into this process. The result maps `functions` to addresses, and keeps the code alive."""
    with _compiling:
        library = llvm.JITLibraryBuilder().add_current_process()
        for part in code:
            library.add_object_img(part)
        for name, address in symbols.items():
            library.import_symbol(name, address)
        for name in functions:
            library.export_symbol(name)
        number = next(_library_numbers)
        return library.link(_linker(machine, number // _LIBRARIES), f"lamina{number}")


@lru_cache(2)
def _linker(machine: Machine, _share: int) -> llvm.LLJIT:
    # LLVM's older linker may put constants farther from the code than an instruction of AArch64 reaches. The newer one
    # isn't made for Windows; on x86-64 addresses are written in full, and both work.
    is_arm = llvm.get_default_triple().startswith(("aarch64", "arm64"))
    return llvm.create_lljit_compiler(_target(machine), use_jit_link=is_arm and sys.platform != "win32")


_IN_PROCESS = {"reloc": "pic", "jit": True}
_FOR_LINKERS = {"reloc": "pic", "codemodel": "small"}


@cache
def _target(machine: Machine, *, is_linked_later: bool = False) -> llvm.TargetMachine:
    return _new_target(machine, options=_FOR_LINKERS if is_linked_later else _IN_PROCESS)


def _new_target(
    machine: Machine, level: int = 1, options: Mapping[str, Any] = _IN_PROCESS
) -> llvm.TargetMachine:
    if machine.triple:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        target: Any = llvm.Target.from_triple(machine.triple)
    else:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=machine.cpu, features=machine.features, opt=level, **options)


@cache
def _environment(machine: Machine) -> str:
    """A text with everything besides `key` on which machine code depends: the compiler, LLVM, the CPU, the system."""
    sources = digest_of_sources(Path(__file__).parents[1])
    version = ".".join(str(part) for part in llvm.llvm_version_info)
    triple = machine.triple or llvm.get_default_triple()
    return "\0".join([sources, llvmlite.__version__, version, triple, repr(machine)])


# --- Parallel code generation: several threads compile modules, each in its own LLVM context -------------------------
#
# LLVM contexts share no state, but llvmlite holds a lock around every call. Only code generation, the slow call, runs
# without the lock.


MakeTarget = Callable[[], llvm.TargetMachine]
Clean = Callable[[llvm.TargetMachine, llvm.ModuleRef], llvm.ModuleRef]


class Team:
    """Threads that compile modules to object files while more modules arrive.

    In `objects`, the caller's thread compiles, too. The other threads start when there is work, and stop when there is
    none. `target` creates a code generator for a thread; `clean` prepares a module for code generation.
    """

    def __init__(self, threads: int, target: MakeTarget, clean: Clean) -> None:
        self._make_target, self._clean = target, clean
        self._waiting: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self._objects: list[bytes] = []
        self._errors: list[BaseException] = []
        self._most = threads - 1
        self._others: list[threading.Event] = []
        """An event for each thread's end: an interrupted `Thread.join` marks live threads as ended (bpo-45274)."""

    def give(self, ir: str) -> None:
        """Queue LLVM assembly for compilation by a free thread."""
        self._objects.append(b"")
        self._waiting.put((len(self._objects) - 1, ir))
        if len(self._others) < self._most:
            self._begin_another()

    def objects(self) -> list[bytes]:
        """Wait for all queued modules, and return their object files in order."""
        try:
            self._end()
            self._work()
            self._wait()
        except BaseException:  # Ctrl-C: LLVM's lock must be free when this process forks or ends
            self.dismiss()
            raise
        if self._errors:
            raise self._errors[0]
        return self._objects

    def dismiss(self) -> None:
        """Drop all queued modules, and wait for the threads to stop."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
        self._end()
        self._wait()

    def _begin_another(self) -> None:
        ended = threading.Event()
        name = f"lamina-llvm-{len(self._others) + 1}"
        try:
            threading.Thread(target=self._work_apart, args=(ended,), name=name, daemon=True).start()
        except RuntimeError:  # the system allows no more threads: the existing ones do all the work
            self._most = len(self._others)
        else:
            self._others.append(ended)

    def _work_apart(self, ended: threading.Event) -> None:
        try:
            self._work()
        finally:
            ended.set()

    def _wait(self) -> None:
        for ended in self._others:
            ended.wait()

    def _end(self) -> None:
        for _ in range(len(self._others) + 1):
            self._waiting.put(None)

    def _work(self) -> None:
        target = None
        while (given := self._waiting.get()) is not None:
            if self._errors:
                continue  # never used
            number, ir = given
            try:
                target = target or self._make_target()
                self._objects[number] = self._object(target, ir)
            except BaseException as error:
                self._errors.append(error)

    def _object(self, target: llvm.TargetMachine, ir: str) -> bytes:
        with llvm.create_context() as context, llvm.parse_assembly(ir, context) as module:
            return emitted(target, self._clean(target, module))


def emitted(target: llvm.TargetMachine, module: llvm.ModuleRef) -> bytes:
    """Compile a module to an object file. No other thread may use the module's context or the target meanwhile."""
    with ffi.OutputString() as problem:
        buffer = _emit()(target, module, 1, problem)
        if not buffer:
            raise RuntimeError(str(problem))
    pointer = ctypes.cast(buffer, ffi.LLVMMemoryBufferRef)
    try:
        return ctypes.string_at(ffi.lib.LLVMPY_GetBufferStart(pointer), ffi.lib.LLVMPY_GetBufferSize(pointer))
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(pointer)


@cache
def _emit() -> Any:
    """LLVM's code generation function, called without llvmlite's lock."""
    function = ctypes.CDLL(ffi.lib._name)["LLVMPY_TargetMachineEmitToMemory"]
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    function.restype = ctypes.c_void_p
    return function


def joined(parts: Sequence[bytes]) -> bytes:
    """Pack byte strings, such as object files, into one: their number, their lengths, their contents."""
    return struct.pack(f"<{len(parts) + 1}Q", len(parts), *map(len, parts)) + b"".join(parts)


def separated(code: bytes) -> list[bytes]:
    """Unpack the byte strings that `joined` packed."""
    (count,) = struct.unpack_from("<Q", code)
    start, parts = 8 * (count + 1), []
    for length in struct.unpack_from(f"<{count}Q", code, 8):
        parts.append(code[start : start + length])
        start += length
    return parts
