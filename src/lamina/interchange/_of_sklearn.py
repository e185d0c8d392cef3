"""Operators of ONNX's domain ``ai.onnx.ml`` that occur in scikit-learn's networks and preprocessing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina import nd
from lamina.interchange._graph import Node
from lamina.interchange._values import Labels, Value, broadcast, by_norm, data, is_known, reshaped
from lamina.nd.ndarray import NDArray


def _vector(node: Node, name: str, size: int) -> Any:
    """The value of an attribute: a number for all columns, or a vector of `size` numbers."""
    values = node.numbers(name) or []
    if len(values) == 1:
        return values[0]
    if len(values) != size:
        raise node.error(f"has {len(values)} numbers in {name} for {size} columns")
    return nd.array(np.array(values, np.float32))


def _scaler(node: Node, x: Value) -> NDArray:
    array = nd.cast(data(node, x), np.float32)
    offset, scale = (_vector(node, name, array.shape[-1]) for name in ("offset", "scale"))
    return (array - offset) * scale


def _normalizer(node: Node, x: Value) -> NDArray:
    array, kind = nd.cast(data(node, x), np.float32), node.text("norm", "MAX")
    if kind == "MAX":
        return by_norm(array, nd.max(array, axis=-1, keepdims=True))
    if kind not in ("L1", "L2"):
        raise node.error(f"the norm {kind!r} is unknown; known: MAX, L1, L2")
    return by_norm(array, nd.norm(array, ord=1 if kind == "L1" else 2, axis=(-1,), keepdims=True))


def _binarizer(node: Node, x: Value) -> NDArray:
    array = data(node, x)
    return nd.cast(nd.greater(array, node.number("threshold", 0.0)), array.dtype)


def _imputer(node: Node, x: Value) -> NDArray:
    array = data(node, x)
    if np.dtype(array.dtype).kind != "f":
        raise node.error("replaces missing values in whole numbers; only floats are supported")
    wanted = node.number("replaced_value_float", 0.0)
    missing = nd.not_equal(array, array) if math.isnan(wanted) else nd.equal(array, wanted)
    filled = _vector(node, "imputed_value_floats", array.shape[-1])
    return nd.where(missing, nd.zeros_like(array) + filled, array)


def _feature_vectorizer(node: Node, *inputs: Value) -> NDArray:
    arrays = [nd.cast(data(node, x), np.float32) for x in inputs]
    if not arrays:
        raise node.error("has no input")
    return arrays[0] if len(arrays) == 1 else nd.concat(*arrays, dim=1)


def _array_feature_extractor(node: Node, x: Value, positions: Value) -> Any:
    """Select elements of the last axis by position; a vector becomes a matrix with one row."""
    where = nd.cast(data(node, positions), np.int64).reshape((-1,))
    if is_known(x) and x.dtype == object:
        if x.ndim > 1 and x.shape[0] != 1:
            raise node.error("selects strings from a matrix of several rows")
        return Labels(x.reshape(-1), where.reshape((1, -1)))
    array = data(node, x)
    found = nd.take(array, where, axis=array.ndim - 1)
    return found.reshape((1, -1)) if array.ndim == 1 else found


_KEYS = ("keys_int64s", "keys_floats")
_VALUES = ("values_strings", "values_int64s", "values_floats")


def _label_encoder(node: Node, x: Value) -> Any:
    """Map numeric keys to values, with a default for unknown keys."""
    keys = next((node.numbers(name) for name in _KEYS if node.attributes.get(name)), None)
    name = next((name for name in _VALUES if node.attributes.get(name)), None)
    if keys is None or name is None:
        raise node.error("encodes strings, or has no keys; lamina imports networks that take numbers")
    values: Any = node.texts(name) if name == "values_strings" else node.numbers(name)
    if len(values) != len(keys) or len(keys) > _MOST_KEYS:
        raise node.error(
            f"has {len(keys)} keys and {len(values)} values; it needs a value per key, and at most {_MOST_KEYS:,} keys"
        )
    array = data(node, x)
    element, key = reshaped(array, (*array.shape, 1)), nd.array(np.array(keys), dtype=array.dtype)
    hit = nd.equal(element, key)
    if node.opset >= _NAN_IS_A_KEY and any(map(math.isnan, keys)):
        hit = nd.maximum(hit, nd.not_equal(element, element) * nd.not_equal(key, key))
    hit = nd.cast(hit, np.float32)
    last = broadcast(nd.full((1,), 0.5), (*array.shape, 1))
    position = nd.cast(nd.argmax(nd.concat(hit, last, dim=array.ndim), axis=array.ndim), np.int64)
    if name == "values_strings":
        texts = [*values, node.text("default_string", "_Unused")]
        return Labels(np.array(texts, dtype=object), position)
    whole = name == "values_int64s"
    default = node.integer("default_int64", -1) if whole else node.number("default_float", -0.0)
    table = np.array([*values, default], np.int64 if whole else np.float32)
    return nd.take(nd.array(table, dtype=table.dtype), position)


_MOST_KEYS = 10_000
_NAN_IS_A_KEY = 4
"""The domain version from which NaN matches a NaN key."""


OF_SKLEARN: dict[str, Any] = {
    "Scaler": _scaler,
    "Normalizer": _normalizer,
    "Binarizer": _binarizer,
    "Imputer": _imputer,
    "FeatureVectorizer": _feature_vectorizer,
    "ArrayFeatureExtractor": _array_feature_extractor,
    "LabelEncoder": _label_encoder,
    "ZipMap": data,  # class probabilities as a matrix, instead of dictionaries
}
"""Functions from a node and its input values to the result, by ONNX operator name."""
