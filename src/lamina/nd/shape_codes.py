"""Codes in a target shape, such as -1 in ``nd.reshape``, ``np.reshape`` and ``npx.reshape``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lamina.errors import ShapeError

_CODES = {0: "keep", -1: "infer", -2: "rest", -3: "merge", -4: "split"}
NPX_CODES = {-1: "infer", -2: "keep", -3: "drop", -4: "rest", -5: "merge", -6: "split"}
NP_CODES = {-1: "infer"}
"""The meaning of each code except 0, which is a code only in ``nd.reshape``."""

_TAKES = {"keep": 1, "merge": 2, "drop": 1, "split": 1}


def resolve_shape(
    own: tuple[int, ...], codes: Sequence[int], reverse: bool = False, meanings: Mapping[int, str] = _CODES
) -> tuple[int, ...]:
    """The result shape of reshaping an array of shape `own` to `codes`, with each code replaced by sizes.

    `reverse` matches codes and axes from the right. Raises `ShapeError` if the codes do not fit the shape.
    """
    if reverse:
        return resolve_shape(own[::-1], _reversed_codes(codes, meanings), False, meanings)[::-1]
    sizes: list[int] = []
    axis = 0
    queue = [int(c) for c in codes]
    while queue:
        code = queue.pop(0)
        meaning = meanings.get(code, "size" if code >= 0 else "unknown")
        taken = own[axis : axis + _TAKES.get(meaning, 0)]
        if len(taken) < _TAKES.get(meaning, 0):
            raise ShapeError(f"reshape: the codes {tuple(codes)} refer to more axes than the shape {own} has")
        axis += max(1, len(taken))
        if meaning in ("size", "infer"):
            sizes.append(code)
        elif meaning == "rest":
            sizes.extend(own[axis - 1 :])
            axis = len(own)
        elif meaning == "split":
            parts, queue = queue[:2], queue[2:]
            sizes.extend(_split(taken[0], parts, code))
        elif meaning == "drop" and taken != (1,):
            raise ShapeError(
                f"reshape: {code} leaves out axis {axis - 1} of shape {own}, whose size is not 1"
            )
        elif meaning in ("keep", "merge"):
            sizes.append(math.prod(taken))
        elif meaning == "unknown":
            raise ShapeError(
                f"reshape: {code} in {tuple(codes)} is neither a size nor a code ({', '.join(map(str, meanings))})"
            )
    if sizes.count(-1) > 1:
        raise ShapeError("reshape: only one size can be -1")
    total, known = math.prod(own), math.prod(n for n in sizes if n != -1)
    rest = total // known if known and total % known == 0 else 1
    is_open = -1 in sizes and not known and 0 not in meanings
    found = tuple([rest if n == -1 else n for n in sizes])
    if math.prod(found) != total or is_open:
        raise ShapeError(
            f"reshape: {own} has {total} elements and cannot become {tuple(codes)}, "
            f"which gives {found} with {math.prod(found)}"
        )
    return found


def _reversed_codes(codes: Sequence[int], meanings: Mapping[int, str]) -> list[int]:
    """The codes in reverse order, where the two sizes of a split still follow its code and are swapped, too."""
    groups: list[list[int]] = []
    queue = list(codes)
    while queue:
        code = queue.pop(0)
        splits = meanings.get(code) == "split" and len(queue) > 1
        groups.append([code, queue.pop(1), queue.pop(0)] if splits else [code])
    return [c for group in reversed(groups) for c in group]


def _split(size: int, parts: Sequence[int], code: int) -> list[int]:
    known = math.prod(n for n in parts if n != -1)
    fits = size % max(known, 1) == 0 if -1 in parts else size == known
    if len(parts) != 2 or min(parts) < -1 or parts.count(-1) > 1 or not fits:
        raise ShapeError(
            f"reshape: {code} cannot split a size of {size} into {' and '.join(map(str, parts))}"
        )
    return [size // max(known, 1) if n == -1 else n for n in parts]
