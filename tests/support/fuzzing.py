"""What the fuzz targets share: mutated files, what a target may do with them, and how long and with how much memory.

A target is a function of bytes that returns None and may raise only lamina's own errors. Inputs are made from valid
files by changes that are likely to matter: bits, bytes, numbers in the places of lengths, pieces that are cut out,
doubled or taken from another file. The n-th input of a target is always the same, so that a number names it.

(atheris chooses inputs by the lines of Python that they reach; what is read here is decoded by compiled libraries, of
which it sees nothing, and it does not come for all versions of Python.)
"""

import os
import random
import resource
import struct
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lamina.errors import LaminaError

FOUND = Path(__file__).parents[1] / "fuzz/found"
"""Inputs that once did harm, in a folder for each target; every one is tried each time."""

SECONDS = float(os.environ.get("FUZZ_SECONDS", "2"))
RUNS = int(os.environ.get("FUZZ_RUNS", "0"))
"""How long each target runs; a number of inputs, if it is given, counts instead."""

_INTERESTING = (
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**63 - 1,
)
_TOKENS = (
    b"\n", b"\r", b"\r\n", b'"', b",", b";", b"\t", b"\0", b"NaN", b"Infinity", b"-", b"1e999", b"9" * 40, b"{", b"[",
    b"[" * 50, b"\\ud800", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b[2J", b"PK\x03\x04", b"\x1f\x8b", b"PAR1", b"ARROW1",
    b"null", b"true",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """One thing that lamina parses.

    Attributes:
        name: of the target, and of its folder in `FOUND`.
        run: takes the bytes; may raise a `LaminaError` and nothing else.
        seeds: valid files, from which inputs are made.
        seconds: the most that one input may take.
        memory: bytes by which the process may grow over the whole run, besides `times` the longest input.
        times: see `memory`.
        allowed: further exceptions that are not harm, if the target says why.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    seconds: float = 10.0
    memory: int = 512 << 20
    times: int = 300
    allowed: tuple[type[BaseException], ...] = field(default=())


@dataclass
class Figures:
    """What a run did."""

    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    grown: int = 0
    longest: int = 0


class HarmError(AssertionError):
    """An input did what none may do; the message says which and how to keep it."""


def mutated(seeds: Sequence[bytes], number: int) -> bytes:
    """The input of this number; the same each time."""
    source = random.Random(number)
    content = bytearray(source.choice(seeds))
    for _ in range(source.choice((1, 1, 1, 2, 3, 8))):
        _change(content, seeds, source)
    return bytes(content)


def _change(content: bytearray, seeds: Sequence[bytes], source: random.Random) -> None:
    length = len(content)
    near_an_end = source.random() < 0.5  # headers and footers say more than what is between
    distance = min(int(source.expovariate(1 / 60)), max(length - 1, 0))
    at = (
        (distance if source.random() < 0.5 else length - 1 - distance)
        if near_an_end
        else source.randrange(length + 1)
    )
    at = max(at, 0)
    kind = source.randrange(9)
    if kind == 0 and at < length:
        content[at] ^= 1 << source.randrange(8)
    elif kind == 1 and at < length:
        content[at] = source.randrange(256)
    elif kind == 2:
        number = source.choice(_INTERESTING)
        form = source.choice(("<B", ">B", "<H", ">H", "<I", ">I", "<Q", ">Q"))
        size = struct.calcsize(form)
        content[at : at + size] = (number % 256**size).to_bytes(size, "little" if form[0] == "<" else "big")
    elif kind == 3:
        del content[at : at + source.choice((1, 2, 4, 16, 200))]
    elif kind == 4:
        content[at:at] = bytes(source.randrange(256) for _ in range(source.choice((1, 2, 4, 9))))
    elif kind == 5:
        piece = content[at : at + source.choice((1, 4, 20, 100))]
        content[at:at] = piece * source.choice((1, 2, 50))
    elif kind == 6:
        content[at:at] = source.choice(_TOKENS)
    elif kind == 7:
        other = source.choice(seeds)
        start = source.randrange(len(other) + 1)
        content[at:at] = other[start : start + source.choice((4, 30, 300))]
    else:
        del content[at:]


def fuzz(target: Target, first: int = 0) -> Figures:
    """Run a target on what was found before, on its seeds, and on mutated inputs from number `first` on.

    Raises:
        HarmError: an input did harm; it is kept in a temporary file that the message names.
    """
    figures = Figures()
    kept = sorted((FOUND / target.name).glob("*")) if (FOUND / target.name).is_dir() else []
    for content in (*target.seeds, *(path.read_bytes() for path in kept)):
        _try(target, content, f"{target.name}, a seed or an input that was found before", figures)
    before, start = _peak(), time.monotonic()
    figures.longest = max(map(len, target.seeds))
    number = first
    while figures.inputs < RUNS if RUNS else figures.seconds < SECONDS:
        content = mutated(target.seeds, number)
        figures.longest = max(figures.longest, len(content))
        _try(target, content, f"{target.name}, input {number}", figures)
        figures.grown = _peak() - before
        if figures.grown > target.memory + target.times * figures.longest:
            raise HarmError(
                f"{target.name}, input {number}: grew by {figures.grown >> 20} MiB{_kept(content)}"
            )
        figures.seconds = time.monotonic() - start
        number += 1
    if os.environ.get("FUZZ_SECONDS") or RUNS:
        print(
            f"fuzz {target.name}: {figures.inputs:,} inputs in {figures.seconds:.0f} s, {figures.refused:,} refused, "
            f"slowest {figures.slowest:.2f} s, longest {figures.longest:,} bytes, grown by {figures.grown >> 20} MiB",
            file=sys.__stderr__, flush=True,
        )  # fmt: skip
    return figures


def _try(target: Target, content: bytes, what: str, figures: Figures) -> None:
    start = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.run(content)
    except (LaminaError, *target.allowed) as error:
        figures.refused += 1
        if "\n" in str(error) or len(str(error)) > 5000:
            raise HarmError(
                f"{what}: an error of more than a line: {str(error)[:300]!r}{_kept(content)}"
            ) from error
    except (Exception, GeneratorExit) as error:
        raise HarmError(f"{what}: {type(error).__name__}: {error}{_kept(content)}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise HarmError(f"{what}: a panic: {error}{_kept(content)}") from error
    seconds = time.monotonic() - start
    figures.inputs += 1
    figures.slowest = max(figures.slowest, seconds)
    if seconds > target.seconds:
        raise HarmError(f"{what}: took {seconds:.1f} s{_kept(content)}")


def _kept(content: bytes) -> str:
    import tempfile

    with tempfile.NamedTemporaryFile(prefix="lamina-fuzz-", delete=False) as file:
        file.write(content)
    return f"; the input is in {file.name}"


def _peak() -> int:
    """The most memory that this process and its children had."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) << 10
