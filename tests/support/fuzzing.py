"""What the fuzz targets share: what a target may do with damaged files, how long, and with how much memory.

A target is a function of bytes that returns None and may raise only lamina's own errors. Inputs are made from valid
files by changes that are likely to matter (see `mutations`). The n-th input of a target is always the same, so that a
number names it.

(atheris chooses inputs by the lines of Python that they reach; what is read here is decoded by compiled libraries, of
which it sees nothing, and it does not come for all versions of Python.)
"""

import os
import resource
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from mutations import bytes_changed

from lamina.errors import LaminaError

FOUND = Path(__file__).parents[1] / "fuzz/found"
"""Inputs that once did harm, in a folder for each target; every one is tried each time."""

_PATIENCE = 60
"""A machine that does much else may take longer by this factor."""

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0.3"))
RUNS = int(os.environ.get("FUZZ_RUNS", "0"))
"""How long each target runs; a number of inputs, if it is given, counts instead."""


@dataclass(frozen=True)
class Target:
    """One thing that lamina parses.

    Attributes:
        name: of the target, and of its folder in `FOUND`.
        run: takes the bytes; may raise a `LaminaError` and nothing else.
        seeds: valid files, from which inputs are made.
        make: the input of a number, where it is not one of the seeds with some bytes changed.
        seconds: of processors, the most that one input may take; on the clock, `_PATIENCE` times as many.
        memory: bytes by which the process may grow over the whole run, besides `times` the longest input.
        times: see `memory`.
        traced: bytes, and times the input's length, that Python may allocate for an input; looked at now and then.
        allowed: further exceptions that are not harm, if the target says why.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    make: Callable[[int], bytes] | None = None
    seconds: float = 10.0
    memory: int = 512 << 20
    times: int = 300
    traced: tuple[int, int] | None = None
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


def fuzz(target: Target, first: int = 0) -> Figures:
    """Run a target on what was found before, on its seeds, and on mutated inputs from number `first` on.

    Raises:
        HarmError: an input did harm; it is kept in a temporary file that the message names.
    """
    figures, make = Figures(), target.make or _changed_seed(target.seeds)
    kept = sorted((FOUND / target.name).glob("*")) if (FOUND / target.name).is_dir() else []
    for content in (*target.seeds, *(path.read_bytes() for path in kept)):
        outcome(target, content, "a seed or an input that was found before")
    before, start = _peak(), time.monotonic()
    figures.longest = max(map(len, target.seeds))
    number = first
    while figures.inputs < RUNS if RUNS else figures.seconds < SECONDS:
        content = make(number)
        figures.longest = max(figures.longest, len(content))
        before_it = time.monotonic()
        said = outcome(target, content, f"input {number}", measured=number % 16 == 0)
        figures.inputs += 1
        figures.refused += said is not None
        figures.slowest = max(figures.slowest, time.monotonic() - before_it)
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


def _changed_seed(seeds: Sequence[bytes]) -> Callable[[int], bytes]:
    def make(number: int) -> bytes:
        rng = Random(number)
        return bytes_changed(rng.choice(seeds), rng, seeds)

    return make


def _processor_seconds() -> float:
    """Of this process and its children that have ended."""
    return sum(os.times()[:4])


def outcome(
    target: Target, content: bytes, what: str, *, measured: bool = True, again: bool = True
) -> str | None:
    """What the target says of an input, None if it takes it.

    `measured`: whether to look at what Python allocates. `again`: whether to try once more what took too long, since
    threads of other tests may have run meanwhile.

    Raises:
        HarmError: the input did harm.
    """
    start, used, said, harm = time.monotonic(), _processor_seconds(), None, None
    measured = measured and target.traced is not None
    if measured:
        tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.run(content)
    except (LaminaError, *target.allowed) as error:
        said = str(error)
        if "\n" in said or len(said) > 5000:
            harm = f"an error of more than a line: {said[:300]!r}"
    except BaseException as error:
        # A panic of polars is no Exception; what ends pytest is none either.
        if not isinstance(error, Exception | GeneratorExit) and type(error).__name__ != "PanicException":
            raise
        raise HarmError(f"{target.name}, {what}: {type(error).__name__}: {error}{_kept(content)}") from error
    finally:
        peak = tracemalloc.get_traced_memory()[1] if measured else 0
        tracemalloc.stop()
    seconds, waited = _processor_seconds() - used, time.monotonic() - start
    if seconds > target.seconds or waited > _PATIENCE * target.seconds:
        if again:
            return outcome(target, content, what, measured=measured, again=False)
        harm = f"took {seconds:.1f} s of processors in {waited:.1f} s"
    if target.traced is not None and peak > target.traced[0] + target.traced[1] * len(content):
        harm = f"{peak:,} bytes for {len(content):,}"
    if harm:
        raise HarmError(f"{target.name}, {what}: {harm}{_kept(content)}")
    return said


def _kept(content: bytes) -> str:
    import tempfile

    with tempfile.NamedTemporaryFile(prefix="lamina-fuzz-", delete=False) as file:
        file.write(content)
    return f"; the input is in {file.name}"


def _peak() -> int:
    """The most memory that this process and its children had."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) << 10
