"""Errors for invalid settings and inputs of blocks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.array import Facade, Symbolic
from lamina.gluon.parameter_dict import ParameterDict
from lamina.nd.facade import leaves
from lamina.nd.ndarray import NDArray
from lamina.support.argument_checks import no_argument
from lamina.support.foreign_names import ARGUMENTS
from lamina.support.messages import counted

if TYPE_CHECKING:
    from lamina.gluon.block import Block

# --- settings ----------------------------------------------------------------------------------------------------


def unknown_argument(kind: type[Block], name: str) -> TypeError:
    """The `TypeError` for an argument that blocks of this class do not have."""
    named = [p for p in inspect.signature(kind).parameters.values() if p.kind is not p.VAR_KEYWORD]
    known = [*dict.fromkeys([*(p.name for p in named if p.kind is not p.VAR_POSITIONAL), "prefix", "params"])]
    return no_argument(kind.__name__, name, known, ARGUMENTS)


def check_naming(kind: str, prefix: object, params: object) -> None:
    """Raise `TypeError` unless `prefix` is a string and `params` a dictionary of parameters.

    Users often pass a setting or a layer in their place.
    """
    if not (prefix is None or isinstance(prefix, str)):
        raise TypeError(
            f"{kind}: the prefix of its parameters' names must be a string, not a {type(prefix).__name__}. "
            "Layers go into a container: nn.Sequential(layer, …), or net.add(layer)"
        )
    if not (params is None or isinstance(params, ParameterDict)):
        raise TypeError(
            f"{kind}: params, to share parameters, must be another block's .params or .collect_params(), "
            f"not a {type(params).__name__}"
        )


# --- inputs ------------------------------------------------------------------------------------------------------


def require_arrays(block: Block, args: tuple[Any, ...]) -> None:
    """Raise `TypeError` if the inputs are NumPy arrays, numbers or lists instead of `NDArray`s."""
    first = args[0] if args else None
    while isinstance(first, list | tuple) and first:
        first = first[0]
    is_numpys = args and isinstance(args[0], np.ndarray)
    if is_numpys or (
        isinstance(first, np.ndarray | int | float)
        and not any(isinstance(x, NDArray | Facade | Symbolic) for x in leaves(args))
    ):
        raise TypeError(
            f"{block.name}: needs an NDArray, got {type(args[0]).__name__}; make one with nd.array"
        )


def inputs_of(block: Block) -> list[inspect.Parameter]:
    """The positional inputs of the block's computation, as its signature has them."""
    given, computation = block._computation()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    own = list(computation.parameters.values())[len(given) :]
    return [one for one in own if one.kind in kinds and one.name not in block._reg_params]


def require_inputs(block: Block, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Raise `TypeError` if the number or names of the inputs don't match the block's computation.

    This check follows a failed call, since Python's message would count parameters as inputs, too.
    """
    given, computation = block._computation()
    parameters = {name: None for name in block._reg_params if name in computation.parameters}
    try:
        computation.bind(*given, *args, **kwargs, **parameters)
    except TypeError:
        inputs = [p for p in computation.parameters.values() if not _is_own(block, p)][len(given) :]
        raise TypeError(_takes(block, inputs, args, kwargs)) from None


def _is_own(block: Block, asked: inspect.Parameter) -> bool:
    """Whether the block itself passes the argument `asked`, as a parameter or as None for an absent parameter."""
    is_absent = asked.default is None and vars(block).get(asked.name, block) is None
    return is_absent or asked.name in block._reg_params


def _takes(
    block: Block, inputs: list[inspect.Parameter], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str:
    named = [p for p in inputs if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    least, names = sum(p.default is p.empty for p in named), [p.name for p in named]
    if any(p.kind is p.VAR_POSITIONAL for p in inputs):
        number = f"at least {counted(least, 'input')}" if least else "inputs without names"
    else:
        number = counted(len(names), "input") if least == len(names) else f"{least} to {len(names)} inputs"
    listed = f" ({', '.join(names)})" if names else ""
    unknown = [name for name in kwargs if name not in names]
    got = f"one called {unknown[0]!r}" if unknown else str(len(args) + len(kwargs) or "none")
    called = f" '{block.name}'" if block.name else ""
    return f"{type(block).__name__}{called} takes {number}{listed}, got {got}"
