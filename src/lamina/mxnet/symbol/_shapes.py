"""`Symbol.infer_shape`: the shapes of a network's arrays, from those of its inputs.

The network runs on arrays without contents, so nothing is computed.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from lamina.mxnet.symbol.computing import Key, Step, key_of, planned, shapes_of
from lamina.nd.shapes_only import array_of_shape, on_shapes_only

if TYPE_CHECKING:
    from lamina.mxnet.symbol.nodes import Symbol
    from lamina.nd.ndarray import NDArray

__all__ = ["inferred"]

Shape = tuple[int, ...]
Inferred = tuple[list[Shape], list[Shape], list[Shape]] | tuple[None, None, None]


def inferred(symbol: Symbol, *shapes: Shape | None, **named: Shape) -> Inferred:
    """See `Symbol.infer_shape`."""
    names = symbol.list_arguments()
    given = {name: shape for name, shape in zip(names, shapes, strict=False) if shape is not None} | named
    for name in named:
        if name not in symbol.list_inputs():
            raise ValueError(
                f"infer_shape: {name!r} is no input; there are {', '.join(symbol.list_inputs()[:20])}"
            )
    arrays: dict[Key, NDArray] = {name: array_of_shape(tuple(shape)) for name, shape in given.items()}
    found = {name: tuple(shape) for name, shape in given.items()}
    with on_shapes_only():
        for step in planned(symbol.heads):
            unknown = _complete(step, arrays, found)
            if unknown:
                warnings.warn(
                    f"infer_shape: {', '.join(unknown)} of {step.node.name} cannot be told from the shapes of "
                    f"{', '.join(given) or 'nothing'}; give more of them",
                    stacklevel=3,
                )
                return None, None, None
            arrays.update(zip(step.outputs, step.compute(*[arrays[key] for key in step.inputs]), strict=True))
    outputs = [arrays[key_of(head)].shape for head in symbol.heads]
    return [found[n] for n in names], outputs, [found[n] for n in symbol.list_auxiliary_states()]


def _complete(step: Step, arrays: dict[Key, NDArray], found: dict[str, Shape]) -> list[str]:
    """Create the parameters of a step that its first input determines; return the names of the others."""
    operator, first, unknown = step.node.operator, arrays.get(step.inputs[0]), []
    for place, key in enumerate(step.inputs):
        if key in arrays:
            continue
        known: dict[str, Shape] = {}
        if operator is not None and first is not None and not operator.is_variadic:
            known = shapes_of(step.node, first.shape)
        shape = (
            known.get(operator.inputs(step.node.values)[place]) if operator is not None and known else None
        )
        if shape is None:
            unknown.append(str(key))
            continue
        found[str(key)] = shape
        arrays[key] = array_of_shape(shape)
    return unknown
