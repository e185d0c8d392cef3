"""Changes at random to bytes, to JSON and to safetensors files, as damage and malice make them."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np

__all__ = ["bytes_changed", "json_changed", "tensors_changed"]

_NUMBERS = (
    0, 1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63,
    2**64 - 1,
)  # fmt: skip
_TOKENS = (
    b"\n", b"\r", b"\r\n", b'"', b",", b";", b"\t", b"\0", b"NaN", b"Infinity", b"-", b"1e999", b"9" * 40, b"{", b"[",
    b"[" * 50, b"\\ud800", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b[2J", b"PK\x03\x04", b"\x1f\x8b", b"PAR1", b"ARROW1",
    b"null", b"true",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 10**6, 10**12, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "a",
    "0", "\ud800", "é" * 50, "\x1b[2J", "O", "<U9", "__class__", [], [1], [[]], ["a", 1], {}, {"a": {}}, [0] * 500,
)  # fmt: skip


def bytes_changed(content: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """The same but for one place or a few: bits, bytes, numbers for lengths, pieces cut out, doubled or put in.

    `others` are files that pieces may come from, besides this one.
    """
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        _change(changed, rng, (content, *others))
    return bytes(changed)


def _change(content: bytearray, rng: Random, sources: Sequence[bytes]) -> None:
    at = _place(len(content), rng)
    kind = rng.randrange(9)
    if kind == 0 and at < len(content):
        content[at] ^= 1 << rng.randrange(8)
    elif kind == 1 and at < len(content):
        content[at] = rng.randrange(256)
    elif kind == 2:
        size = rng.choice((1, 2, 4, 8))
        number = rng.choice(_NUMBERS) % 256**size
        content[at : at + size] = number.to_bytes(size, rng.choice(("little", "big")))
    elif kind == 3:
        del content[at : at + rng.choice((1, 2, 4, 16, 64, 200))]
    elif kind == 4:
        content[at:at] = rng.randbytes(rng.choice((1, 2, 4, 9)))
    elif kind == 5:
        content[at:at] = content[at : at + rng.choice((1, 4, 20, 100, 500))] * rng.choice((1, 2, 50))
    elif kind == 6:
        content[at:at] = rng.choice(_TOKENS)
    elif kind == 7:
        source = rng.choice(sources)
        start = rng.randrange(len(source) + 1)
        content[at:at] = source[start : start + rng.choice((4, 30, 300))]
    else:
        del content[at:]


def _place(length: int, rng: Random) -> int:
    """Somewhere; in half of all cases near an end: headers and footers say more than what is between."""
    if rng.random() < 0.5:
        return rng.randrange(length + 1)
    distance = min(int(rng.expovariate(1 / 60)), max(length - 1, 0))
    return distance if rng.random() < 0.5 else max(length - 1 - distance, 0)


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
