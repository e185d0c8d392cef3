"""The codes in a shape that ``npx.reshape`` knows."""

from __future__ import annotations

import math

from lamina.errors import ShapeError

__all__ = ["resolved"]

Ints = tuple[int, ...]


def resolved(shape: Ints, codes: Ints, reverse: bool) -> Ints:
    """The sizes that codes mean for an array of `shape`."""
    if reverse:
        return _matched(shape[::-1], _reversed(codes))[::-1]
    return _matched(shape, codes)


def _reversed(codes: Ints) -> Ints:
    """Codes from the right; a split stays before its two sizes."""
    groups: list[Ints] = []
    i = 0
    while i < len(codes):
        step = 3 if codes[i] == -6 else 1
        group = codes[i : i + step]
        groups.append((-6, *group[:0:-1]) if step == 3 else group)
        i += step
    return tuple([c for group in reversed(groups) for c in group])


def _matched(shape: Ints, codes: Ints) -> Ints:
    sizes: list[int] = []
    axis = i = 0
    while i < len(codes):
        code = codes[i]
        i += 1
        if code == -4:
            sizes += shape[axis:]
            axis = len(shape)
        elif code == -6:
            sizes += _split(shape, axis, codes[i : i + 2])
            axis, i = axis + 1, i + 2
        elif code in (-2, -3, -5):
            taken = shape[axis : axis + (2 if code == -5 else 1)]
            if len(taken) < (2 if code == -5 else 1) or (code == -3 and taken != (1,)):
                raise ShapeError(f"npx.reshape: the code {code} does not fit axis {axis} of shape {shape}")
            sizes += [] if code == -3 else [math.prod(taken)]
            axis += len(taken)
        elif code >= -1:
            sizes.append(code)
            axis += 1
        else:
            raise ShapeError(f"npx.reshape: there is no code {code}; there are -1 to -6")
    return _with_rest(shape, sizes)


def _split(shape: Ints, axis: int, parts: Ints) -> list[int]:
    size = shape[axis] if axis < len(shape) else -1
    known = math.prod(n for n in parts if n != -1)
    if len(parts) != 2 or size < 0 or parts.count(-1) > 1 or size % max(known, 1):
        raise ShapeError(f"npx.reshape: axis {axis} of shape {shape} does not split into {parts}")
    return [size // max(known, 1) if n == -1 else n for n in parts]


def _with_rest(shape: Ints, sizes: list[int]) -> Ints:
    known = math.prod(n for n in sizes if n != -1)
    total = math.prod(shape)
    fits = total == known if -1 not in sizes else bool(known) and total % known == 0 and sizes.count(-1) == 1
    if not fits:
        raise ShapeError(f"npx.reshape: an array of shape {shape} has no shape {tuple(sizes)}")
    return tuple([total // known if n == -1 else n for n in sizes])
