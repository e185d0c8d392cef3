"""File formats: a registry from which reading, writing, help texts and messages are derived.

A new format is a module next to this one, with a reader and optionally a writer, and an entry in `FORMATS`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import KW_ONLY, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from lamina.support.extras import missing_packages, require
from lamina.support.lazily import pl

if TYPE_CHECKING:
    from lamina.table.places import LineNumbers


class HasTypes(Protocol):
    """The columns of a table's file, before its rows are read.

    Attributes:
        name: the file's name in messages.
        textual: whether values are untyped, so that any column can be read as text.
    """

    @property
    def name(self) -> str: ...

    @property
    def textual(self) -> bool: ...

    def types(self) -> dict[str, pl.DataType]:
        """The types of the columns by name, in order; a column without values has the type Null."""
        ...


@runtime_checkable
class Reader(HasTypes, Protocol):
    """A reader of a table's file.

    Attributes:
        lines: the line numbers of a text file's rows, known once `types` was called; None for other formats.
    """

    lines: LineNumbers | None

    def batches(self, types: Mapping[str, pl.DataType], rows: int) -> Generator[pl.DataFrame]:
        """The rows in order, with the columns and types of `types`, in parts of up to `rows` rows."""
        ...


Writer = Callable[[Iterable["pl.DataFrame"], "pl.Schema", IO[bytes]], None]
"""A function that writes the parts of a table, all with the columns and types of the schema, to a file."""


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        title: the display name.
        suffixes: the file name suffixes, in lower case.
        magic: the first bytes of the content, which identify the format if the name has no known suffix.
        reads: "module:name", in this package, of the function from a `Source` and `ReadOptions` to a `Reader`.
        writes: "module:name" of the `Writer`; None if writing is unsupported.
        in_subprocess: whether a helper process reads files of this format, which is slow to start.
        packs_itself: whether the format has internal compression.
        is_folder: whether a folder can have this format.
        packages: the PyPI names of required packages other than polars.
    """

    title: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...] = ()
    _: KW_ONLY
    reads: str
    writes: str | None = None
    in_subprocess: bool = False
    packs_itself: bool = False
    is_folder: bool = False
    packages: tuple[str, ...] = ()

    def reader(self) -> Callable[..., Reader]:
        """The function that returns a file's `Reader`, from its `Source` and the `ReadOptions`.

        Raises:
            MissingPackageError: a package is not installed.
        """
        require(f"reading {self.title}", *self.packages)
        return _imported(self.reads)

    def writer(self) -> Writer:
        """The function that writes a file of this format, for formats in `writable()`."""
        assert self.writes is not None
        return _imported(self.writes)


def _imported(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    return getattr(import_module(f"{__name__}.{module}"), name)


FORMATS: dict[str, Format] = {
    "csv": Format("CSV", (".csv", ".txt", ".data"), reads="delimited:DelimitedFile", writes="delimited:write_csv"),
    "tsv": Format("TSV", (".tsv", ".tab"), reads="delimited:DelimitedFile", writes="delimited:write_tsv"),
    "parquet": Format(
        "Parquet", (".parquet", ".pq"), (b"PAR1",),
        reads="columnar:ColumnarFile", writes="columnar:write_parquet", in_subprocess=True, packs_itself=True,
    ),
    "feather": Format(  # Arrow's IPC file
        "Feather", (".feather", ".arrow", ".ipc"), (b"ARROW1", b"FEA1"),
        reads="columnar:ColumnarFile", writes="columnar:write_feather", in_subprocess=True, packs_itself=True,
    ),
    "jsonl": Format(
        "JSON", (".jsonl", ".ndjson", ".json"), (b"{", b"[{"),  # a line, or an element of an array, per row
        reads="jsonlines:JsonLines", writes="jsonlines:write_json_lines",
    ),
    "excel": Format(
        "Excel", (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
        reads="columnar:read_spreadsheet", in_subprocess=True, packs_itself=True, packages=("python-calamine",),
    ),
    "npz": Format("npz", (".npz",), (b"PK\x03\x04",), reads="arrays:read_npz"),
    "idx": Format(
        "IDX", (".idx", ".idx1", ".idx3", "-ubyte"), tuple(bytes([0, 0, kind]) for kind in b"\x08\x09\x0b\x0c\x0d\x0e"),
        reads="arrays:read_idx_file",
    ),
    "images": Format(  # a folder with a subfolder of images per class, or a single image
        "images", (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"),
        reads="arrays:ImageFolder", is_folder=True, packages=("pillow",),
    ),
}  # fmt: skip
"""Formats by their names in `ReadOptions` and --format; the first is the default for unrecognized files."""

NOT_READ: dict[str, str] = {
    suffix: what
    for suffixes, what in (
        (".tar .tgz .7z .rar", "an archive; unpack it first"),
        (".arff", "of Weka; save the table as CSV"),
        (".pkl .pickle .joblib", "a pickle, which may run any program; save the table as Parquet"),
        (".sav .dta .sas7bdat .rds .rdata", "of a statistics program; save the table as CSV"),
        (".h5 .hdf5 .sqlite .db .npy", "not a table; save the table as Parquet or .npz"),
    )
    for suffix in suffixes.split()
}
"""Advice for file types that are not supported, by suffix."""


def begin_reading(names: Iterable[str | os.PathLike[str]]) -> None:
    """Start the helper process if it reads files with these names.

    It takes a while to start, so call this function before other modules load.

    >>> begin_reading(["people.csv"])
    """
    formats = {format_of_name(os.fspath(name))[0] for name in names}
    if any(FORMATS[format].in_subprocess for format in formats if format is not None):
        _imported("columnar:begin")()


def end_reading() -> None:
    """Stop the helper process if reading or `begin_reading` started it, which frees memory."""
    _imported("columnar:end")()


def described() -> str:
    """A description of the supported file formats, for help texts.

    >>> described()
    'CSV, TSV, Parquet, Feather, JSON, Excel, npz, IDX, images (.gz, .zst, .bz2, .xz, .zip too)'
    """
    packings = ", ".join([*(packing.suffixes[0] for packing in PACKINGS.values()), ".zip"])
    return f"{', '.join(format.title for format in FORMATS.values())} ({packings} too)"


def writable() -> tuple[str, ...]:
    """The names of the formats that can be written.

    >>> writable()
    ('csv', 'tsv', 'parquet', 'feather', 'jsonl')
    """
    return tuple(name for name, format in FORMATS.items() if format.writes is not None)


def are_pictures(files: Iterable[str | os.PathLike[str]], format: str | None = None) -> bool:
    """Whether the files are images or folders of images.

    `format` is the format that the user chose; None: the names decide.

    >>> are_pictures(["cat.png", "dogs/*.jpg"]), are_pictures(["cat.png", "table.csv"])
    (True, False)
    """
    if format:
        return FORMATS[format].is_folder
    return all(os.path.isdir(file) or format_of_name(os.fspath(file))[0] == "images" for file in files)


def format_of_name(name: str) -> tuple[str | None, str]:
    """The format and the compression that a file name's suffixes indicate.

    Without a known suffix, the format is None.

    >>> format_of_name("a/train.csv.gz"), format_of_name("train-images-idx3-ubyte"), format_of_name("data")
    (('csv', 'gz'), ('idx', ''), (None, ''))
    """
    name, packing = name.lower(), ""
    for packed, kind in PACKINGS.items():
        for suffix in kind.suffixes:
            if name.endswith(suffix):
                name, packing = name.removesuffix(suffix), packed
    found = (known for known, format in FORMATS.items() if name.endswith(format.suffixes))
    return next(found, None), packing


def format_of_content(start: bytes) -> str:
    """The format that the first uncompressed bytes of a file indicate.

    >>> format_of_content(b"PAR1"), format_of_content(b"a,b")
    ('parquet', 'csv')
    """
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip(b" \r\n\t")
    found = (name for name, format in FORMATS.items() if format.magic and start.startswith(format.magic))
    return next(found, next(iter(FORMATS)))


# --- compression of whole files by gzip, zstd, bzip2 and xz -----------------------------------------------------------
@dataclass(frozen=True)
class Packing:
    """A compression format.

    Attributes:
        suffixes: the file name suffixes.
        magic: the possible first bytes.
        modules: the modules with the function `open`; the first that is installed opens files.
        error: the name of the module's error for invalid content, if it is no `OSError`.
        options: further arguments of `open`.
    """

    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...]
    modules: tuple[str, ...]
    error: str = ""
    options: Mapping[str, int] = field(default_factory=dict[str, int])

    def module(self) -> Any:
        """The module that opens files.

        Raises:
            MissingPackageError: none is installed.
        """
        for name in self.modules:
            with suppress(ImportError):
                return import_module(name)
        raise missing_packages(f"a {self.suffixes[0]} file", ["backports.zstd"])


PACKINGS: dict[str, Packing] = {
    "gz": Packing((".gz",), (b"\x1f\x8b",), ("gzip",), options={"compresslevel": 6}),
    "zst": Packing(  # zstd is in Python 3.14
        (".zst", ".zstd"), (b"\x28\xb5\x2f\xfd",), ("compression.zstd", "backports.zstd"), "ZstdError"
    ),
    "bz2": Packing((".bz2",), tuple(b"BZh%d1AY&SY" % i for i in range(1, 10)), ("bz2",)),
    "xz": Packing((".xz",), (b"\xfd7zXZ\x00",), ("lzma",), "LZMAError"),
}  # fmt: skip


@contextmanager
def open_packed(target: Path | IO[bytes], mode: Literal["rb", "wb"], packing: str) -> Generator[IO[bytes]]:
    """Open a stream that decompresses a file, or compresses to it.

    `packing` is a key of `PACKINGS`, or "" for no compression.
    """
    if not packing:
        with target.open(mode) if isinstance(target, Path) else nullcontext(target) as file:
            yield file
        return
    kind = PACKINGS[packing]
    module = kind.module()
    try:
        with module.open(target, mode, **kind.options) as file:
            yield file
    except getattr(module, kind.error, ()) as error:
        raise OSError(str(error)) from error
