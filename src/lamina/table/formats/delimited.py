"""Delimited text files (CSV, TSV etc.), read in blocks of some MiB as text columns."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import IO

import numpy as np

from lamina.errors import DataError
from lamina.support.lazily import pl
from lamina.table.columns import as_text
from lamina.table.formats import _dialect, textual
from lamina.table.formats._dialect import Dialect, find_dialect, records_of, utf8_chunks, whole_lines
from lamina.table.messages import as_option, counted, shown, warn
from lamina.table.places import LineNumbers
from lamina.table.source import ReadOptions, Source
from lamina.table.values import lazily, number_in

# --- files whose values are divided by spaces, as by R, or by two colons: a copy has tabs -----------------------------
_FIRST = 50
"""Number of lines from which such files are known."""

_FEWEST_VALUES, _FEWEST_LINES = 3, 5
_DIVIDERS = (r" {2,}", " ", "::")
"""A space and Python's regular expressions, in the order in which they are tried."""


def with_tabs(source: Source, encoding: str, quote: str | None) -> Source | None:
    """A copy of a text file in which tabs divide values, in UTF-8; None if none of `_DIVIDERS` divides its values.

    One does if the first lines have the same number of values, at least three, and some are numbers. The first line may
    lack a name for the rows' names, as R writes it.
    """
    for divider in _DIVIDERS:
        with suppress(csv.Error):
            rows = [row for row in islice(_rows(source, encoding, quote, divider), _FIRST) if row]
            if _are_divided(rows):
                break
    else:
        return None
    names = [""] * (len(rows[1]) - len(rows[0]))
    copy = source.copy_called("tabs.tsv")
    with copy.path.open("w", encoding="utf-8", newline="") as file:
        for row in _rows(source, encoding, quote, divider):
            line = io.StringIO()
            if row:
                csv.writer(line, delimiter="\t", lineterminator="").writerow(names + row)
                names = []
            file.write(line.getvalue() + "\n")
    return copy


def _are_divided(rows: list[list[str]]) -> bool:
    if len(rows) <= _FEWEST_LINES:
        return False
    first, *others = rows
    width = len(others[0])
    if width < _FEWEST_VALUES or {*map(len, others)} != {width} or len(first) not in (width, width - 1):
        return False
    return any(all(number_in(value) is not None for value in column) for column in zip(*others, strict=True))


def _rows(source: Source, encoding: str, quote: str | None, divider: str) -> Iterator[list[str]]:
    blocks = whole_lines(utf8_chunks(source, encoding))
    lines = (line.strip() for block in blocks for line in block.decode().removesuffix("\n").split("\n"))
    if divider == " ":
        return records_of(lines, " ", quote, skipinitialspace=True)
    mark = re.escape(quote or "\n")  # no line has "\n"
    outside = re.compile(rf"({mark}[^{mark}]*{mark})|{divider}")  # what is in quotes stays as it is
    return records_of((outside.sub(lambda found: found[1] or "\t", line) for line in lines), "\t", quote)


_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_PART = 1 << 18
"""Bytes that are examined at a time, which fit a cache."""

_TEN = np.uint8(10)
_NAN = {"NaN", "nan", "-NaN", "-nan"}
"""Texts for missing values that polars reads as numbers."""

_NO_NUMBER = lazily(r"could not parse `([^`]*)`")
"""The text that polars names if it is no number."""


class DelimitedFile:
    """A delimited text file, such as CSV.

    Args:
        source: the file.
        options: the user's options for reading.

    Raises:
        DataError: the dialect can't be detected; see `find_dialect`.
    """

    textual = True

    def __init__(self, source: Source, options: ReadOptions) -> None:
        self.name = source.name
        self.source = source
        self.options = options
        self.dialect: Dialect = find_dialect(source, options)
        if len(self.dialect.names) == 1 and options.delimiter is None:
            copy = with_tabs(source, self.dialect.encoding, options.quote)
            if copy is not None:
                self.source, own = copy, replace(options, delimiter="\t", encoding="utf-8")
                self.dialect = find_dialect(copy, own)
        self._missing = sorted({"", *options.missing})
        # polars compares each field with each such text, so that it gets only those that columns of numbers have.
        self._of_numbers = {text for text in self._missing if _is_number(text)}
        self._others = set[str]()  # columns that were integers in a block's first rows only
        self._kept: list[tuple[pl.DataFrame, bool]] | None = None  # the blocks, and whether they are plain
        self.lines: LineNumbers | None = None
        self._told = self._noted = self._ends_in_gap = False
        # The first note below the rows, its line, and its fields.
        self._note: tuple[bytes, int, int] | None = None
        self._whole = False  # whether all lines are known to be records with all their fields

    def types(self) -> dict[str, pl.DataType]:
        """The types of the columns, found by reading the whole file.

        Each type fits all values of the column. The rows of a small file, or of a source that is `held`, stay in
        memory for `batches`, which otherwise parses the file again.

        Raises:
            DataError: the file is invalid; see `_records`.
        """
        types: dict[str, pl.DataType] = dict.fromkeys(self.dialect.names, pl.Null())
        kept: list[tuple[pl.DataFrame, bool]] | None = []
        quoted = set[str]()
        for records, line, is_plain in self._records():
            frame, found = self._inferred(records, line, is_plain)
            for name, kind in found.items():
                types[name] = textual.common_type(types[name], kind, text=True) or pl.String()
            empty = [name for name, kind in found.items() if kind == pl.Null and name not in quoted]
            quoted.update(name for name in empty if frame[name].count())
            can_keep = self.source.held or not kept
            kept = [*kept, (frame, is_plain)] if kept is not None and can_keep else None
        # In a text column, quoted texts such as "" are values.
        types |= dict.fromkeys((name for name in quoted if types[name] == pl.Null), pl.String())
        self._kept = kept
        return types

    def batches(self, types: Mapping[str, pl.DataType], rows: int) -> Generator[pl.DataFrame]:
        """The rows in batches, in the types that `types` found, or as text."""
        options = self.options.decimal, self._missing
        texts = [name for name, kind in types.items() if kind == pl.String]
        kept, self._kept = self._kept, None
        # The texts of a block's numbers are not kept.
        wanted = dict.fromkeys(texts, pl.String())
        if kept is not None and all(wanted.items() <= frame.schema.items() for frame, _ in kept):
            while kept:
                frame, is_plain = kept.pop(0)
                yield from textual.typed(frame, types, *options, is_plain=is_plain).iter_slices(rows)
            return
        for records, line, is_plain in self._records():
            frame = self._parse(records, line, types, is_plain=is_plain)
            try:
                frame = frame if is_plain else textual.stripped(frame, texts, self._missing)
                table = textual.typed(frame, types, *options, is_plain=is_plain)
            except pl.exceptions.InvalidOperationError:  # caused by spaces around a number
                table = textual.typed(textual.stripped(frame, frame.columns, self._missing), types, *options)
            yield from table.iter_slices(rows)

    def _inferred(
        self, records: bytes, line: int, is_plain: bool
    ) -> tuple[pl.DataFrame, dict[str, pl.DataType]]:
        """Some records, in types inferred from them alone, and these types; see `cleaned`."""
        options = self._missing, self.options.decimal, self.options.as_text
        types: dict[str, pl.DataType] = {}
        if is_plain:
            first = self._parse(_first_lines(records, textual.SAMPLE), line, {}, is_plain=True)
            types = textual.numbers_of_sample(first, *options)
        if any(kind == pl.Int64 for kind in types.values()):
            codes = self._columns_of_codes(records) | self._others
            types = {name: kind for name, kind in types.items() if kind != pl.Int64 or name not in codes}
        frame = self._parse(records, line, types, is_plain=is_plain)
        if textual.may_be_codes(frame):
            frame = self._parse(records, line, _without_integers(types), is_plain=is_plain)
        frame, found = textual.cleaned(frame, *options, is_plain=is_plain)
        self._others |= {
            name for name, kind in types.items() if kind == pl.Int64 and found[name] not in (kind, pl.Null)
        }
        return frame, found

    def _columns_of_codes(self, block: bytes) -> set[str]:
        """The columns of a plain block with a value that begins with a zero before another digit."""
        content = np.frombuffer(block, np.uint8)
        names, found, before = self.dialect.names, set[str](), 0
        for start in range(0, len(content), _PART):
            # With the byte before the first value, and the three that a sign, a zero and a digit may be.
            part = content[max(start - 1, 0) : start + _PART + 2]
            part = part if start else np.concatenate([np.frombuffer(b"\n", np.uint8), part])
            bounds = (part == ord(self.dialect.delimiter)) | (part == ord("\n"))
            signs = (part == ord("+")) | (part == ord("-"))
            zeros = (part[:-1] == ord("0")) & (part[1:] - np.uint8(ord("0")) < _TEN)
            count = max(0, min(_PART, len(part) - 3))
            odd = bounds[:count] & (zeros[1 : count + 1] | (signs[1 : count + 1] & zeros[2 : count + 2]))
            if odd.any():
                fields = before + np.cumsum(bounds[:count])[odd] - 1
                found.update(names[i] for i in np.unique(fields % len(names)).tolist())
            before += int(np.count_nonzero(bounds[:count]))
        return found

    def _records(self) -> Generator[tuple[bytes, int, bool]]:
        """The records in order, in blocks, each with the number of its first line, and whether it is plain.

        A plain block has no quotes, and no spaces around values; all its lines are records.

        Raises:
            DataError: a record's number of fields differs from the header's (the message names its line), a quote is
                never closed, or fields can't be parsed.
        """
        line = self.dialect.first_line
        whole, lines = True, LineNumbers()
        self._ends_in_gap, self._note = False, None
        for block in self._blocks():
            records, note = block.replace(b"\r\n", b"\n") if b"\r" in block else block, self._note
            count = self._plain_lines(records)
            if count:
                self._require_last(note)
                self._ends_in_gap = False
                lines.add(np.arange(line, line + count))
                yield records, line, True
                line += count
                continue
            records = block
            if not self._whole:
                bounds = self._check_widths(block, line)
                bounds = self._without_names(block, bounds, line)
                lines.add(_lines_of(block, bounds, line))
                records = _without_blank_lines(block, bounds)
            if records:
                self._require_last(note)
                yield records, line, False
            whole = whole and len(records) == len(block)
            line += block.count(b"\n")
        self._whole = whole
        self.lines = self.lines or lines

    def _plain_lines(self, block: bytes) -> int:
        """The number of lines, if each is a record with all its fields, without quotes or spaces around values, or 0.

        A line with more fields may pass if others have fewer; polars refuses it.
        """
        quote, width = self.dialect.quote, len(self.dialect.names)
        header = self.dialect.header.rstrip(b"\r")
        if width == 1 or (quote and quote.encode() in block) or (header and header in block):
            return 0
        content, lines, delimiters = np.frombuffer(block, np.uint8), 0, 0
        for start in range(0, len(content), _PART):
            part = content[start : start + _PART + 1]  # with the next part's first byte
            ends, bounds = part == ord("\n"), part == ord(self.dialect.delimiter)
            lines += int(np.count_nonzero(ends[:_PART]))
            delimiters += int(np.count_nonzero(bounds[:_PART]))
            bounds |= ends
            # Control characters, spaces, and characters beyond ASCII, which may be spaces.
            odd = (part - np.uint8(_SPACE + 1) > np.uint8(_ASCII - _SPACE - 1)) > bounds
            if (odd[1:] & bounds[:-1]).any() or (odd[:-1] & bounds[1:]).any():
                return 0
        return lines if _SPACE < content[0] <= _ASCII and delimiters == (width - 1) * lines else 0

    def _blocks(self) -> Generator[bytes]:
        """The file's content after the header, in blocks that end at the end of a record."""
        # Larger blocks are parsed more quickly, but take memory that a stream lacks. Still larger ones are slower, as
        # the C library would ask the system for each block's memory anew.
        size = _dialect.CHUNK * (2 if self.source.held else 1)
        chunks = utf8_chunks(self.source, self.dialect.encoding, size)
        for block in whole_lines(_after(chunks, self.dialect.skip), self._last_end):
            yield block if block.endswith(b"\n") else block + b"\n"

    def _last_end(self, block: bytes) -> int:
        """The position after the last complete record of `block`.

        A record ends with a line feed outside quotes.
        """
        quote = (self.dialect.quote or "").encode()
        end = block.rfind(b"\n") + 1
        if not quote or quote not in block:  # which is quicker to tell than to count
            return end
        before = block.count(quote, 0, end)
        while end and before % 2:
            previous = block.rfind(b"\n", 0, end - 1) + 1
            before -= block.count(quote, previous, end)
            end = previous
        return end

    def _check_widths(self, block: bytes, line: int) -> np.ndarray:
        """The start and end of each record of `block`, (records, 2), without notes below the rows.

        Notes are lines without a delimiter after an empty one. Raises an error for another record with a wrong number
        of fields; `line` is the number of the block's first line.
        """
        content = np.frombuffer(block, np.uint8)
        line_feeds = content == ord("\n")
        delimiters = content == ord(self.dialect.delimiter)
        quote = self.dialect.quote
        if quote and quote.encode() in block:
            inside = np.bitwise_xor.accumulate((content == ord(quote)).view(np.uint8)).view(bool)
            if inside[-1]:
                self._report_open_quote(block, inside, line)
            line_feeds &= ~inside
            delimiters &= ~inside
        ends = np.flatnonzero(line_feeds)
        starts = np.concatenate([[0], ends[:-1] + 1])
        fields = np.diff(np.searchsorted(np.flatnonzero(delimiters), ends), prepend=0) + 1
        blank = (starts == ends) | ((ends - starts == 1) & (content[starts] == ord("\r")))
        if len(self.dialect.names) == 1:
            blank[:] = False  # with a single column, an empty line is a missing value
        wrong = np.flatnonzero((fields != len(self.dialect.names)) & ~blank)
        if len(wrong):
            start, end = int(starts[wrong[0]]), int(ends[wrong[0]])
            follow_gap = blank[wrong[0] - 1] if wrong[0] else self._ends_in_gap
            are_last = (fields[wrong] == 1).all() and (~blank[wrong[0] :]).sum() == len(wrong)
            first = block[start:end], line + block.count(b"\n", 0, start), int(fields[wrong[0]])
            if not (follow_gap and are_last and len(self.dialect.names) > 2):
                self._report_width(*first)
            blank[wrong], self._note = True, self._note or first
            if not self._noted:
                self._noted, note = True, block[start:end].decode(errors="replace").strip()
                warn(f"{self.name}: {counted(len(wrong), 'line')} below the rows left out, {shown(note)} …")
        self._ends_in_gap = bool(blank[-1])
        return np.stack([starts, ends], axis=1)[~blank]

    def _without_names(self, block: bytes, bounds: np.ndarray, line: int) -> np.ndarray:
        """The records that don't repeat the header, as joined files do."""
        header = self.dialect.header
        alike = np.flatnonzero((bounds[:, 1] - bounds[:, 0] == len(header)) & bool(header))
        repeats = [i for i in alike if block.startswith(header, bounds[i, 0])]
        if repeats and not self._told:
            self._told = True
            first = line + block.count(b"\n", 0, int(bounds[repeats[0], 0]))
            warn(f"{self.name}, line {first}: the column names again; such lines are left out")
        return np.delete(bounds, repeats, axis=0) if repeats else bounds

    def _require_last(self, note: tuple[bytes, int, int] | None) -> None:
        """Raise an error if a line that seemed to be a note below the rows, in a block before, has rows below it."""
        if note is not None:
            self._report_width(*note)

    def _report_width(self, record: bytes, line: int, fields: int) -> None:
        names, separator = self.dialect.names, self.dialect.delimiter
        content = record.decode(errors="replace").strip()
        content = content if len(content) <= 80 else content[:77] + "..."
        raise DataError(
            f"{self.name}, line {line}: {counted(fields, 'field')} instead of {len(names)} "
            f"({_SEPARATORS.get(separator, repr(separator))} between them): {content!r}. Correct the line; a field "
            f"that contains the delimiter needs quotes around it, and a quote inside a field is written twice"
        )

    def _report_open_quote(self, block: bytes, inside: np.ndarray, line: int) -> None:
        # The last position outside quotes is just before the unclosed quote.
        outside = np.flatnonzero(~inside)
        opened = int(outside[-1]) + 1 if len(outside) else 0
        raise DataError(
            f"{self.name}, line {line + block.count(bytes([10]), 0, opened)}: a quote is opened that is "
            "never closed. Close it, or write a quote that belongs to the text twice inside quotes, or read the "
            f"file with {as_option('quote', None)}"
        )

    def _parse(
        self, records: bytes, line: int, types: Mapping[str, pl.DataType], *, is_plain: bool = False
    ) -> pl.DataFrame:
        """The records as a frame; of plain ones, columns that are numbers in `types` are numbers, others are text."""
        quote = self.dialect.quote
        if quote and quote.encode() in records:
            records = _with_marks(records, quote, self.dialect.delimiter, self._missing)
        can_be_numbers = is_plain and self.options.decimal == "."
        known = {name: kind for name, kind in types.items() if kind.is_numeric() and can_be_numbers}
        if is_plain and (found := self._plain_frame(records, known)) is not None:
            return textual.without_missing(found, self._missing)
        try:
            return self._frame(records, known, self._missing)
        except pl.exceptions.PolarsError as error:
            self._check_widths(records, line)
            if known:
                fewer = _without_integers(known)
                return self._parse(records, line, fewer, is_plain=0 < len(fewer) < len(known))
            reason = str(error).splitlines()[0]
            last = line + records.count(b"\n")
            raise DataError(
                f"{self.name}, lines {line} to {last}: {reason}. Quotes must stand directly at a "
                f"field's start and end; or read the file with {as_option('quote', None)}"
            ) from error

    def _plain_frame(self, records: bytes, types: Mapping[str, pl.DataType]) -> pl.DataFrame | None:
        """Plain records as a frame, where texts for missing values in text columns are left; None if it fails."""
        while True:
            try:
                found = self._frame(records, types, sorted(self._of_numbers))
            except pl.exceptions.PolarsError as error:
                found, texts = None, set(_NO_NUMBER.findall(str(error)))
            else:
                floats = (column for column in found if column.dtype.is_float())
                texts = _NAN if any(column.is_nan().any() for column in floats) else set[str]()
            new = texts.intersection(self._missing) - self._of_numbers
            if not new:
                return found
            self._of_numbers |= new

    def _frame(
        self, records: bytes, types: Mapping[str, pl.DataType], missing: Sequence[str]
    ) -> pl.DataFrame:
        """The records; columns that `types` leaves out are text."""
        is_like_zlib = records.startswith(b"x^")  # polars would unpack it
        return pl.read_csv(
            b"\n" + records if is_like_zlib else records,
            skip_lines=int(is_like_zlib),
            has_header=False,
            schema={name: types.get(name, pl.String()) for name in self.dialect.names},
            separator=self.dialect.delimiter,
            quote_char=self.dialect.quote,
            null_values=[*missing] or None,
        )


def _after(chunks: Iterable[bytes], skip: int) -> Generator[bytes]:
    """The content of `chunks` after its first `skip` bytes."""
    for chunk in chunks:
        yield chunk[skip:]
        skip = max(0, skip - len(chunk))


def _without_integers(types: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    return {name: kind for name, kind in types.items() if not kind.is_integer()}


def _is_number(text: str) -> bool:
    """Whether a column of numbers may have this text as a number."""
    with suppress(ValueError):
        return not math.isnan(float(text))
    return False


def _first_lines(block: bytes, count: int) -> bytes:
    end = 0
    for _ in range(count):
        end = block.find(b"\n", end) + 1 or len(block)
    return block[:end]


def _lines_of(block: bytes, records: np.ndarray, line: int) -> np.ndarray:
    """The line number of each record in `block`, whose first line has the number `line`.

    `records` has the starts and ends of the records.
    """
    if block.count(b"\n") == len(records):
        return np.arange(line, line + len(records))
    line_feeds = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    return line + np.searchsorted(line_feeds, records[:, 0])


_ASCII, _SPACE = 0x7F, 0x20
"""The greatest ASCII byte, and the greatest that may be a space; a byte beyond ASCII may belong to another space."""


def _with_marks(records: bytes, quote: str, delimiter: str, missing: Sequence[str]) -> bytes:
    """The records, with the mark `QUOTED` in quoted fields that would otherwise become missing or lose their spaces.

    Such fields are empty, padded, or spelled like a missing value. polars itself does not distinguish quoted fields
    from other fields.
    """
    content = np.frombuffer(records, np.uint8)
    quotes = np.flatnonzero(content == ord(quote))
    around = np.concatenate([[ord("\n")], content, [ord("\n")]])
    ends = (ord(delimiter), ord("\n"))
    # Quotes open and close in turn; a doubled quote inside a field closes and reopens it.
    opening, closing = quotes[0::2], quotes[1::2]
    opening = opening[np.isin(around[opening], ends)]
    closing = closing[np.isin(around[closing + 2], (*ends, ord("\r")))]
    if len(opening) != len(closing):
        return records  # these can't be parsed; polars raises an error
    lengths = closing - opening - 1
    first, last = content[opening + 1], content[closing - 1]
    spaces = (first <= ord(" ")) | (first > _ASCII) | (last <= ord(" ")) | (last > _ASCII)
    matters = (lengths == 0) | spaces
    tokens = np.array([token.encode() for token in missing if token])
    if len(tokens):
        width = tokens.dtype.itemsize
        short = np.flatnonzero((lengths > 0) & (lengths <= width))
        places = opening[short, None] + 1 + np.arange(width)
        texts = content[np.minimum(places, len(content) - 1)] * (places < closing[short, None])
        matters[short] |= np.isin(texts.view(tokens.dtype)[:, 0], tokens)
    if not matters.any():
        return records
    mark = np.frombuffer(textual.QUOTED.encode(), np.uint8)
    places = np.repeat(opening[matters] + 1, len(mark))
    return np.insert(content, places, np.tile(mark, int(matters.sum()))).tobytes()


def _without_blank_lines(block: bytes, records: np.ndarray) -> bytes:
    """The records, joined without the blank lines between them.

    `records` has the starts and ends of the records in `block`.
    """
    if not len(records):
        return b""
    if (records[1:, 0] == records[:-1, 1] + 1).all():
        return block[records[0, 0] : records[-1, 1] + 1]
    return b"".join(block[start : end + 1] for start, end in records)


def write_csv(
    parts: Iterable[pl.DataFrame], _schema: pl.Schema, file: IO[bytes], delimiter: str = ","
) -> None:
    """Write a CSV file, with lists and objects as JSON; see `Writer`."""
    for i, part in enumerate(parts):
        nested = {column.name: column.to_list() for column in part if column.dtype.is_nested()}
        texts = (
            pl.Series(name, [cell if cell is None else as_text(cell) for cell in cells], pl.String)
            for name, cells in nested.items()
        )
        part.with_columns(texts).write_csv(file, include_header=i == 0, separator=delimiter)


def write_tsv(parts: Iterable[pl.DataFrame], schema: pl.Schema, file: IO[bytes]) -> None:
    """Write a TSV file; see `Writer`."""
    write_csv(parts, schema, file, "\t")
