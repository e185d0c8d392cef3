"""Changes at random to bytes, to JSON and to safetensors files, as damage and malice make them."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

import numpy as np

__all__ = ["bytes_changed", "json_changed", "tensors_changed"]

_NUMBERS = (
    0,
    1,
    -1,
    2,
    7,
    255,
    1 << 16,
    1 << 31,
    (1 << 32) - 1,
    1 << 40,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
)
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 10**6, 10**12, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "a",
    "0", "\ud800", "é" * 50, "\x1b[2J", "O", "<U9", "__class__", [], [1], [[]], ["a", 1], {}, {"a": {}}, [0] * 500,
)  # fmt: skip


def bytes_changed(content: bytes, rng: Random) -> bytes:
    """A few bits flipped, bytes set, cut out, repeated, put in, or numbers written over others."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(7)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif kind == 2:
            del changed[at : at + rng.choice((1, 2, 8, 64))]
        elif kind == 3:
            changed[at:at] = changed[at : at + rng.choice((1, 8, 64, 512))]
        elif kind == 4:
            changed[at:at] = rng.randbytes(rng.choice((1, 2, 8)))
        elif kind == 5:
            size = rng.choice((1, 2, 4, 8))
            changed[at : at + size] = (rng.choice(_NUMBERS) % (1 << 8 * size)).to_bytes(size, "little")
        elif kind == 6 and rng.random() < 0.2:
            del changed[at:]
    return bytes(changed)


def json_changed(value: Any, rng: Random) -> Any:
    """The same but for one place: another value, a key or an item less or more, or another name for a key."""
    changed = copy.deepcopy(value)
    places = list(_places(changed))
    if not places:
        return rng.choice(_VALUES)
    holder, key = rng.choice(places)
    kind = rng.randrange(6)
    if kind <= 2:
        holder[key] = rng.choice(_VALUES)
    elif kind == 3:
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[rng.choice(("a", "shape", key + "_", key[:-1]))] = (
            holder.pop(key) if kind == 4 else holder[key]
        )
    return changed


def _places(value: Any) -> Any:
    """Every list with each index, and every dictionary with each key, at any depth."""
    if isinstance(value, dict | list):
        for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from _places(item)


def tensors_changed(
    arrays: dict[str, np.ndarray], metadata: dict[str, str], rng: Random
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Other arrays, or other metadata, of a file that is otherwise whole."""
    arrays, metadata = dict(arrays), dict(metadata)
    if not metadata or not rng.randrange(3):
        name = rng.choice(list(arrays))
        array = arrays.pop(name)
        kind = rng.randrange(6)
        if kind == 0:
            array = array[: len(array) // 2] if array.ndim else array
        elif kind == 1:
            array = array.astype(rng.choice((np.float64, np.float16, np.int32, np.bool_)))
        elif kind == 2:
            with np.errstate(invalid="ignore"):  # integers have no NaN
                array = np.full_like(array, rng.choice((np.nan, np.inf, 1e38, 0)))
        elif kind == 3:
            array = array.reshape(-1)
        elif kind == 4:
            name = rng.choice(("a", name + "0", name[:-1]))
        if kind < 5:
            arrays[name] = array
        return arrays, metadata
    name = rng.choice(list(metadata))
    text = metadata.pop(name)
    kind = rng.randrange(12)
    if kind == 0:
        metadata[name + "_"] = text
    elif kind == 1:
        metadata[name] = bytes_changed(text.encode("utf-8", "surrogatepass"), rng).decode("utf-8", "replace")
    elif kind == 2:
        metadata[name] = rng.choice(
            ("", "{}", "[]", "null", "[" * 30_000, '{"a":' * 30_000, "9" * 6000, "NaN")
        )
    else:
        try:
            metadata[name] = json.dumps(json_changed(json.loads(text), rng))
        except ValueError:
            metadata[name] = text + "0"
    return arrays, metadata
