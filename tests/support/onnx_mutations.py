"""Changes at random to what an ONNX file says: operators, settings, names, shapes, types and elements."""

from __future__ import annotations

from random import Random
from typing import Any

from onnx import AttributeProto, ModelProto, TensorProto

from lamina.interchange.network import OPERATORS

__all__ = ["model_changed"]

_NUMBERS = (0, 1, -1, 2, 3, 7, 255, 1024, 1 << 20, 1 << 31, (1 << 31) - 1, 1 << 40, (1 << 63) - 1, -(1 << 63))
_FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, 1e38, 3.4e38, float("nan"), float("inf"), -float("inf"))
_NAMES = (
    "axis",
    "axes",
    "perm",
    "to",
    "epsilon",
    "alpha",
    "value",
    "keepdims",
    "shape",
    "split",
    "ratio",
    "min",
)
_TEXTS = ("", "tanh", "L1", "é" * 40, "\x1b[2J", "a\nb", "../x", "/etc/passwd", "beside")


def model_changed(content: bytes, rng: Random) -> bytes:
    """The file with some changes; it is still one that protobuf reads."""
    model = ModelProto()
    model.ParseFromString(content)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        kinds = (_node, _node, _node, _attribute, _attribute, _tensor, _tensor, _structure, _input, _header)
        rng.choice(kinds)(model, rng)
    return model.SerializeToString()


def _names(model: ModelProto) -> list[str]:
    graph = model.graph
    names = [name for node in graph.node for name in (*node.input, *node.output)]
    return [
        *names,
        *[tensor.name for tensor in graph.initializer],
        *[x.name for x in graph.input],
        "",
        "nothing",
    ]


def _node(model: ModelProto, rng: Random) -> None:
    """Another operator, or other inputs and outputs."""
    if not model.graph.node:
        return
    node = rng.choice(model.graph.node)
    kind = rng.randrange(6)
    if kind == 0:
        node.domain, node.op_type = rng.choice(list(OPERATORS))
    elif kind == 1:
        node.op_type = rng.choice(("Conv", "Loop", "Constant", "", "x" * 500, "\x1b[2J"))
    elif kind == 2 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(_names(model))
    elif kind == 3:
        node.input.append(rng.choice(_names(model)))
    elif kind == 4 and node.input:
        del node.input[rng.randrange(len(node.input))]
    else:
        node.output.append(rng.choice((*_names(model), "more")))


def _attribute(model: ModelProto, rng: Random) -> None:
    """Another setting, or another value of one."""
    if not model.graph.node:
        return
    node = rng.choice(model.graph.node)
    if not node.attribute or rng.random() < 0.3:
        node.attribute.append(AttributeProto(name=rng.choice(_NAMES), type=AttributeProto.INT, i=1))
    attribute = rng.choice(node.attribute)
    attribute.type = rng.choice([attribute.type, *AttributeProto.AttributeType.values()])
    attribute.i, attribute.f = rng.choice(_NUMBERS), rng.choice(_FLOATS)
    attribute.s = rng.choice(_TEXTS).encode()
    del attribute.ints[:], attribute.floats[:]
    attribute.ints.extend(_some(_NUMBERS, rng))
    attribute.floats.extend(_some(_FLOATS, rng))
    attribute.strings.extend(text.encode() for text in _some(_TEXTS, rng))
    if rng.random() < 0.2:
        attribute.name = rng.choice(_NAMES)
    if attribute.type == AttributeProto.TENSOR and not attribute.HasField("t"):
        attribute.t.CopyFrom(TensorProto(dims=[1], data_type=1, float_data=[1.0]))


def _some(values: Any, rng: Random) -> list[Any]:
    return [rng.choice(values) for _ in range(rng.choice((0, 1, 1, 2, 3, 8)))]


def _tensor(model: ModelProto, rng: Random) -> None:
    """Another shape, type or place of an array, or other elements."""
    arrays = [*model.graph.initializer]
    arrays += [a.t for node in model.graph.node for a in node.attribute if a.HasField("t")]
    if not arrays:
        return
    tensor = rng.choice(arrays)
    kind = rng.randrange(8)
    if kind == 0:
        del tensor.dims[:]
        tensor.dims.extend(_some(_NUMBERS, rng))
    elif kind == 1:
        tensor.dims.append(1)
    elif kind == 2:
        tensor.data_type = rng.choice((*TensorProto.DataType.values(), 99))
    elif kind == 3 and tensor.raw_data:
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data))]
    elif kind == 4:
        tensor.int64_data.extend(_some(_NUMBERS, rng))
    elif kind == 5 and tensor.raw_data:
        item = rng.choice((4, 8))
        count = len(tensor.raw_data) // item
        numbers = [rng.choice(_NUMBERS) % (1 << 8 * item) for _ in range(count)]
        rest = tensor.raw_data[count * item :]
        tensor.raw_data = b"".join(n.to_bytes(item, "little") for n in numbers) + rest
    elif kind == 6:
        tensor.data_location = TensorProto.EXTERNAL
        for key in ("location", "offset", "length"):
            if rng.random() < 0.7:
                tensor.external_data.add(key=key, value=rng.choice((*_TEXTS, *map(str, _NUMBERS))))
    else:
        tensor.name = rng.choice(_names(model))


def _structure(model: ModelProto, rng: Random) -> None:
    """A node less, twice, or elsewhere; an array less; another output."""
    graph = model.graph
    kind = rng.randrange(5)
    if kind == 0 and graph.node:
        del graph.node[rng.randrange(len(graph.node))]
    elif kind == 1 and graph.node:
        copy = graph.node.add()
        copy.CopyFrom(rng.choice(graph.node))
        del copy.output[:]
        copy.output.append("copy")
    elif kind == 2 and graph.initializer:
        del graph.initializer[rng.randrange(len(graph.initializer))]
    elif kind == 3 and graph.output:
        graph.output[0].name = rng.choice(_names(model))
    else:
        _grown(model, rng)


def _grown(model: ModelProto, rng: Random) -> None:
    """A value that doubles again and again, or is multiplied with itself."""
    graph, name = model.graph, rng.choice(_names(model))
    for i in range(rng.choice((3, 40))):
        node = graph.node.add(op_type=rng.choice(("Concat", "Add", "Mul", "MatMul", "Tile", "Expand")))
        node.input.extend([name, name])
        if node.op_type == "Concat":
            node.attribute.append(AttributeProto(name="axis", type=AttributeProto.INT, i=0))
        name = f"grown{i}"
        node.output.append(name)
    if graph.output:
        graph.output[0].name = name


def _input(model: ModelProto, rng: Random) -> None:
    """Another type or shape of an input."""
    if not model.graph.input:
        return
    tensor = rng.choice(model.graph.input).type.tensor_type
    if rng.random() < 0.4:
        tensor.elem_type = rng.choice((*TensorProto.DataType.values(), 99))
    elif tensor.shape.dim:
        size = rng.choice(tensor.shape.dim)
        size.dim_value = rng.choice(_NUMBERS)
        if rng.random() < 0.2:
            del tensor.shape.dim[-1]
    else:
        tensor.shape.dim.add(dim_value=rng.choice(_NUMBERS))


def _header(model: ModelProto, rng: Random) -> None:
    """Another version of the operators."""
    entry = rng.choice(model.opset_import) if model.opset_import else model.opset_import.add()
    entry.version = rng.choice((*_NUMBERS, *range(6, 27)))
