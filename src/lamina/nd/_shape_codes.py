"""MXNet's reshape codes: 0, -1, -2, -3 and -4 in the place of sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina.errors import ShapeError

__all__ = ["resolve_shape"]


def resolve_shape(own: tuple[int, ...], codes: Sequence[int], reverse: bool = False) -> tuple[int, ...]:
    """Replace MXNet's reshape codes by sizes, or raise `ShapeError`."""
    if reverse:
        return resolve_shape(own[::-1], _reversed_codes(codes))[::-1]
    sizes: list[int] = []
    unknown = -1
    source = 0
    queue = [int(c) for c in codes]
    try:
        while queue:
            code = queue.pop(0)
            if code == 0:
                sizes.append(own[source])
                source += 1
            elif code == -1:
                unknown = _remember_unknown(unknown, len(sizes))
                sizes.append(1)
                source += 1
            elif code == -2:
                sizes.extend(own[source:])
                source = len(own)
            elif code == -3:
                sizes.append(own[source] * own[source + 1])
                source += 2
            elif code == -4:
                sizes.extend(_split(own[source], queue.pop(0), queue.pop(0)))
                source += 1
            elif code > 0:
                sizes.append(code)
                source += 1
            else:
                raise ShapeError(
                    f"reshape: {code} in {tuple(codes)} is neither a size nor a code (0, -1, -2, -3, -4)"
                )
    except IndexError:
        raise ShapeError(
            f"reshape: the codes {tuple(codes)} ask for more axes than the shape {own} has"
        ) from None
    return _fill_unknown(own, codes, sizes, unknown)


def _reversed_codes(codes: Sequence[int]) -> list[int]:
    """Codes from right to left; the two sizes after -4 stay behind it."""
    groups: list[list[int]] = []
    queue = list(codes)
    while queue:
        code = queue.pop(0)
        groups.append([code, queue.pop(1), queue.pop(0)] if code == -4 and len(queue) > 1 else [code])
    return [c for group in reversed(groups) for c in group]


def _remember_unknown(unknown: int, place: int) -> int:
    if unknown >= 0:
        raise ShapeError("reshape: only one size can be -1")
    return place


def _split(size: int, first: int, second: int) -> tuple[int, int]:
    if first == -1 and second > 0:
        first = size // second
    if second == -1 and first > 0:
        second = size // first
    if first * second != size:
        raise ShapeError(f"reshape: -4 cannot split a size of {size} into {first} and {second}")
    return first, second


def _fill_unknown(
    own: tuple[int, ...], codes: Sequence[int], sizes: list[int], unknown: int
) -> tuple[int, ...]:
    total, known = math.prod(own), math.prod(sizes)
    if unknown >= 0 and known and total % known == 0:
        sizes[unknown] = total // known
    if math.prod(sizes) != total:
        raise ShapeError(
            f"reshape: {own} has {total} elements and cannot become {tuple(codes)}, "
            f"which gives {tuple(sizes)} with {math.prod(sizes)}"
        )
    return tuple(sizes)
