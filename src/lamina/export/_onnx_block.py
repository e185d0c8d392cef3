"""Conversion of a Gluon block with any `forward` to an ONNX model, `block_model`."""

from __future__ import annotations

import inspect
from typing import Any

import onnx

from lamina import autograd
from lamina.errors import LaminaError
from lamina.export._onnx_emission import Emission
from lamina.export._onnx_graph import ROWS, OnnxGraph
from lamina.export._onnx_patterns import PATTERNS
from lamina.export._onnx_primitives import EMITTERS
from lamina.export._trace import Rows, traced
from lamina.export.traced import examples_of
from lamina.gluon.block import Block, HybridBlock
from lamina.nd.ndarray import NDArray

OUTPUT = "output"


def block_model(block: Block, inputs: Any = None) -> onnx.ModelProto:
    """Convert a block in prediction mode to an ONNX model, for any number of rows.

    Args:
        block: an initialized block; parameters of unknown shape are inferred from `inputs`.
        inputs: an example input, or a list of several, with rows along the first axis. The model's inputs have the
            dtypes and sizes of the example, except for the number of rows. None: a matrix for the first `Dense` layer.

    Raises:
        LaminaError: an operator has no ONNX form (the message names the operator and its layer); or as for `traced`.
    """
    examples = _examples(block, inputs)
    types = [(array.shape[1:], array.dtype) for array in examples]
    found = traced(block, types, block.name)
    names = _names(block, len(types))
    graph = OnnxGraph(names)
    tensors = [
        graph.input(name, dtype, [ROWS, *shape]) for name, (shape, dtype) in zip(names, types, strict=True)
    ]
    emission = Emission(graph, found, tensors, EMITTERS, PATTERNS)
    results = found.results
    for i, node in enumerate(results):
        name = graph.name(OUTPUT if len(results) == 1 else f"{OUTPUT}{i}")
        sizes = [_size(size) for size in found.shapes[node]]
        graph.output(emission.tensor(node), name, node.dtype, sizes)
    return graph.model(block.name or type(block).__name__, {**_metadata(block)})


def _size(size: Any) -> int | str:
    """The ONNX form of a size: a number, or the name of a variable dimension."""
    if not isinstance(size, Rows):
        return size
    return ROWS if size.times == 1 else f"{size.times} {ROWS}"


def _metadata(block: Block) -> dict[str, str]:
    from lamina import __version__

    return {"lamina_version": __version__, "network": repr(block)}


def _examples(block: Block, inputs: Any) -> list[NDArray]:
    examples = examples_of(block, inputs, "export_onnx")
    for i, array in enumerate(examples):
        if not array.shape:
            raise LaminaError(
                f"input {i} of {block.name} has no axes, but its first axis must be rows; reshape it to (1,)"
            )
    with autograd.pause(train_mode=False):
        block(*examples)  # determines all sizes
    return examples


def _names(block: Block, count: int) -> list[str]:
    """The argument names of the block's `forward`, for the first `count` inputs."""
    hybrid = isinstance(block, HybridBlock) and type(block).forward is HybridBlock.forward
    own = block.hybrid_forward if hybrid else block.forward  # pyright: ignore[reportAttributeAccessIssue]
    parameters = list(inspect.signature(own).parameters.values())[1 if hybrid else 0 :]
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [one.name for one in parameters if one.kind in kinds and one.name not in block._reg_params]
    return names[:count] if len(names) >= count else [f"input{i}" for i in range(count)]
