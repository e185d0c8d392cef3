"""`export`, which writes a hybrid block as MXNet's two files, the network and its parameters."""

from __future__ import annotations

from lamina.core.finite import look_at_saved
from lamina.errors import LaminaError
from lamina.gluon.block import HybridBlock
from lamina.gluon.call_checks import inputs_of
from lamina.mxnet.symbol import Group, Symbol, SymbolError, uncounted, var
from lamina.nd.facade import leaves, mapped
from lamina.support.files.named import write_arrays


def export(block: HybridBlock, path: str, epoch: int) -> None:
    """Write ``path-symbol.json`` and ``path-0000.params``, each atomically."""
    symbol = written_down(block)
    arguments, auxiliary = set(symbol.list_arguments()), set(symbol.list_auxiliary_states())
    arrays = {
        f"{'aux' if name in auxiliary else 'arg'}:{name}": parameter._values()
        for name, parameter in block.collect_params().items()
        if name in arguments | auxiliary
    }
    write_arrays(f"{path}-{epoch:04d}.params", arrays)
    symbol.save(f"{path}-symbol.json")
    look_at_saved(x for parameter in block.collect_params().values() for x in parameter._arrays())


def written_down(block: HybridBlock) -> Symbol:
    """A block's computation as a symbol, for inputs nested like the inputs of its last call.

    Raises:
        LaminaError: the block's forward pass reads array values, or uses operators outside ``F``.
    """
    layout = block._layout or [None] * _inputs_of(block)
    count = len(list(leaves(layout)))
    names = iter(["data"] if count == 1 else [f"data{i}" for i in range(count)])
    inputs = mapped(layout, lambda _: var(next(names)))
    try:
        with uncounted():
            found = block(*inputs)
    except SymbolError as error:
        raise LaminaError(_cannot(block, error)) from error
    except (TypeError, AttributeError) as error:
        if "Symbol" not in str(error):
            raise
        raise LaminaError(_cannot(block, error)) from error
    outputs = list(leaves(found))
    strange = next((x for x in outputs if not isinstance(x, Symbol)), None)
    if strange is not None:
        raise LaminaError(_cannot(block, f"an output is a {type(strange).__name__}, computed without F"))
    return outputs[0] if len(outputs) == 1 else Group(outputs)


def _cannot(block: HybridBlock, why: object) -> str:
    return (
        f"{block.name} can't be exported: {why}. An export records the calls of F in hybrid_forward(F, x); "
        "lamina.export_onnx writes any forward"
    )


def _inputs_of(block: HybridBlock) -> int:
    """The number of a block's inputs before its first call, from the signature of its computation."""
    return max(1, sum(one.default is one.empty for one in inputs_of(block)))
