"""`SymbolBlock`, a trainable block from a symbol, and `export`, which writes a block as a symbol and parameters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.finite import look_at_saved
from lamina.device.context import Context, current_context
from lamina.errors import LaminaError, ParameterError
from lamina.gluon.block import HybridBlock
from lamina.gluon.call_checks import inputs_of, require_arrays
from lamina.gluon.parameter import Contexts, DeferredInitializationError
from lamina.gluon.parameter_dict import ParameterDict
from lamina.mxnet.symbol import Group, Symbol, SymbolError, load, load_json, uncounted, var
from lamina.mxnet.symbol.computing import Key, Step, inferred_shapes, key_of, planned, shapes_of
from lamina.mxnet.symbol.graph import TYPE_FLAGS, nodes_of
from lamina.nd.facade import has_facade, leaves, mapped, nesting, plain, shown
from lamina.nd.ndarray import NDArray
from lamina.support.files.named import write_arrays
from lamina.support.messages import closest

__all__ = ["SymbolBlock"]


Symbols = Symbol | Sequence[Symbol]


class SymbolBlock(HybridBlock):
    """A block that computes a symbol; `SymbolBlock.imports` reads an exported network.

    Args:
        outputs: the network's outputs, a symbol or a list of symbols.
        inputs: the network's input variables, in order. All other variables become parameters of the same names.
        params: the parameters of another block to share, from its `collect_params`.

    A call with one array per input returns an array, or a list of arrays for several outputs.

    >>> import lamina as mx
    >>> x = mx.sym.var("x")
    >>> net = mx.gluon.SymbolBlock(mx.sym.FullyConnected(x, num_hidden=2, name="fc"), x)
    >>> net.initialize()
    >>> net(mx.nd.ones((4, 3))).shape
    (4, 2)
    >>> list(net.collect_params())
    ['fc_weight', 'fc_bias']
    """

    @staticmethod
    def imports(
        symbol_file: str | os.PathLike[str],
        input_names: str | Sequence[str],
        param_file: str | os.PathLike[str] | None = None,
        ctx: Contexts = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
    ) -> SymbolBlock:
        """Load a network written by `HybridBlock.export` (lamina's or MXNet's) or MXNet's ``Module.save_checkpoint``.

        Loading untrusted files is safe, since the files are checked and nothing in them is executed.

        Args:
            symbol_file: the network, ``…-symbol.json``.
            input_names: the names of the network's inputs, usually ``["data"]``.
            param_file: the parameter values, ``…-0000.params``. If None, call `initialize` or `load_parameters`
                afterwards.
            ctx: the parameters' device.
            allow_missing: whether parameters may be missing in the file.
            ignore_extra: whether the file may have arrays that are not in the network.

        Raises:
            FileNotFoundError: there is no such file.
            DataError: a file is damaged, or has an unsupported operator.
            ParameterError: the values don't fit the network.
        """
        names = [input_names] if isinstance(input_names, str) else list(input_names)
        net = SymbolBlock(load(symbol_file), list(map(var, names)))
        if param_file is not None:
            net.collect_params().load(
                param_file, ctx, allow_missing, ignore_extra, cast_dtype=True, dtype_source="saved"
            )
        return net

    @staticmethod
    def of_text(described: str, input_names: Sequence[str]) -> SymbolBlock:
        """Load a network from the text of a symbol file, without parameter values."""
        return SymbolBlock(load_json(described), list(map(var, input_names)))

    def __init__(self, outputs: Symbols, inputs: Symbols, params: ParameterDict | None = None) -> None:
        super().__init__(prefix="")
        self._params = ParameterDict("", params)
        given = [inputs] if isinstance(inputs, Symbol) else list(inputs)
        self._symbol = outputs if isinstance(outputs, Symbol) else Group(list(outputs))
        self.input_names = tuple(_variable(x) for x in given)
        variables = self._symbol.list_inputs()
        for name in self.input_names:
            if name not in variables:
                raise ParameterError(
                    f"the network has no input {name!r}.{closest(name, variables)} Its variables: "
                    f"{', '.join(variables[:20])}{' …' * (len(variables) > 20)}"
                )
        auxiliary, noted = set(self._symbol.list_auxiliary_states()), self._symbol.attr_dict()
        common_type = _type_of(*(x.attr("__dtype__") for x in given))
        for name in variables:
            if name not in self.input_names:
                more = {"grad_req": "null", "differentiable": False} if name in auxiliary else {}
                dtype = _type_of(noted.get(name, {}).get("__dtype__"), common_type)
                self._params.get(name, allow_deferred_init=True, dtype=dtype, **more)
        common = len(os.path.commonprefix(list(self._params))) if len(self._params) > 1 else 0  # noqa: RUF071 - as MXNet
        self._reg_params = {name[common:]: parameter for name, parameter in self._params.items()}
        self._steps: list[Step] | None = planned(self._symbol.heads)

    @property
    def symbol(self) -> Symbol:
        """The network's outputs."""
        return self._symbol

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickles, without the execution steps, which a loaded copy computes anew."""
        return {**super().__getstate__(), "_steps": None}

    # --- running --------------------------------------------------------------------------------------------------

    def forward(self, *args: Any) -> Any:
        """The outputs for one array (or symbol) per input; both nested in the formats, if they are set."""
        if nesting(args) == self._in_format:
            args = tuple(x for x in leaves(args) if x is not None)
        if len(args) != len(self.input_names):
            raise TypeError(f"the network takes {', '.join(self.input_names)}; it got {len(args)} inputs")
        if args and isinstance(args[0], Symbol):
            heads = {name: x.heads[0] for name, x in zip(self.input_names, args, strict=True)}
            found = list(self._symbol.replaced(heads))
        else:
            require_arrays(self, args)
            if has_facade(args):
                return mapped(self.forward(*mapped(args, plain)), shown)
            context = args[0].context if args else current_context()
            found = self._computed(dict(zip(self.input_names, args, strict=True)), context)
        if self._out_format:
            outputs = iter(found)
            return mapped(self._out_format, lambda _: next(outputs))
        return found[0] if len(found) == 1 else found

    def _computed(self, values: dict[Key, NDArray], ctx: Context) -> list[NDArray]:
        if self._steps is None:
            self._steps = planned(self._symbol.heads)
        for step in self._steps:
            for key in step.inputs:
                if key not in values:
                    values[key] = self._parameter(str(key), step, values, ctx)
            results = step.compute(*[values[key] for key in step.inputs])
            values.update(zip(step.outputs, results, strict=True))
            for key in step.finished:
                del values[key]
        heads = [key_of(head) for head in self._symbol.heads]
        return [values[key] if key in values else self._params[str(key)]._array_on(ctx) for key in heads]

    def _parameter(self, name: str, step: Step, values: dict[Key, NDArray], ctx: Context) -> NDArray:
        """The array of a parameter on `ctx`; an unknown shape is inferred from the first input of `step`."""
        parameter = self._params[name]
        try:
            return parameter._array_on(ctx)
        except DeferredInitializationError:
            operator, first = step.node.operator, values.get(step.inputs[0])
            if operator is None or first is None or operator.is_variadic:
                raise
            place = operator.inputs(step.node.values)[step.inputs.index(name)]
            shape = shapes_of(step.node, first.shape).get(place)
            if shape is None:
                raise
            parameter.shape = shape
            parameter._finish_deferred_init()
        return parameter._array_on(ctx)

    def infer_shape(self, *args: Any) -> None:
        """Initialize parameters whose shapes depend on the inputs."""
        self.forward(*args)

    def hybrid_forward(self, F: Any, *args: Any, **params: Any) -> Any:
        """Unused, since `forward` computes the symbol."""
        return self.forward(*args)

    def cast(self, dtype: Any) -> None:
        """Change the parameters' dtype; for float16, parameters of batch normalization stay float32."""
        super().cast(dtype)
        if np.dtype(dtype) != np.float16:
            return
        nodes = nodes_of(self._symbol.heads)
        normalizing = [x for x in nodes if x.operator is not None and x.operator.name == "BatchNorm"]
        for given in [given for node in normalizing for given, _ in node.inputs]:
            if given.name in self._params:
                self._params[given.name].cast("float32")

    def reset_ctx(self, ctx: Contexts) -> None:
        self.collect_params().reset_ctx(ctx)

    def __repr__(self) -> str:
        return f"SymbolBlock(\n{self._symbol!r} : {len(self.input_names)} -> {len(self._symbol)}\n)"


def _type_of(*declared: str | None) -> str:
    """The first float dtype among `declared` (dtype names or MXNet's numeric codes), else float32."""
    names = [TYPE_FLAGS[int(x)] if x.isdigit() else x for x in declared if x is not None]
    return next((name for name in names if name.startswith("float")), "float32")


def _variable(x: Symbol) -> str:
    """The name of an input variable; raises `TypeError` for any other symbol."""
    if not isinstance(x, Symbol) or len(x) != 1 or x.heads[0][0].operator is not None:
        raise TypeError(f"SymbolBlock: the inputs are variables (mx.sym.var), not {x!r}")
    return x.heads[0][0].name


# --- export of a block as MXNet's two files ---------------------------------------------------------------------------


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
    in_format = block._in_format or [0] * _inputs_of(block)
    count = list(leaves(in_format)).count(0)
    names = iter(["data"] if count == 1 else [f"data{i}" for i in range(count)])
    inputs = mapped(in_format, lambda item: None if item else var(next(names)))
    try:
        with uncounted():
            found = block(*inputs)
    except SymbolError as error:
        raise LaminaError(_cannot(block, error)) from error
    except (TypeError, AttributeError) as error:
        if "Symbol" not in str(error):
            raise
        raise LaminaError(_cannot(block, error)) from error
    outputs, block._out_format = list(leaves(found)), nesting(found)
    strange = next((x for x in outputs if not isinstance(x, Symbol)), None)
    if strange is not None:
        raise LaminaError(_cannot(block, f"an output is a {type(strange).__name__}, computed without F"))
    return outputs[0] if len(outputs) == 1 else Group(outputs)


def shapes_inside(block: HybridBlock, args: Sequence[Any]) -> dict[str, tuple[int, ...]]:
    """The shapes of variables by name, as far as they follow from a block's inputs and its `hybrid_forward`."""
    arrays = {f"data{i}": plain(x) for i, x in enumerate(leaves(args)) if x is not None}
    names = iter(arrays)
    try:
        with uncounted():
            found = block.forward(*mapped(args, lambda x: None if x is None else var(next(names))))
        heads = Group(list(leaves(found))).heads
        shapes = inferred_shapes(heads, {name: x.shape for name, x in arrays.items()})
    except (LaminaError, AttributeError, TypeError, ValueError):  # it computes without F
        return {}
    return {name: shape for name, shape in shapes.items() if isinstance(name, str)}


def _cannot(block: HybridBlock, why: object) -> str:
    return (
        f"{block.name} can't be exported: {why}. An export records the calls of F in hybrid_forward(F, x); "
        "lamina.export_onnx writes any forward"
    )


def _inputs_of(block: HybridBlock) -> int:
    """The number of a block's inputs before its first call, from the signature of its computation."""
    return max(1, sum(one.default is one.empty for one in inputs_of(block)))
