"""Files of Gluon networks that can predict tables, like estimators.

The safetensors file has the parameters by name. Its metadata has the network's symbol, as `HybridBlock.export` writes
it, the shape of an input row, and optionally the names of columns and classes.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lamina import autograd, nd
from lamina.device.context import Context, cpu
from lamina.errors import DataError, LaminaError
from lamina.estimators.architecture import Architecture
from lamina.estimators.file_schema import TargetState as ClassValues
from lamina.estimators.file_schema import class_values, stored_classes
from lamina.estimators.fitted import FittedModel
from lamina.estimators.targets import AnyTarget, Classes, Numbers, target_named
from lamina.nd.ndarray import NDArray
from lamina.support.files.tensors import TensorFile, open_tensors, save_tensors
from lamina.support.files.typed_json import Count, decoded
from lamina.support.messages import excerpt
from lamina.table.encode import Encoded, TableEncoder
from lamina.table.messages import row
from lamina.table.schema import ColumnSchema, Schema
from lamina.table.types import Number

if TYPE_CHECKING:
    from lamina.gluon import SymbolBlock
    from lamina.mxnet.symbol import Symbol

FORMAT = "lamina network 1"
"""The ``format`` entry in the file's metadata."""

_MOST_INPUTS = 1 << 24
"""Maximum number of values per row, since memory for the number stated in a file is allocated."""


def is_network_format(written: str) -> bool:
    """Whether a file's format is that of network files, in any version."""
    return re.fullmatch("lamina network [0-9]+", written) is not None


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """The entry ``network`` of a network file's metadata."""

    shape: list[Count]
    dtype: str
    columns: list[str] | None = None
    classes: ClassValues | None = None
    target: str | None = None


# --- the file --------------------------------------------------------------------------------------------------------


def save_network(
    block: Any,
    path: str | os.PathLike[str],
    inputs: Any,
    metadata: Mapping[str, str] | None = None,
    *,
    columns: Sequence[str] | None = None,
    classes: Any = None,
    target: str | None = None,
) -> None:
    """Write a network to a file; see `lamina.estimators.persistence.save`."""
    from lamina.gluon import HybridBlock

    if not isinstance(block, HybridBlock):
        raise TypeError(
            f"save(net, path) needs a HybridBlock, whose layers can be recorded, not a {type(block).__name__}; "
            "net.save_parameters(path) writes the parameters of any block"
        )
    example = _example(inputs)
    with autograd.pause(train_mode=False):
        found = block(example)
    width = _width(found, len(example))
    inputs_of_row = math.prod(example.shape[1:])
    if columns is not None and len(columns) != inputs_of_row:
        raise LaminaError(
            f"columns has {len(columns)} names, but a row of the network's input has {inputs_of_row} numbers"
        )
    if columns is not None and (twice := [name for name, count in Counter(columns).items() if count > 1]):
        raise LaminaError(
            f"columns has the name {twice[0]!r} twice, but tables' columns are found by their names"
        )
    symbol = block.as_symbol()
    values = None if classes is None else np.asarray(classes)
    if values is not None:
        _require_classes(len(values), width, _last_operator(symbol))
    parameters = block.collect_params()
    learned = [name for name in symbol.list_inputs() if name in parameters]
    arrays = {name: parameters[name].list_data()[0].asnumpy() for name in learned}
    names = None if columns is None else [str(name) for name in columns]
    stored = None if values is None else stored_classes(values)
    content = _Content(list(example.shape[1:]), np.dtype(example.dtype).name, names, stored, target)
    texts = {"network": msgspec.json.encode(content).decode(), "symbol": symbol.tojson()}
    save_tensors(path, arrays, {**(metadata or {}), **texts, "format": FORMAT})


def _example(inputs: Any) -> NDArray:
    """An example batch for the network, from the argument `inputs`."""
    if inputs is None:
        raise LaminaError(
            "to save a network, give an example of its input, whose first axis is rows: "
            "save(net, path, inputs=nd.ones((1, 784)))"
        )
    given = np.asarray(inputs) if not isinstance(inputs, NDArray) else inputs
    array = nd.array(given, dtype=given.dtype)
    if array.ndim < 2 or not array.size:
        raise LaminaError(
            f"inputs has the shape {array.shape}; its first axis must be rows, at least one, and there must be other "
            "axes, as in nd.ones((1, 784))"
        )
    return array


def _width(found: Any, rows: int) -> int:
    """The number of outputs per row, from the network's result for `rows` rows.

    Raises `LaminaError` for an invalid result.
    """
    if not isinstance(found, NDArray):
        raise LaminaError(
            f"the network returns {len(found)} arrays; only a network that returns a single array can be saved"
        )
    if not found.shape or found.shape[0] != rows or not found.size:
        raise LaminaError(
            f"the network returns an array of shape {found.shape} for {rows} rows; its first axis must be these rows, "
            "each with at least one number"
        )
    return math.prod(found.shape[1:])


def load_network(path: str | os.PathLike[str]) -> SymbolBlock:
    """Load a network that `save_network` wrote, as a block that can predict and be trained.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is damaged, or of another type.
    """
    with open_tensors(path) as file:
        return _read(file)[0]


def _read(file: TensorFile) -> tuple[SymbolBlock, _Content]:
    from lamina.gluon import SymbolBlock

    written = file.metadata.get("format", "")
    if written != FORMAT:
        newer = f"has the format {excerpt(written)!r}: it was written by a newer lamina; upgrade to read it"
        what = newer if is_network_format(written) else "is not a network that lamina saved"
        raise DataError(f"{file.name} {what}")
    if not file.is_signed:
        raise file.damaged("it has lost its digest")
    content = decoded(file.metadata.get("network", ""), _Content, f"{file.name} is damaged")
    if math.prod(content.shape) > _MOST_INPUTS or not content.shape or 0 in content.shape:
        raise file.damaged(f"a row of its input has the invalid shape {tuple(content.shape)}")
    arrays = file.arrays()
    if infinite := not_finite(arrays):
        raise file.damaged(f"{infinite} has values that are not finite")
    try:
        np.dtype(content.dtype)
        net = SymbolBlock.of_text(file.metadata.get("symbol", ""), ["data"])
        net.collect_params().load_dict(arrays, cast_dtype=True, dtype_source="saved")
    except (LaminaError, ValueError, TypeError, OverflowError) as error:
        raise file.damaged(error) from error
    return net, content


def not_finite(arrays: Mapping[str, np.ndarray]) -> str | None:
    """The name of an array that has infinite or NaN values; None if all values are finite."""
    return next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)


# --- as an estimator -------------------------------------------------------------------------------------------------


@dataclass
class BlockNetwork:
    """A Gluon network with the interface of `Ensemble`, which maps encoded rows to outputs.

    Attributes:
        block: the network.
        shape: the shape of an input row.
        dtype: the dtype of the input.
        outputs: the number of outputs per row.
        last: the name of the network's last operator.
        classes: whether outputs are class logits.
    """

    block: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    outputs: int
    last: str = ""
    classes: bool = False
    shares: tuple[float, ...] = (1.0,)
    candidates: tuple[str, ...] = ("",)
    context: Context = field(default_factory=cpu)
    compiled: dict[Any, Any] = field(default_factory=dict[Any, Any])

    @property
    def members(self) -> list[BlockNetwork]:
        """A list whose only member is the network itself."""
        return [self]

    @property
    def architecture(self) -> Architecture:
        """The sizes of the network's input and output; its layers are known to `block` alone."""
        return Architecture(0, math.prod(self.shape), (), self.outputs, hidden=())

    @property
    def parameter_count(self) -> int:
        """The number of learned parameters."""
        return sum(math.prod(p.shape) for p in self.block.collect_params().values() if p.grad_req != "null")

    @property
    def said(self) -> str:
        """A short description of the network, for `lamina inspect`."""
        return f"a Gluon network of {' × '.join(map(str, self.shape))} numbers a row, {self.dtype}"

    def kept_rises(self) -> tuple[()]:
        """Nothing: a Gluon network computes all from a row."""
        return ()

    def forward(self, numeric: NDArray, codes: NDArray | None = None, _rises: tuple[()] = ()) -> NDArray:
        """The outputs (rows, outputs), float32, for encoded rows."""
        rows = numeric.reshape((numeric.shape[0], *self.shape)).astype(self.dtype)
        found = self.block(rows).astype(np.float32).reshape((numeric.shape[0], -1))
        return self._logits(found) if self.classes else found

    __call__ = forward  # an ensemble of one network

    def _logits(self, found: NDArray) -> NDArray:
        """The logits of the network's class probabilities.

        `found` has the network's results, which are logits or probabilities.
        """
        if self.last in _SOFTMAX:
            return nd.log(nd.maximum(found, _LEAST))
        if found.shape[1] == self.outputs:
            return found
        if self.last in _SIGMOID:
            return nd.log(nd.maximum(nd.concat(1 - found, found, dim=1), _LEAST))
        return nd.concat(nd.zeros_like(found), found, dim=1)  # a single logit belongs to the second class


_SOFTMAX = ("softmax", "SoftmaxOutput", "SoftmaxActivation")
_SIGMOID = ("sigmoid", "LogisticRegressionOutput")
_LEAST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


class _Complete(TableEncoder):
    """An encoder of numeric columns that raises an error for missing values, which Gluon networks can't handle.

    There is nothing to fit.
    """

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema, missing_indicator=False, robust_scale=False, smooth_clip=False)
        self._fitted = True

    def _encoded(self, table: Any, codes_of: Callable[[ColumnSchema[Any]], np.ndarray]) -> Encoded:
        for column in self.schema.used:
            missing = np.isnan(table.column(column.name).numbers())
            if missing.any():
                where = row(int(np.argmax(missing)))
                raise DataError(
                    f"column {column.name!r} is empty in {where}, and a Gluon network has no rule for missing values"
                )
        return super()._encoded(table, codes_of)

    def transform_coded(self, numbers: np.ndarray, codes: np.ndarray) -> Encoded:
        if np.abs(numbers).max(initial=0) <= _LARGEST:
            return Encoded(numbers.astype(np.float32), codes)
        return super().transform_coded(numbers, codes)  # raises an error that names the row


def network_fitted(path: str | os.PathLike[str]) -> FittedModel[Any]:
    """A fitted model for numeric tables, loaded from a network file.

    A row is the network's flattened input. Columns have the file's names, or by default x0, x1, ….

    Raises:
        DataError: the file is damaged, or of another type.
    """
    with open_tensors(path) as file:
        net, content = _read(file)
        try:
            return _fitted(net, content)
        except (LaminaError, ValueError, TypeError) as error:
            raise file.damaged(error) from error


def network_estimator(fitted: FittedModel[Any]) -> Any:
    """A fitted estimator with the model that `network_fitted` returned.

    It is an `MLPClassifier` if the network has classes, otherwise an `MLPRegressor`.
    """
    from lamina.estimators import MLPClassifier, MLPRegressor

    estimator: Any = MLPClassifier() if isinstance(fitted.target, Classes) else MLPRegressor()
    estimator.n_features_in_ = len(fitted.encoder.schema.columns)
    estimator.fitted_ = fitted
    return estimator


def _fitted(net: SymbolBlock, content: _Content) -> FittedModel[Any]:
    shape, dtype = tuple(content.shape), np.dtype(content.dtype)
    with autograd.pause(train_mode=False):
        width = _width(net(nd.zeros((2, *shape), dtype=dtype)), 2)
    target: AnyTarget
    if content.classes is None:
        infinite = np.full(width, np.inf)
        target = Numbers(-infinite, infinite, np.zeros(width), np.ones(width), flat=width == 1)
    else:
        target = Classes(class_values(content.classes))
        _require_classes(target.outputs, width, _last_operator(net.symbol))
    names = content.columns or [f"x{i}" for i in range(math.prod(shape))]
    if len(set(names)) != math.prod(shape):
        raise ValueError(f"{len(set(names))} different column names for {math.prod(shape)} numbers per row")
    columns = tuple(ColumnSchema(name, Number(dtype.name, dtype.kind in "iu"), dtype.name) for name in names)
    named = target_named(content.target, target) if content.target else None
    schema = Schema(columns, 0, content.columns is not None, named)
    last, has_classes = _last_operator(net.symbol), content.classes is not None
    return numbers_fitted(schema, BlockNetwork(net, shape, dtype, target.outputs, last, has_classes), target)


def numbers_fitted(schema: Schema, network: Any, target: Any) -> FittedModel[Any]:
    """A `FittedModel` for numeric tables, whose values the network receives unchanged."""
    return FittedModel(_Complete(schema), network, target)


def _require_classes(classes: int, width: int, last: str) -> None:
    """Raise `LaminaError` unless the network has an output per class, or a single output for two classes."""
    if classes != width and (classes, width) != (2, 1):
        raise LaminaError(f"there are {classes} classes, but the network returns {width} numbers per row")
    if width > 1 and last in _SIGMOID:
        raise LaminaError(
            f"the network ends in a sigmoid of {width} numbers, which are not probabilities of exclusive classes; "
            "leave classes out"
        )


def _last_operator(symbol: Symbol) -> str:
    """The name of the operator, or of the activation function, that computes a network's output."""
    node, _ = symbol.heads[0]
    if node.operator is None:
        return ""
    return str(node.values.get("act_type", "")) if node.operator.name == "Activation" else node.operator.name
