"""The table printed by `Block.summary`, with layers, output shapes and numbers of parameters."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.gluon.parameter import Parameter
from lamina.nd.facade import leaves, plain
from lamina.nd.ndarray import NDArray
from lamina.support.contexts import changed

if TYPE_CHECKING:
    from lamina.gluon.block import Block


class _Row(NamedTuple):
    layer: str
    shape: str
    parameters: int


def summary(block: Block, *inputs: Any) -> str:
    """Run `block` on `inputs` and return the table as text, with a row for each layer."""
    rows = [_Row("Input", _shapes(inputs), 0)]
    uses: list[Parameter] = []

    def note(layer: Block, _inputs: Any, output: Any) -> None:
        own = list(layer.params.values())
        uses.extend(own)
        if layer._has_row:
            size = sum(p.data().size for p in own)
            rows.append(_Row(f"{type(layer).__name__}-{len(rows)}", _shapes(output), size))

    with ExitStack() as stack:
        block.apply(lambda layer: stack.enter_context(layer.register_forward_hook(note)))
        # A hybridized block runs its Python code, and thus also its children's hooks.
        block.apply(lambda layer: stack.enter_context(changed(layer, _active=False)))
        block(*inputs)
    return _table(rows, uses)


def _shapes(value: Any) -> str:
    return ", ".join(str(x.shape if isinstance(x, NDArray) else x) for x in map(plain, leaves(value)))


def _table(rows: list[_Row], uses: list[Parameter]) -> str:
    unique = {id(p): p for p in uses}.values()
    total = sum(p.data().size for p in uses)
    trainable = sum(p.data().size for p in uses if p.grad_req != "null")
    distinct = sum(p.data().size for p in unique)
    line = "{:>20}  {:>42} {:>15}"
    return "\n".join(
        [
            "-" * 80,
            line.format("Layer (type)", "Output Shape", "Param #"),
            "=" * 80,
            *(line.format(row.layer, row.shape, row.parameters) for row in rows),
            "=" * 80,
            "Parameters in forward computation graph, duplicate included",
            f"   Total params: {total}",
            f"   Trainable params: {trainable}",
            f"   Non-trainable params: {total - trainable}",
            f"Shared params in forward computation graph: {total - distinct}",
            f"Unique parameters in model: {distinct}",
            "-" * 80,
        ]
    )
