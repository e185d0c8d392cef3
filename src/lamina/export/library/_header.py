"""The C header of a library, with comments for C programmers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
from textwrap import wrap

from lamina import __version__
from lamina.export import Classes, Composite, Numbers, Pictures, Prediction
from lamina.export.library._code import LibraryCode
from lamina.export.library._interface import Field, Interface, class_names
from lamina.export.library._network import CompiledNetwork
from lamina.support.messages import printable

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
    """The header of a `Prediction`'s library."""
    name, prediction = interface.name, interface.prediction
    paragraphs = [_says(prediction), _always(name, code), "Errors: " + _errors(interface)]
    text = _comment(paragraphs) + "\n *\n" + _example(interface)
    body = [*_constants(interface, code), "", *_types(interface), *_function(interface), ""]
    return _framed(name, processor, text, body)


def network_header(name: str, network: CompiledNetwork, code: LibraryCode, processor: str) -> str:
    """The header of a bare network's library."""
    (inputs,), (outputs,), macro = network.inputs, network.results, name.upper()
    shape = " x ".join(map(str, inputs.shape))
    says = (
        f"A network of {shape} inputs and {outputs.size} outputs. Rows and results are contiguous in memory."
    )
    body = [
        f"#define {macro}_INPUTS {inputs.size}",
        f"#define {macro}_OUTPUTS {outputs.size}",
        f"#define {macro}_STACK_BYTES {code.stack_bytes}",
        f"#define {macro}_BAD_ARGUMENT (-1)",
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
    """Paragraphs as lines of a comment."""
    parts = ["\n".join(f" * {line}" for line in wrap(_harmless(text), _WIDTH)) for text in paragraphs]
    return "\n *\n".join(parts)


def _harmless(text: str) -> str:
    """A string, possibly from data, that can't end or break a comment."""
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
    if isinstance(interface.prediction.inputs, Pictures):
        return f"{macro}_BAD_ARGUMENT if a pointer is NULL that must not be."
    return (
        f"{macro}_BAD_ARGUMENT if a pointer is NULL that must not be; or the number, from 1, of a column with an "
        "infinite number, a number beyond the range of float32, or a text that is neither true nor false in a boolean "
        "column. Results are then incomplete. A category that training did not have counts as missing."
    )


def _constants(interface: Interface, code: LibraryCode) -> list[str]:
    macro, output = interface.name.upper(), interface.prediction.output
    lines: list[str] = []
    if isinstance(interface.prediction.inputs, Pictures):
        pictures = interface.prediction.inputs
        lines.append(f"#define {macro}_PIXELS {pictures.height * pictures.width}")
    else:
        lines.append(f"#define {macro}_COLUMNS {len(interface.fields)}")
    kind = "OUTPUTS" if isinstance(output, Numbers) else "LABELS" if output.multilabel else "CLASSES"
    lines.append(f"#define {macro}_{kind} {interface.outputs}")
    lines.append(f"#define {macro}_STACK_BYTES {code.stack_bytes}")
    lines.append(f"#define {macro}_BAD_ARGUMENT (-1)")
    return lines


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
        kind = "LABELS" if output.multilabel else "CLASSES"
        lines += [f"/* {_harmless(_listed(class_names(output)))} */"]
        lines += [f"extern const char *const {name}_class_names[{macro}_{kind}];", ""]
    return lines


def _meaning(field: Field) -> str:
    column, schema = field.column, field.column.schema
    title = "" if column.name == field.name else f"{column.name}: "
    if isinstance(column, Composite):
        return f"{title}a text in UTF-8; NULL: missing"
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
    pictures = isinstance(interface.prediction.inputs, Pictures)
    rows = "const uint8_t *pixels" if pictures else f"const {name}_row *rows"
    what = f"pixels: count times {macro}_PIXELS, line by line, ink 255 on paper 0." if pictures else ""
    if isinstance(output, Numbers):
        told = [what, f"values: room for count times {macro}_OUTPUTS numbers."]
        signature = f"{rows}, size_t count, double *values"
    elif output.multilabel:
        told = [what, f"probabilities and labels (0 or 1): room for count times {macro}_LABELS, or NULL."]
        signature = f"{rows}, size_t count, double *probabilities, int64_t *labels"
    else:
        told = [what, f"probabilities: room for count times {macro}_CLASSES, or NULL."]
        told += [
            f"classes: room for count positions among the class names, or NULL.{_threshold_said(output)}"
        ]
        signature = f"{rows}, size_t count, double *probabilities, int64_t *classes"
    text = "\n   ".join([line for line in told if line] + ["Returns 0, or an error code (see Errors)."])
    return [f"/* {text} */", f"int32_t {name}_predict({signature});"]


def _threshold_said(output: Classes) -> str:
    if output.threshold is None:
        return ""
    other = 1 - output.positive
    return f"\n   It is {output.positive} where its probability is at least {output.threshold:.17g}, else {other}."


def _example(interface: Interface) -> str:
    """An example program in a comment, which predicts one row."""
    name, output = interface.name, interface.prediction.output
    if interface.fields:
        values = ", ".join(f".{field.name} = {_example_value(field)}" for field in interface.fields[:4])
        more = ", ..." if len(interface.fields) > 4 else ""
        row = f"{name}_row row = {{{values}{more}}};"
        argument = "&row"
    else:
        row, argument = f"static uint8_t pixels[{name.upper()}_PIXELS];", "pixels"
    if isinstance(output, Numbers):
        lines = [
            row,
            f"double values[{name.upper()}_OUTPUTS];",
            f"if ({name}_predict({argument}, 1, values) == 0)",
        ]
        lines.append('    printf("%g\\n", values[0]);')
    else:
        kind = "LABELS" if output.multilabel else "CLASSES"
        lines = [row, f"double probabilities[{name.upper()}_{kind}];"]
        lines.append(f"if ({name}_predict({argument}, 1, probabilities, NULL) == 0)")
        lines.append(f'    printf("%s: %g\\n", {name}_class_names[0], probabilities[0]);')
    return "\n".join(f" *     {line}" for line in lines)


def _example_value(field: Field) -> str:
    column, schema = field.column, field.column.schema
    if isinstance(column, Composite):
        return _quoted(schema.type.example(schema))
    if column.is_number:
        return f"{column.fill if schema.mean is None else schema.mean:g}"
    if column.values is not None:
        return f"{column.values[0]:g}"
    return _quoted(schema.categories[0])


def _quoted(text: str) -> str:
    return '"' + _harmless(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
