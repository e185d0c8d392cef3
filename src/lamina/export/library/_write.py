"""Writing a library: object file, header and, if there is a linker, the shared library."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamina import autograd, nd
from lamina.compiler.cpu.machine import NAMED_MACHINES, Machine, host_machine
from lamina.compiler.llvm import FLOAT64, INT32, DType
from lamina.errors import LaminaError
from lamina.export import Pictures, Prediction, Table, describe
from lamina.export.library._code import LibraryCode, network_code, prediction_code
from lamina.export.library._header import C_TYPES, network_header, prediction_header
from lamina.export.library._interface import Interface, checked_name, identifier, reads
from lamina.export.library._network import CompiledNetwork, RowArray, compile_network
from lamina.export.traced import prediction_of
from lamina.export.warnings import NotLinkedWarning, warn_of_texts
from lamina.gluon.block import Block
from lamina.nd.ndarray import NDArray
from lamina.support.files.atomic import atomic_write
from lamina.support.messages import unknown, warn

TARGETS = ("host", *NAMED_MACHINES)
"""Supported target processors."""

_LIBRARIES = (".so", ".dylib")
_BYTE: DType = np.dtype(np.uint8)


def export_library(
    model: Any,
    path: str | os.PathLike[str],
    *,
    target: str = "host",
    name: str | None = None,
    inputs: Any = None,
) -> list[Path]:
    """Write a model as a C library: machine code that predicts, without lamina or Python.

    An object file (``.o``), for linking into a program, and a header (``.h``), which documents the calls, are also
    written. On this machine's processor the library predicts the same bits as lamina. See docs/deploy.md.

    Args:
        model: a Gluon network, a fitted estimator, or the folder of a run.
        path: ``model.so`` (``model.dylib`` on macOS), or ``model.o`` for the object file and the header alone.
        target: the processor: "host"; or on Linux "x86-64-v2" (SSE4.2), "x86-64-v3" (AVX2), "x86-64-v4" (AVX-512) or
            "aarch64".
        name: prefix of the library's symbols; None: the file's name.
        inputs: for a network, an example input: the first axis is rows, the other sizes and the dtype are those
            of the library's rows. None: float32, as wide as the first dense layer's input.

    Returns:
        The written files. Without a linker the library is missing, and a warning says so.

    Raises:
        LaminaError: unsupported network, target or file suffix.
        OSError: a file cannot be written.

    >>> import tempfile
    >>> import lamina
    >>> from lamina.gluon import nn
    >>> net = nn.Dense(2, in_units=3)
    >>> net.initialize()
    >>> files = export_library(net, Path(tempfile.mkdtemp(), "tiny.o"))
    >>> [file.name for file in files], "int32_t tiny_predict(const float *rows" in files[1].read_text()
    (['tiny.o', 'tiny.h'], True)
    """
    path = Path(path)
    if not isinstance(model, Block):
        if inputs is not None:
            raise LaminaError(f"only a network needs inputs; a {type(model).__name__} knows its columns")
        return write_library(describe(model), path, target=target, name=name)
    machine, name = _machine(target), _symbol(path, name)
    network = compile_network(model, [_row_of(model, inputs)], machine)
    _require_float32(network)
    code = network_code(name, network, machine)
    return _write(path, code, network_header(name, network, code, target), machine)


def write_library(
    prediction: Prediction, path: Path, *, target: str = "host", name: str | None = None
) -> list[Path]:
    """Write the library of a prediction; see `export_library`."""
    machine, interface = _machine(target), Interface(_symbol(path, name), prediction)
    warn_of_texts(prediction, "a library", reads)
    network = compile_network(prediction_of(prediction), _row_arrays(prediction.inputs), machine)
    code = prediction_code(interface, network, machine)
    return _write(path, code, prediction_header(interface, code, target), machine)


def _row_arrays(inputs: Table | Pictures) -> list[RowArray]:
    """The rows of the arrays that `prediction_of` takes."""
    if isinstance(inputs, Pictures):
        return [RowArray((inputs.height * inputs.width,), _BYTE)]
    numbers = len(inputs.numbers)
    return [RowArray((numbers,), FLOAT64), RowArray((len(inputs.columns) - numbers,), INT32)]


def _machine(target: str) -> Machine:
    """The target processor of this name, without a matrix unit, which a process would have to request."""
    if target not in TARGETS:
        raise LaminaError(unknown("target", target, TARGETS))
    return (host_machine() if target == "host" else NAMED_MACHINES[target]).in_order


def _symbol(path: Path, name: str | None) -> str:
    return checked_name(identifier(path.stem) if name is None else name)


def _require_float32(network: CompiledNetwork) -> None:
    if len(network.results) != 1:
        raise LaminaError(
            f"the network returns {len(network.results)} arrays; a library predicts one, with a row for each input row"
        )
    if network.results[0].dtype != np.float32:
        raise LaminaError(f"the network returns {network.results[0].dtype}; a library predicts float32")


def _row_of(net: Block, inputs: Any) -> RowArray:
    """The shape and dtype of an input row; the network is called with an example, so that all its sizes are known."""
    example = _first_input(net) if inputs is None else inputs
    if not isinstance(example, NDArray):
        example = nd.array(np.asarray(example), dtype=np.asarray(example).dtype)
    dtype = np.dtype(example.dtype)
    if len(example.shape) < 2 or dtype.name not in C_TYPES:
        raise LaminaError(
            f"a library takes rows: an array (rows, …) of {', '.join(C_TYPES)}, not {dtype.name} {example.shape}"
        )
    with autograd.pause(train_mode=False):
        net(example)
    return RowArray(example.shape[1:], dtype)


def _first_input(net: Block) -> NDArray:
    """An example input for the first dense layer."""
    for parameter in net.collect_params().values():
        if parameter.name.endswith("weight") and parameter.shape and len(parameter.shape) == 2:
            return nd.zeros((1, parameter.shape[1]))
    raise LaminaError(
        f"{net.name}: the shape of its inputs is unknown; give an example array, whose first axis is rows: "
        "export_library(net, path, inputs=nd.zeros((1, 784)))"
    )


def _write(path: Path, code: LibraryCode, header: str, machine: Machine) -> list[Path]:
    if path.suffix not in (*_LIBRARIES, ".o"):
        raise LaminaError(f"{path}: name a library NAME.so (NAME.dylib on macOS), an object file NAME.o")
    library = None if path.suffix == ".o" else linked(code.object, machine, code.needs)
    contents: dict[Path, bytes] = {path.with_suffix(".o"): code.object}
    contents[path.with_suffix(".h")] = header.encode()
    if library is not None:
        contents = {path: library, **contents}
    for file, content in contents.items():
        with atomic_write(file) as opened:
            opened.write(content)
    if library is None and path.suffix != ".o":
        message = (
            f"no linker for {machine.triple or machine.architecture} was found (cc, ld or ld.lld), so there is no "
            f"{path.name}: link {path.with_suffix('.o').name} into your program"
        )
        warn(NotLinkedWarning(message))
    return list(contents)


_DRIVERS = ("cc", "gcc", "clang")
_SHARED = ("-shared", "-nostdlib")
_MOST_SECONDS = 300


def linked(code: bytes, machine: Machine, needs: Sequence[str]) -> bytes | None:
    """Link an object file to a shared library; None if no installed linker supports that machine.

    `needs`: the C library functions that the code calls.

    Raises:
        LaminaError: the linker fails.
    """
    for command in _linkers(machine):
        program = shutil.which(command[0])
        if program is not None:
            return _run([program, *command[1:]], code, ["-lm"] if needs and _is_driver(command[0]) else [])
    return None


def _is_driver(name: str) -> bool:
    """Whether a program is a compiler driver, which knows where the libraries are."""
    return "gcc" in name or name in _DRIVERS


def _linkers(machine: Machine) -> Iterator[Sequence[str]]:
    """Linker commands for a machine, the likeliest to work first."""
    if not machine.triple or machine.triple.startswith(_own_platform()):
        if sys.platform == "darwin":
            yield "cc", "-dynamiclib", "-nostdlib", "-lSystem"
        elif sys.platform == "linux":
            yield from ((driver, *_SHARED) for driver in _DRIVERS)
            yield "ld", "-shared"
    elif machine.triple:
        yield f"{machine.triple.replace('-unknown', '')}-gcc", *_SHARED
    if machine.triple.endswith("linux-gnu") or (not machine.triple and sys.platform == "linux"):
        yield "ld.lld", "-shared"  # links for any processor


def _own_platform() -> str:
    names = {"amd64": "x86_64", "arm64": "aarch64"}
    processor = platform.machine().lower()
    return f"{names.get(processor, processor)}-unknown-{sys.platform}"


def _run(command: Sequence[str], code: bytes, libraries: Sequence[str]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "code.o"), Path(folder, "library")
        source.write_bytes(code)
        whole = [*command, "-o", str(result), str(source), *libraries]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=_MOST_SECONDS, check=False)
        if done.returncode:
            said = " ".join(done.stderr.split())[:300]
            raise LaminaError(f"{Path(command[0]).name} cannot link the library: {said}")
        return result.read_bytes()
