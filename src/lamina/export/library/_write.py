"""Writing of a library: the object file, the header and, if there is a linker, the shared library."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from string import Template
from textwrap import wrap
from typing import Any

import numpy as np

from lamina import __version__, autograd
from lamina.compiler.cpu.machine import NAMED_MACHINES, Machine, host_machine
from lamina.compiler.llvm import DType
from lamina.errors import LaminaError
from lamina.export import Classes, Composite, Numbers, Prediction, describe
from lamina.export.library._code import (
    CompiledNetwork,
    LibraryCode,
    RowArray,
    compile_network,
    network_code,
    prediction_code,
)
from lamina.export.library._interface import Field, Interface, checked_name, class_names, identifier, reads
from lamina.export.traced import examples_of, prediction_of
from lamina.export.warnings import NotLinkedWarning, warn_of_texts
from lamina.gluon.block import Block
from lamina.support.files.atomic import atomic_write
from lamina.support.messages import printable, unknown, warn
from lamina.table.types import Text

TARGETS = ("host", *NAMED_MACHINES)
"""Supported target processors."""

WEIGHTS = ("float32", "int8")
"""Types in which weights may be stored."""

_LIBRARIES = (".so", ".dylib")
_BYTE: DType = np.dtype(np.uint8)


def export_library(
    model: Any,
    path: str | os.PathLike[str],
    *,
    target: str = "host",
    name: str | None = None,
    weights: str = "float32",
    inputs: Any = None,
) -> list[Path]:
    """Write a model as a C library, which predicts without lamina or Python.

    An object file (``.o``), for linking into a program, and a header (``.h``), which documents the calls, are also
    written. On this machine's processor, the library's predictions are bit-identical to lamina's. See docs/deploy.md.

    Args:
        model: a Gluon network, a fitted estimator, or the folder of a run.
        path: ``model.so`` (``model.dylib`` on macOS), or ``model.o`` for the object file and the header alone.
        target: the processor: "host"; or on Linux "x86-64-v2" (SSE4.2), "x86-64-v3" (AVX2), "x86-64-v4" (AVX-512) or
            "aarch64".
        name: prefix of the library's symbols; None: the file's name.
        weights: "int8" rounds the weights of large layers to 8-bit integers, with a scale for each unit: files are up
            to four times smaller, and a row is faster where reading the weights takes the time. Predictions are then
            close to lamina's, not the same.
        inputs: for a network, an example input with rows along the first axis; the library takes any number of rows of
            the same dtype and sizes. None: float32, as wide as the first dense layer's input.

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
            raise LaminaError(f"only a Gluon network needs inputs; omit inputs for a {type(model).__name__}")
        return write_library(describe(model), path, target=target, name=name, weights=weights)
    machine, name, short = _machine(target), _symbol(path, name), _is_short(weights)
    network = compile_network(model, [_row_of(model, inputs)], machine, short=short)
    _require_float32(network)
    code = network_code(name, network, machine)
    return _write(path, code, network_header(name, network, code, target), machine)


def write_library(
    prediction: Prediction,
    path: Path,
    *,
    target: str = "host",
    name: str | None = None,
    weights: str = "float32",
) -> list[Path]:
    """Write the library of a prediction; see `export_library`."""
    machine, interface = _machine(target), Interface(_symbol(path, name), prediction)
    short = _is_short(weights)
    warn_of_texts(prediction, "a library", reads)
    rows = [RowArray((length,), np.dtype(dtype)) for length, dtype in prediction.inputs.rows]
    network = compile_network(prediction_of(prediction), rows, machine, short=short)
    code = prediction_code(interface, network, machine)
    return _write(path, code, prediction_header(interface, code, target), machine)


def _machine(target: str) -> Machine:
    """The target processor, without its matrix unit, which processes must request before use."""
    if target not in TARGETS:
        raise LaminaError(unknown("target", target, TARGETS))
    return (host_machine() if target == "host" else NAMED_MACHINES[target]).in_order


def _is_short(weights: str) -> bool:
    if weights not in WEIGHTS:
        raise LaminaError(unknown("weights", weights, WEIGHTS))
    return weights == "int8"


def _symbol(path: Path, name: str | None) -> str:
    return checked_name(identifier(path.stem) if name is None else name)


def _require_float32(network: CompiledNetwork) -> None:
    if len(network.results) != 1:
        raise LaminaError(
            f"the network returns {len(network.results)} arrays; a library predicts one, with a row for each input row"
        )
    if network.results[0].dtype != np.float32:
        raise LaminaError(
            f"the network returns {network.results[0].dtype}, but a library predicts float32; cast it"
        )


def _row_of(net: Block, inputs: Any) -> RowArray:
    """The shape and dtype of an input row; calls the network with an example, to determine all its sizes."""
    (example,) = examples_of(net, inputs if inputs is None else [inputs], "export_library")
    dtype = np.dtype(example.dtype)
    if len(example.shape) < 2 or dtype.name not in C_TYPES:
        raise LaminaError(
            f"a library takes an array (rows, …) of {', '.join(C_TYPES)}, not of {dtype.name} and shape {example.shape}"
        )
    with autograd.pause(train_mode=False):
        net(example)
    return RowArray(example.shape[1:], dtype)


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
    """Link an object file to a shared library; None if no installed linker supports the machine.

    `needs` are the names of the C library functions that the code calls.

    Raises:
        LaminaError: the linker fails.
    """
    for command in _linkers(machine):
        program = shutil.which(command[0])
        if program is not None:
            # Linkers don't find those of the system.
            finds_libraries = "gcc" in command[0] or command[0] in _DRIVERS
            return _run([program, *command[1:]], code, ["-lm"] if needs and finds_libraries else [])
    return None


def _linkers(machine: Machine) -> Iterator[Sequence[str]]:
    """The linker commands for a machine, most likely to work first."""
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


# --- The C header of a library, with comments for C programmers ------------------------------------------------------


C_TYPES = {
    "float32": "float", "float64": "double", "uint8": "uint8_t", "int8": "int8_t", "uint16": "uint16_t",
    "int16": "int16_t", "uint32": "uint32_t", "int32": "int32_t", "uint64": "uint64_t", "int64": "int64_t",
}  # fmt: skip
"""C type names of the supported input dtypes."""

_MOST_LISTED = 12
_WIDTH = 96

_FRAME = Template(Path(__file__).with_name("header.h").read_text("utf-8"))

_ALWAYS = (
    "The functions need no other library{needs}, allocate nothing and keep no state: any number of threads may call "
    "them at once. They need at most {macro}_STACK_BYTES of the stack."
)


def prediction_header(interface: Interface, code: LibraryCode, processor: str) -> str:
    """The text of the header for a prediction's library."""
    name, prediction = interface.name, interface.prediction
    paragraphs = [_says(prediction), _always(name, code), "Errors: " + _errors(interface)]
    text = _comment(paragraphs) + "\n *\n" + _example(interface)
    row = f"COLUMNS {len(interface.fields)}"
    if array := interface.array:
        row = f"{array.name.upper()} {array.size}"
    constants = _constants(name, row, f"{_counted(interface)} {interface.outputs}", code)
    body = [*constants, "", *_types(interface), *_function(interface), ""]
    return _framed(name, processor, text, body)


def network_header(name: str, network: CompiledNetwork, code: LibraryCode, processor: str) -> str:
    """The text of the header for a bare network's library."""
    (inputs,), (outputs,), macro = network.inputs, network.results, name.upper()
    shape = " x ".join(map(str, inputs.shape))
    says = (
        f"A network of {shape} inputs and {outputs.size} outputs. Rows and results are contiguous in memory."
    )
    body = [
        *_constants(name, f"INPUTS {inputs.size}", f"OUTPUTS {outputs.size}", code),
        "",
        f"/* rows: count times {macro}_INPUTS numbers. outputs: room for count times {macro}_OUTPUTS numbers.",
        f"   Returns 0, or {macro}_BAD_ARGUMENT if a pointer is NULL. */",
        f"int32_t {name}_predict(const {C_TYPES[inputs.dtype.name]} *rows, size_t count, float *outputs);",
        "",
    ]
    return _framed(name, processor, _comment([says, _always(name, code)]), body)


def _framed(name: str, processor: str, text: str, body: Sequence[str]) -> str:
    where = "the processor that it was made on, and those with the same instructions"
    where = where if processor == "host" else processor
    title = f"{name}: made by lamina {__version__} for {where}."
    return _FRAME.substitute(title=title, text=text, guard=f"{name.upper()}_H", body="\n".join(body))


def _comment(paragraphs: Iterable[str]) -> str:
    parts = ["\n".join(f" * {line}" for line in wrap(_harmless(text), _WIDTH)) for text in paragraphs]
    return "\n *\n".join(parts)


def _harmless(text: str) -> str:
    """Change a string, possibly from data, so that it can't end or break a C comment."""
    return printable(text, keep="").replace("*/", "* /").replace("/*", "/ *")


def _says(prediction: Prediction) -> str:
    of = f"'{prediction.target}'" if prediction.target else "the target"
    if isinstance(prediction.output, Numbers):
        levels = ", ".join(f"{level:g}" for level in prediction.output.levels)
        what = f"the quantiles {levels} of {of}, ascending," if levels else f"{of},"
        return f"It predicts {what} in its own units."
    if prediction.output.multilabel:
        return "It predicts which of several labels a row has, and the probability of each."
    return f"It predicts the class of {of}, and the probability of each class."


def _always(name: str, code: LibraryCode) -> str:
    needs = f" but the C library's mathematics ({', '.join(code.needs)}; link with -lm)" if code.needs else ""
    return _ALWAYS.format(macro=name.upper(), needs=needs)


def _errors(interface: Interface) -> str:
    macro = interface.name.upper()
    if not interface.fields:
        return f"{macro}_BAD_ARGUMENT if a pointer is NULL that must not be."
    return (
        f"{macro}_BAD_ARGUMENT if a pointer is NULL that must not be; or the number, from 1, of a column with an "
        "infinite number, a number beyond the range of float32, a text that the library can't read as a number, a date "
        "or a time, or a text that is neither true nor false in a boolean column. Results are then incomplete. A "
        "category that training did not have counts as missing."
    )


def _counted(interface: Interface) -> str:
    """The macro, without the library's name, for the number of predicted numbers, labels or classes."""
    output = interface.prediction.output
    return "OUTPUTS" if isinstance(output, Numbers) else "LABELS" if output.multilabel else "CLASSES"


def _constants(name: str, row: str, outputs: str, code: LibraryCode) -> list[str]:
    values = (row, outputs, f"STACK_BYTES {code.stack_bytes}", "BAD_ARGUMENT (-1)")
    return [f"#define {name.upper()}_{value}" for value in values]


def _types(interface: Interface) -> list[str]:
    name, macro, output = interface.name, interface.name.upper(), interface.prediction.output
    lines: list[str] = []
    if interface.fields:
        lines = [f"typedef struct {name}_row {{"]
        for field in interface.fields:
            kind = "const char *" if field.is_text else "double "
            lines.append(f"    {kind}{field.name}; /* {_harmless(_meaning(field))} */")
        lines += [f"}} {name}_row;", ""]
        lines += [f"extern const char *const {name}_column_names[{macro}_COLUMNS];", ""]
    if isinstance(output, Classes):
        lines += [f"/* {_harmless(_listed(class_names(output)))} */"]
        lines += [f"extern const char *const {name}_class_names[{macro}_{_counted(interface)}];", ""]
    return lines


def _meaning(field: Field) -> str:
    column, schema = field.column, field.column.schema
    title = "" if column.name == field.name else f"{column.name}: "
    if isinstance(field.owner.type, Text):
        return f"{title}a text in UTF-8; NULL: missing"
    if field.is_read or isinstance(column, Composite):
        return f"{title}a text as in training, such as {_example_value(field)}; NULL: missing"
    if column.is_number:
        known = schema.low is not None and schema.high is not None
        between = f", {schema.low:g} to {schema.high:g} in training" if known else ""
        unit = f" ({column.schema.type.unit})" if column.schema.type.unit else ""
        return f"{title}a number{unit}{between}; NaN: missing"
    if column.values is None:
        return f"{title}{_listed(schema.categories)}; NULL: missing"
    listed = _listed([f"{value:g}" for value in column.values], quoted=False)
    return f"{title}{'1: yes, 0: no' if column.is_boolean else listed}; NaN: missing"


def _listed(names: Sequence[str], *, quoted: bool = True) -> str:
    shown = [f'"{name}"' if quoted else name for name in names[:_MOST_LISTED]]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")


def _function(interface: Interface) -> list[str]:
    name, macro, output = interface.name, interface.name.upper(), interface.prediction.output
    rows, what = f"const {name}_row *rows", ""
    if array := interface.array:
        rows = f"const {C_TYPES[array.dtype]} *{array.name}"
        what = f"{array.name}: count times {macro}_{array.name.upper()}, {array.order}."
    if isinstance(output, Numbers):
        told = [what, f"values: room for count times {macro}_OUTPUTS numbers."]
        signature = f"{rows}, size_t count, double *values"
    elif output.multilabel:
        told = [what, f"probabilities and labels (0 or 1): room for count times {macro}_LABELS, or NULL."]
        signature = f"{rows}, size_t count, double *probabilities, int64_t *labels"
    else:
        told = [what, f"probabilities: room for count times {macro}_CLASSES, or NULL."]
        threshold = _threshold_said(output)
        told += [f"classes: room for count positions among the class names, or NULL.{threshold}"]
        signature = f"{rows}, size_t count, double *probabilities, int64_t *classes"
    text = "\n   ".join([line for line in told if line] + ["Returns 0, or an error code (see Errors)."])
    return [f"/* {text} */", f"int32_t {name}_predict({signature});"]


def _threshold_said(output: Classes) -> str:
    if output.threshold is None:
        return ""
    other = 1 - output.positive
    return f"\n   It is {output.positive} where its probability is at least {output.threshold:.17g}, else {other}."


def _example(interface: Interface) -> str:
    name = interface.name
    if array := interface.array:
        size = f"{name.upper()}_{array.name.upper()}"
        row, argument = f"static {C_TYPES[array.dtype]} {array.name}[{size}];", array.name
    else:
        values = ", ".join(f".{field.name} = {_example_value(field)}" for field in interface.fields[:4])
        more = ", ..." if len(interface.fields) > 4 else ""
        row = f"{name}_row row = {{{values}{more}}};"
        argument = "&row"
    results, call, shown = "values", "values", '"%g\\n", values[0]'
    if interface.has_classes:
        results, call = "probabilities", "probabilities, NULL"
        shown = f'"%s: %g\\n", {name}_class_names[0], probabilities[0]'
    declared = f"double {results}[{name.upper()}_{_counted(interface)}];"
    called = f"if ({name}_predict({argument}, 1, {call}) == 0)"
    lines = [row, declared, called, f"    printf({shown});"]
    return "\n".join(f" *     {line}" for line in lines)


def _example_value(field: Field) -> str:
    column, schema = field.column, field.column.schema
    if isinstance(column, Composite) or field.is_read:
        return _quoted(str(field.owner.type.example(field.owner)))
    if column.is_number:
        return f"{column.fill if schema.mean is None else schema.mean:g}"
    if column.values is not None:
        return f"{column.values[0]:g}"
    return _quoted(schema.categories[0])


def _quoted(text: str) -> str:
    return '"' + _harmless(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
