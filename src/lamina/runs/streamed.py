"""Preparation of tables larger than memory: statistics, the division of rows, and samples for the evaluation."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.estimators.streamed import Streamed, divided
from lamina.runs.data import Part, Prepared, Request, prepared, shares_of, target_and_kinds, target_of
from lamina.support.files.limits import in_words
from lamina.support.lazily import pl
from lamina.table.encode import TableEncoder
from lamina.table.messages import rows_called
from lamina.table.places import Places
from lamina.table.read import iter_batches
from lamina.table.schema import Schema
from lamina.table.source import ReadOptions, is_read_once, open_sources
from lamina.table.stream.cache import Layout
from lamina.table.stream.memory import free_memory, memory_to_hold, used_memory
from lamina.table.stream.sample import RowSample
from lamina.table.stream.sources import FileBlocks, files_as_blocks
from lamina.table.stream.survey import MOST_HELD, KeyedBlocks, Rows, look_over

_COMPILING = 48 << 20
"""Approximate memory of the compiler, a network and the report, without rows, beside modules imported before."""

_SETTLED = 0.6
"""Seconds after which polars has returned freed memory to the system (its allocator's decay, 0.5 s)."""

_DIVIDED = {"groups": "by groups", "time": "in time (the last rows are held back)"}


def why_streamed(request: Request, memory: int | None) -> str | None:
    """The reason, in words, for reading a table from disk during training; None if the table is loaded.

    Args:
        request: the run's request.
        memory: the memory limit in bytes; None for half of the free memory.
    """
    if request.stream:
        return "as requested"
    if any(map(is_read_once, request.data)):
        return None
    bound = _bound(memory)
    with open_sources(list(request.data), request.options.format) as sources:
        needed = memory_to_hold(sources, request.options)
    if bound is None or needed <= bound:
        return None
    return f"in memory the table would take about {in_words(needed)}, more than the allowed {in_words(bound)}"


def _bound(memory: int | None) -> int | None:
    if memory is not None:
        return memory
    free = free_memory()
    return None if free is None else free // 2


@contextmanager
def prepare_streamed(request: Request, folder: Path, memory: int | None = None) -> Generator[Prepared]:
    """Compute the statistics of a table in one pass over its files, and divide its rows.

    Training reads the files again, and stores the encoded rows in `folder`.

    Raises:
        DataError: as for `lamina.runs.data.prepare`, or the training would exceed the memory limit.
    """
    if request.group is not None and request.time is not None:
        raise DataError(
            "--group and --time together are for tables in memory, but this table is read from disk; leave one of "
            "the options out, or allow more memory with --memory"
        )
    with ExitStack() as stack:
        blocks = stack.enter_context(files_as_blocks(list(request.data), request.options))
        target, kinds = target_and_kinds(request, blocks.types)
        blocks.leave_out(target)
        marks: dict[Any, str | None] = {"groups": request.group, "time": request.time}
        how: dict[str, Any] = {"task": request.task, "kinds": kinds, "dates": request.date_format}
        judging = {"labels": request.has_additions, "monotone": request.monotone or (), "marks": marks}
        survey = look_over(blocks, target, judging, **how, seed=request.seed)
        if not request.has_additions:
            survey = replace(survey, schema=replace(survey.schema, intervals=()))
        schema = survey.schema
        _require_memory(schema, memory)
        shares = shares_of(request, schema.rows)
        of_keys = partial(KeyedBlocks, blocks=blocks)
        division = divided(survey, marks, of_keys, *shares.values(), gap=request.time_gap)
        said = next((_DIVIDED[mark] for mark, name in marks.items() if name is not None), "at random")
        parts = {"validation": division.validation, "test": division.test}
        found = {name: _part(rows, schema, blocks) for name, rows in parts.items() if len(rows)}
        streamed = Streamed(survey, division, is_apart=False, blocks=blocks, folder=folder)
        left_out = schema.rows - division.training - len(division.validation) - len(division.test)
        train = _part(division.sample, schema, blocks)
        yield prepared(request, schema, train, found, said, left_out, streamed, _some_rows)


def _part(rows: Rows, schema: Schema, blocks: FileBlocks) -> Part:
    assert schema.target is not None
    with rows_called(lambda row: blocks.places.of(int(rows.numbers[row]))):
        return Part(rows.frame, target_of(rows.frame, schema.target), blocks.places, rows.numbers)


def _some_rows(file: str, options: ReadOptions, places: Places) -> tuple[pl.DataFrame, np.ndarray]:
    """Read a random sample of at most `MOST_HELD` rows of a file, with the row numbers."""
    sample, start = RowSample(MOST_HELD, seed=0), 0
    for batch in iter_batches(file, options=options, places=places):
        sample.update(batch, start)
        start += len(batch)
    frame, numbers, _ = sample.rows()
    order = np.argsort(numbers)
    return frame[order], numbers[order]


def _require_memory(schema: Schema, memory: int | None) -> None:
    """Raise `DataError` if training would exceed the memory limit, even with few rows in memory at a time."""
    assert schema.target is not None
    encoder = TableEncoder(schema)
    targets = int(schema.target.task == "regression")
    layout = Layout(len(encoder.numeric_names), len(encoder.code_names), targets)
    windows = 2 * min(layout.window, schema.rows)
    rows = (windows + MOST_HELD) * layout.row_bytes
    bound = _bound(memory)
    if bound is None or used_memory() + rows + _COMPILING <= bound:
        return
    time.sleep(_SETTLED)
    needed = used_memory() + rows + _COMPILING
    if needed > bound:
        raise DataError(
            f"training on this table takes at least {in_words(needed)} of memory, even if few rows are in memory at "
            f"a time, but only {in_words(bound)} is allowed; allow more with --memory, or leave columns out with --drop"
        )
