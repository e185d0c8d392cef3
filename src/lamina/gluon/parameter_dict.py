"""`ParameterDict`, a dictionary of parameters by full name, which are initialized, saved and loaded together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any

import numpy as np

from lamina.core.finite import look_at_saved
from lamina.device.context import Context
from lamina.errors import ParameterError, UnfitParameterError
from lamina.gluon.name import NameManager, Scope
from lamina.gluon.parameter import Constant, Contexts, Parameter
from lamina.nd.creation import as_shape
from lamina.nd.facade import is_presenting
from lamina.support.files.named import read_arrays, write_arrays


def assign(
    parameters: Mapping[str, Parameter],
    loaded: Mapping[str, np.ndarray],
    source: str,
    ctx: Contexts,
    allow_missing: bool,
    ignore_extra: bool,
    cast_dtype: bool,
    dtype_source: str,
) -> None:
    """Assign arrays to parameters by name, after checking all arrays; an error changes nothing.

    A shared parameter has several names; `loaded` needs only one of them. `source` is the file's name in messages.
    """
    if dtype_source not in ("current", "saved"):
        raise ParameterError(f"dtype_source is 'current' or 'saved', not {dtype_source!r}")
    supplied = {id(p) for name, p in parameters.items() if name in loaded}
    missing = [name for name, p in parameters.items() if id(p) not in supplied]
    if missing and not allow_missing:
        raise UnfitParameterError(
            f"Parameter '{missing[0]}' is missing in '{source}', which has {brief(loaded)}. "
            "Set allow_missing=True to leave such parameters as they are."
        )
    extra = [name for name in loaded if name not in parameters]
    if extra and not ignore_extra:
        raise ParameterError(
            f"Parameter '{extra[0]}' in '{source}' is not among the network's: {brief(parameters)}. "
            "Set ignore_extra=True to skip such arrays."
        )
    found = {name: p for name, p in parameters.items() if name in loaded}
    for name, p in found.items():
        p._check_loaded(loaded[name], cast_dtype, f"'{name}' in '{source}'")
    for name, p in found.items():
        from_file = cast_dtype and dtype_source == "saved"
        p._take(loaded[name], ctx, loaded[name].dtype if from_file else p.dtype)


def brief(names: Iterable[str], most: int = 8) -> str:
    """The first `most` names, joined for a message."""
    listed = [f"'{name}'" for name in names]
    if len(listed) > most:
        listed = [*listed[: most // 2], "…", *listed[-most // 2 :]]
    return ", ".join(listed) or "none"


class ParameterDict:
    """A dictionary of parameters by full name, in creation order.

    Args:
        prefix: prepended to the name of each parameter that `get` creates.
        shared: a dictionary that `get` searches before it creates a parameter.

    >>> import lamina as mx
    >>> params = mx.gluon.ParameterDict("net_")
    >>> params.get("weight", shape=(2, 0), allow_deferred_init=True)
    Parameter net_weight (shape=(2, 0), dtype=<class 'numpy.float32'>)
    >>> list(params)
    ['net_weight']
    """

    def __init__(self, prefix: str = "", shared: ParameterDict | None = None) -> None:
        if not isinstance(prefix, str):
            raise TypeError(
                f"ParameterDict: the prefix of the names must be a string, not a {type(prefix).__name__}; "
                "update() adds existing parameters"
            )
        self._prefix = prefix
        self._params: dict[str, Parameter] = {}
        self._shared = shared

    @property
    def prefix(self) -> str:
        """The prefix that `get` prepends to names."""
        return self._prefix

    def __repr__(self) -> str:
        title = f"{self._prefix} " if self._prefix else ""
        lines = "\n".join(f"  {p}" for p in self.values())
        return f"{title}(\n{lines}\n)"

    def __getitem__(self, name: str) -> Parameter:
        try:
            return self._params[name]
        except KeyError:
            raise KeyError(f"no parameter {name!r}; there are {brief(self._params)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def __contains__(self, name: object) -> bool:
        return name in self._params

    def keys(self) -> KeysView[str]:
        return self._params.keys()

    def values(self) -> ValuesView[Parameter]:
        return self._params.values()

    def items(self) -> ItemsView[str, Parameter]:
        return self._params.items()

    # --- creation -------------------------------------------------------------------------------------------

    def get(self, name: str, **attributes: Any) -> Parameter:
        """The parameter called ``prefix + name``, created with `attributes` if it does not exist.

        Raises:
            ParameterError: the parameter exists with other attributes (unknown sizes match all sizes).
        """
        full_name = self._prefix + name
        found = self._find(full_name)
        if found is None:
            found = self._params[full_name] = Parameter(full_name, **attributes)
            return found
        for key, wanted in attributes.items():
            _reconcile(found, key, wanted)
        return found

    def get_constant(self, name: str, value: Any = None) -> Constant:
        """The constant called ``prefix + name``, created from `value` if it does not exist."""
        full_name = self._prefix + name
        found = self._find(full_name)
        if found is None:
            if value is None:
                raise KeyError(f"no constant {full_name!r}; give its value to make it")
            found = self._params[full_name] = Constant(full_name, value)
            return found
        if not isinstance(found, Constant):
            raise ParameterError(f"'{full_name}' is a parameter, not a constant")
        if value is not None and not np.array_equal(np.asarray(found.value), np.asarray(value, found.dtype)):
            raise ParameterError(f"Constant '{full_name}' exists with another value")
        return found

    def _find(self, full_name: str) -> Parameter | None:
        if full_name not in self._params and self._shared is not None and full_name in self._shared:
            self._params[full_name] = self._shared[full_name]
        return self._params.get(full_name)

    def update(self, other: ParameterDict | Mapping[str, Parameter]) -> None:
        """Add all parameters of `other`; raises an error if two different parameters have the same name."""
        for name, parameter in other.items():
            if self._params.setdefault(name, parameter) is not parameter:
                raise ParameterError(
                    f"two different parameters are called '{name}': give their blocks different prefixes, "
                    "or make them inside name_scope()"
                )

    # --- all parameters together ----------------------------------------------------------------------------

    def initialize(
        self, init: Any = None, ctx: Contexts = None, verbose: bool = False, force_reinit: bool = False
    ) -> None:
        """Initialize every parameter, with `init` where a parameter has no initializer."""
        for parameter in self.values():
            parameter.initialize(None, ctx, init, force_reinit=force_reinit)
            if verbose:
                print(f"Initialized {parameter}")

    def list_ctx(self) -> list[Context]:
        """All devices on which parameters are, or will be, initialized."""
        return list(dict.fromkeys(ctx for parameter in self.values() for ctx in parameter.list_ctx()))

    def zero_grad(self) -> None:
        """Set all gradients to 0."""
        for parameter in self.values():
            parameter.zero_grad()

    def reset_ctx(self, ctx: Contexts) -> None:
        """Move every parameter to another device or to several devices."""
        for parameter in self.values():
            parameter.reset_ctx(ctx)

    def setattr(self, name: str, value: Any) -> None:
        """Set an attribute of every parameter; ``params.setattr("grad_req", "null")`` freezes all."""
        for parameter in self.values():
            setattr(parameter, name, value)

    def save(self, filename: str | os.PathLike[str], strip_prefix: str = "") -> None:
        """Write all values to a `.params` or `.safetensors` file, under full names without `strip_prefix`."""
        arrays: dict[str, np.ndarray] = {}
        for name, parameter in self.items():
            if not name.startswith(strip_prefix):
                raise ParameterError(
                    f"the prefix '{strip_prefix}' is to be stripped, but Parameter '{name}' does not start "
                    "with it"
                )
            arrays[name.removeprefix(strip_prefix)] = parameter._values()
        write_arrays(filename, arrays, numpy_shapes=is_presenting())
        look_at_saved(x for parameter in self.values() for x in parameter._arrays())

    def load(
        self,
        filename: str | os.PathLike[str],
        ctx: Contexts = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        restore_prefix: str = "",
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Read values from a file written by `save`, prepending `restore_prefix` to each name.

        With `allow_missing`, parameters that the file lacks keep their values. With `ignore_extra`, arrays that match
        no parameter are skipped. With `cast_dtype`, values are converted to the parameter's dtype
        (``dtype_source="current"``), or the parameter to the file's dtype (``"saved"``). After an error nothing is
        changed.
        """
        loaded = {restore_prefix + name: values for name, values in read_arrays(filename).items()}
        source = os.fspath(filename)
        assign(self._params, loaded, source, ctx, allow_missing, ignore_extra, cast_dtype, dtype_source)

    def load_dict(
        self,
        param_dict: Mapping[str, Any],
        ctx: Contexts = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        restore_prefix: str = "",
        filename: str | None = None,
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Set values from a dictionary of arrays, as `load` does from a file.

        `filename` is the dictionary's name in messages.
        """
        loaded = {
            restore_prefix + name.removeprefix("arg:").removeprefix("aux:"): np.asarray(x)
            for name, x in param_dict.items()
        }
        source = filename or "param_dict"
        assign(self._params, loaded, source, ctx, allow_missing, ignore_extra, cast_dtype, dtype_source)


def _reconcile(parameter: Parameter, key: str, wanted: Any) -> None:
    """Check that the attribute `key` of an existing parameter equals `wanted`, or set an unknown shape."""
    existing = getattr(parameter, key, None)
    if existing is None:
        setattr(parameter, key, wanted)
        return
    if key == "shape" and wanted is not None:
        merged = _merge_shapes(existing, as_shape(wanted))
        if merged is not None:
            parameter._shape = merged
            return
    elif wanted is None or wanted == existing or (key == "dtype" and np.dtype(wanted) == np.dtype(existing)):
        return
    raise UnfitParameterError(
        f"Parameter '{parameter.name}' exists with {key}={existing!r}, but is requested with {key}={wanted!r}"
    )


def _merge_shapes(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape that matches both shapes, where 0 matches any size, or None if they conflict."""
    if len(a) != len(b) or any(m != n and m and n for m, n in zip(a, b, strict=True)):
        return None
    return tuple(m or n for m, n in zip(a, b, strict=True))


# --- names of blocks: a number for each class, after the parent's prefix inside `name_scope()` ------------------------


class NameScope(Scope, default=lambda: None):
    """The context ``with block.name_scope():``, in which names of new blocks begin with the prefix of `block`.

    Blocks are numbered separately in each scope. `prefix` and `params` are the block's attributes. If the block has the
    prefix "", its scope is `transparent`: it does not affect names. Outside any scope (`NameScope.current` is None),
    `NameManager` names new blocks.
    """

    def __init__(self, prefix: str, params: ParameterDict, transparent: bool) -> None:
        self.prefix, self.params = prefix, params
        self.counts: Counter[str] = Counter()
        self._transparent = transparent

    def _inner(self) -> NameScope | None:
        return NameScope.current if self._transparent else self


def new_prefix(prefix: str | None, params: ParameterDict | None, hint: str) -> tuple[str, ParameterDict]:
    """The full prefix of a new block, and the dictionary for its parameters.

    Args:
        prefix: the block's prefix; None numbers the hint: ``dense0_``, ``dense1_`` …
        params: a dictionary to share parameters with; its prefix is then the prefix of the parameters' names.
        hint: the base name of numbered blocks, such as ``dense``.
    """
    scope: NameScope | None = NameScope.current
    if prefix is None:
        is_first = scope is None
        name = NameManager.current.get(None, hint) if is_first else NameManager._numbered(hint, scope.counts)
        prefix = f"{name}_"
    if params is not None:
        own = ParameterDict(params.prefix, params)
    elif scope is None:
        own = ParameterDict(prefix)
    else:
        own = ParameterDict(scope.params.prefix + prefix, scope.params._shared)
    return (prefix if scope is None else scope.prefix + prefix), own
