"""The dialect of a text file: encoding, delimiter, and column names in the header."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lamina.errors import DataError
from lamina.support.files.limits import LONGEST_RECORD, MOST_TEXT_COLUMNS, in_words, require_columns
from lamina.support.messages import doing
from lamina.table.dates import is_date
from lamina.table.messages import as_option, counted, listed, shown, warn
from lamina.table.number_texts import may_be_number
from lamina.table.source import ReadOptions, Source
from lamina.table.values import MISSING, number_in

_MIXED = "utf-8 with windows-1252"
"""The encoding name for files in UTF-8 with some invalid bytes."""

_FIRST = 50
"""Number of lines examined for the delimiter and the column names."""

_RARE = "^~"
_LONGEST_SAID = 60
_FEWEST_VALUES = 2
"""The fewest values of a column that tell a description above them."""

CHUNK = 1 << 23
_HEAD = 1 << 20

# UTF-32's mark comes before UTF-16's, which is its prefix.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Dialect:
    """The dialect of a text file.

    Attributes:
        encoding: Python's name of the encoding.
        delimiter: the delimiter, one ASCII character.
        quote: the quote character, ASCII, or None.
        names: the column names, all distinct.
        first_line: the number of the file's first line with values, from 1.
        skip: the number of UTF-8 bytes before the first line with values.
        header: the line of column names, without its end, if lines like it can't be values.
    """

    encoding: str
    delimiter: str
    quote: str | None
    names: tuple[str, ...]
    first_line: int
    skip: int
    header: bytes = b""


def find_dialect(source: Source, options: ReadOptions) -> Dialect:
    """Detect a text file's dialect.

    Raises:
        DataError: the file is empty or binary, the encoding is wrong or can't be detected, or a quote is not closed.
    """
    for what, sign in (("delimiter", options.delimiter), ("quote", options.quote)):
        if sign is not None and not (len(sign) == 1 and sign.isascii() and sign not in "\r\n"):
            raise DataError(f"the {what} of a text file is one ASCII character, not {sign!r}")
    encoding = options.encoding or _find_encoding(source)
    head = _head(source, encoding)
    blank = len(head) - len(head.lstrip(b"\r\n"))
    text = head[blank:].decode()
    if not text.strip():
        raise DataError(f"{source.name} is empty")
    delimiter = options.delimiter or (
        "\t" if source.format == "tsv" else _find_delimiter(text, options.quote)
    )
    if delimiter == options.quote:
        raise DataError(f"{delimiter!r} can't be both the delimiter and the quote of a text file")
    title = _title_lines(text, delimiter, options.quote) if options.header else ""
    title += _groups_line(text[len(title) :], delimiter, options.quote) if options.header else ""
    if title:
        first = title.strip().splitlines()[0].strip(delimiter)
        lines = counted(title.count("\n"), "line")
        warn(f"{source.name}: {lines} above the column names left out, {shown(first)} …")
        blank += len(title.encode())
        text = text[len(title) :]
    reader = records_of(io.StringIO(text, newline="\n"), delimiter, options.quote)
    try:
        fields = next(reader)
    except csv.Error as error:
        raise DataError(f"{source.name}: the first line can't be split into fields: {error}") from error
    require_columns(source.name, len(fields), MOST_TEXT_COLUMNS)
    lines_of_header = reader.line_num if options.header else 0
    header = "".join(_lines(text, lines_of_header))
    names = _unique_names(source.name, [field.strip() for field in fields], options.header)
    repeated = "" if len(names) < 2 or all(number_in(name) is not None for name in names) else header
    below = _lines_of_descriptions(text, reader, len(fields)) if options.header else 0
    if below:
        header = "".join(_lines(text, lines_of_header + below))
        said = shown(_lines(text, reader.line_num)[lines_of_header].strip()[:_LONGEST_SAID])
        warn(f"{source.name}: {counted(below, 'line')} below the column names left out, {said} …")
    lines_before = head[:blank].count(b"\n") + header.count("\n")
    skip = blank + len(header.encode())
    line = repeated.rstrip("\n").encode()
    return Dialect(encoding, delimiter, options.quote, names, 1 + lines_before, skip, line)


def _head(source: Source, encoding: str) -> bytes:
    """The start of the file, converted to UTF-8, including at least the header."""
    head = b""
    for chunk in utf8_chunks(source, encoding, _HEAD):
        head += chunk
        if b"\n" in head.lstrip(b"\r\n"):
            break
    return head


def _find_encoding(source: Source) -> str:
    """The encoding of a file: a byte order mark's, or UTF-8, or a guess.

    UTF-8 is chosen if the whole content is valid UTF-8.
    """
    with source.open() as file:
        start = file.read(_HEAD)
    marked = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)
    if marked and marked != "utf-8-sig":
        return marked
    _require_text(source, start)
    decoder = codecs.getincrementaldecoder("utf-8")()
    done = 0
    with source.open() as file:
        while True:
            chunk = file.read(CHUNK)
            try:
                if not _is_ascii(chunk, decoder):
                    decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                with source.open() as before:
                    line = 1 + before.read(done).count(b"\n") + error.object.count(b"\n", 0, error.start)
                return _guess(source, line, error.object[error.start : error.start + 1])
            if not chunk:
                return "utf-8-sig"
            done += len(chunk)


def _is_ascii(chunk: bytes, decoder: codecs.IncrementalDecoder) -> bool:
    """Whether a chunk is its own UTF-8 text, which begins where the last character ended."""
    return bool(chunk) and chunk.isascii() and not decoder.getstate()[0]


def _require_text(source: Source, head: bytes) -> None:
    if b"\x00" in head:
        even, odd = head[0::2].count(0), head[1::2].count(0)
        guess = "utf-16-be" if even > odd else "utf-16-le"
        if abs(even - odd) > len(head) / 4:
            raise DataError(
                f"{source.name} looks like UTF-16 without a byte order mark; read it with "
                f"{as_option('encoding', guess)}"
            )
        raise DataError(
            f"{source.name} is not a text file: line {head[: head.index(0)].count(10) + 1} has a zero byte. If it "
            "is a table in another format, name the format"
        )


def _guess(source: Source, line: int, byte: bytes) -> str:
    """The most likely encoding of a file that is not UTF-8; warns about the guess.

    The encoding is UTF-8 with some invalid bytes, or Windows-1252, or Latin-1 if the file has bytes that Windows-1252
    lacks.
    """
    encoding = _MIXED if _is_mostly_utf8(source) else "windows-1252"
    try:
        for _ in utf8_chunks(source, encoding):
            pass
    except DataError:
        encoding = "latin-1"
    read = "such bytes are read as windows-1252" if encoding == _MIXED else f"it is read as {encoding}"
    warn(
        f"{source.name} is not UTF-8 (line {line} has the byte 0x{byte.hex()}); {read}. "
        "If letters look wrong, give the encoding"
    )
    return encoding


def _is_mostly_utf8(source: Source) -> bool:
    """Whether non-ASCII bytes are mostly valid UTF-8, as in concatenated files of different encodings."""
    right = wrong = 0
    with source.open() as file:
        while chunk := file.read(CHUNK):
            text = chunk.decode(errors="ignore")
            kept = len(text.encode())
            right += kept - len(text)
            wrong += len(chunk) - kept
    return 2 * right >= wrong


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Decode invalid UTF-8 bytes as Windows-1252.

    The five bytes that Windows-1252 lacks are decoded as Latin-1.
    """
    assert isinstance(error, UnicodeDecodeError)
    some = error.object[error.start : error.end]
    return "".join(bytes([one]).decode("cp1252", "ignore") or chr(one) for one in some), error.end


codecs.register_error("lamina.windows-1252", _as_windows_1252)


def utf8_chunks(source: Source, encoding: str, size: int | None = None) -> Generator[bytes]:
    """The content of a text file in chunks of about `size` bytes, converted to UTF-8.

    There is no byte order mark, and lines end in line feeds.

    Raises:
        DataError: the file has bytes that are invalid in the encoding (the message names one), or the encoding is
            unknown.
    """
    encoding, errors = ("utf-8", "lamina.windows-1252") if encoding == _MIXED else (encoding, "strict")
    try:
        known = codecs.lookup(encoding)
    except (LookupError, ValueError) as error:  # ValueError: a name with a zero byte
        raise DataError(f"there is no encoding {encoding!r}; Python's names are utf-8, cp1252, …") from error
    name = known.name
    incremental: Any = known.incrementaldecoder  # None for a few encodings
    if not known._is_text_encoding or incremental is None:  # such as base64 and idna
        raise DataError(f"{encoding!r} is not an encoding of text files; Python's names are utf-8, cp1252, …")
    decoder = codecs.getincrementaldecoder("utf-8-sig" if name == "utf-8" else name)(errors)
    old_mac = None
    try:
        with source.open() as file:
            done, total = 0, "" if source.compression else f" of {in_words(source.path.stat().st_size)}"
            while chunk := file.read(size or CHUNK):
                done += len(chunk)
                doing(f"reading {os.path.basename(source.name)}: {in_words(done)}{total}")
                if name.startswith("utf-8") and old_mac is False and _is_ascii(chunk, decoder):
                    yield chunk
                    continue
                text = decoder.decode(chunk).replace("\n\ufeff", "\n")  # of joined files
                if old_mac is None:  # lines that end in a carriage return alone
                    old_mac = "\r" in text[:_HEAD] and "\n" not in text[:_HEAD]
                yield (text.replace("\r", "\n") if old_mac else text).encode()
            if rest := decoder.decode(b"", final=True):
                yield rest.encode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{source.name} is not in {encoding}: it has the byte "
            f"0x{error.object[error.start : error.start + 1].hex()} ({error.reason}); give the right encoding"
        ) from error


def whole_lines(
    chunks: Iterable[bytes], end_in: Callable[[bytes], int] = lambda content: content.rfind(b"\n") + 1
) -> Generator[bytes]:
    """The content of `chunks`, in blocks of whole lines; the last block may lack its line feed.

    A line that is too long ends the content.

    Args:
        chunks: see `utf8_chunks`.
        end_in: the position at which a block ends in some content, 0 if it has no end.
    """
    rest = b""
    for chunk in chunks:
        content = rest + chunk
        end = end_in(content)
        if end:
            yield content[:end]
        rest = content[end:]
        if len(rest) > LONGEST_RECORD:
            break
    if rest:
        yield rest


def _lines(text: str, count: int) -> list[str]:
    return list(itertools.islice(io.StringIO(text, newline="\n"), count))


def records_of(lines: Iterable[str], delimiter: str, quote: str | None, **options: Any) -> Any:
    """Python's reader of the records in some lines, with further options of `csv.reader`."""
    quoting = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    return csv.reader(lines, delimiter=delimiter, quotechar=quote, quoting=quoting, **options)


def _find_delimiter(text: str, quote: str | None) -> str:
    """The delimiter that divides the first lines most uniformly.

    If several are equally good, the delimiter with the most fields is chosen. Signs that hardly ever divide values
    must divide all lines uniformly.
    """
    scores: dict[str, tuple[float, int]] = {}
    lines = _lines(text, _FIRST)
    for delimiter in (",", ";", "\t", "|", "^", "~"):
        widths = Counter(_widths(records_of(lines, delimiter, quote)))
        width, agreeing = max(widths.items(), key=lambda found: found[1], default=(0, 0))
        share = agreeing / widths.total() if width > 1 else 0.0
        scores[delimiter] = (share if share == 1 or delimiter not in _RARE else 0.0, width)
    best = max(scores, key=lambda delimiter: scores[delimiter])
    return best if scores[best][0] else ","


def _title_lines(text: str, delimiter: str, quote: str | None) -> str:
    """The lines above the column names: titles, comments, and pairs of a name and a value beside a wider table.

    The names are recognized by the row after them, which has as many fields. Where none is empty or a number, there are
    at least three, or the lines above have no delimiter; where some are empty, as above empty columns, most are not.
    """
    lines, above = _lines(text, _FIRST), 0
    widths = Counter(_widths(records_of(lines, delimiter, quote)))
    width = max(widths, key=lambda width: (widths[width], width), default=0)
    reader = records_of(lines, delimiter, quote)
    with suppress(csv.Error, StopIteration):
        while _is_title(names := next(reader), width):
            above = reader.line_num
        title = "".join(lines[:above])
        filled = [name for name in map(str.strip, names) if name]
        are_names = len(filled) > len(names) / 2 and all(number_in(name) is None for name in filled)
        are_names = are_names and (len(filled) == len(names) or len(filled) > 2 or delimiter not in title)
        fits = len(names) > 2 or delimiter not in title.removeprefix(f"sep={delimiter}")
        if are_names and fits and len(next(reader)) == len(names):
            return title
    return ""


def _groups_line(text: str, delimiter: str, quote: str | None) -> str:
    """The line above the column names with names of groups of columns, with mostly empty cells, as merged ones are."""
    reader = records_of(io.StringIO(text, newline="\n"), delimiter, quote)
    with suppress(csv.Error, StopIteration):
        groups = next(reader)
        line = "".join(_lines(text, reader.line_num))
        if 2 * sum(map(bool, groups)) <= len(groups) and _lines_of_descriptions(text, reader, len(groups)):
            return line
    return ""


def _is_title(fields: list[str], width: int) -> bool:
    """Whether a record has a text in its first field at most, or is a pair above a table of `width` columns."""
    is_pair = len(fields) == 2 and width > 3
    return is_pair or not any(map(str.strip, fields[1:]))


def _described(rows: list[list[str]], count: int) -> bool:
    """Whether the first `count` of some rows describe the columns, by their units or types, instead of having values.

    They do if columns that otherwise have numbers or dates only, at least two, have different texts there, the others
    of them none, and if no text there is a value below.
    """
    columns = [[field.strip() for field in column] for column in zip(*rows, strict=True)]
    texts = [{*column[:count]} - MISSING for column in columns]
    if any(
        (found & {*column[count:]}) or any(number_in(text) is not None for text in found)
        for found, column in zip(texts, columns, strict=True)
    ):
        return False
    typed = [
        column[:count]
        for column in columns
        if len(present := [field for field in column[count:] if field not in MISSING]) >= _FEWEST_VALUES
        and all(may_be_number(field) or is_date(field) for field in present)
    ]
    lines = [{*line} - MISSING for line in zip(*typed, strict=True)]
    return bool(lines) and all(
        len(line) > 1 and not any(may_be_number(text) or is_date(text) for text in line) for line in lines
    )


def _lines_of_descriptions(text: str, reader: Any, width: int) -> int:
    """The number of lines below the column names that describe the columns; the reader has read the names."""
    before, rows, ends = reader.line_num, list[list[str]](), list[int]()
    with suppress(csv.Error):
        for row in itertools.islice(reader, _FIRST):
            if len(row) != width:
                break
            rows.append(row)
            ends.append(reader.line_num)
    found = (count for count in (2, 1) if len(rows) > count + _FEWEST_VALUES and _described(rows, count))
    count = next(found, 0)
    return ends[count - 1] - before if count else 0


def _widths(reader: Any) -> Generator[int]:
    """The number of fields of each record.

    The generator ends at the first record that Python's reader rejects, e.g. a long record.
    """
    with suppress(csv.Error):
        yield from (len(fields) for fields in reader if fields)


def _unique_names(file: str, fields: list[str], header: bool) -> tuple[str, ...]:
    if not header:
        return tuple(f"column_{i}" for i in range(1, len(fields) + 1))
    names = [name or f"unnamed_{i}" for i, name in enumerate(fields, start=1)]
    unnamed = [called for called, name in zip(names, fields, strict=True) if not name]
    if unnamed:
        warn(
            f"{file}: {counted(len(unnamed), 'column')} without a name, called {listed(unnamed)}. "
            "Such a column is often a row number: leave it out of training then"
        )
    if all(name[:1] == name[-1:] == "'" for name in fields):
        warn(f"{file}: the column names are in single quotes; {as_option('quote', chr(39))} removes these")
    if number := next((name for name in fields if number_in(name) is not None and "." in name), None):
        warn(
            f"{file}: {shown(number)} became a column's name; if the first line has values, write names above it"
        )
    return _each_its_own(file, names)


def _each_its_own(file: str, names: list[str]) -> tuple[str, ...]:
    """Distinct column names: from its second occurrence on, a repeated name gets a number."""
    taken, seen, found, renamed = set(names), Counter[str](), list[str](), dict[str, str]()
    for name in names:
        seen[name] += 1
        own = name
        while seen[name] > 1 and own in taken:
            own = f"{name}_{seen[name]}"
            seen[name] += own in taken
        if own != name:
            renamed[own] = name
            taken.add(own)
        found.append(own)
    if renamed:
        repeated = listed(dict.fromkeys(renamed.values()))
        warn(f"{file}: column names are repeated: {repeated}; later ones are called {listed(renamed)}")
    return tuple(found)
