"""Everything that is read as data, given damaged: a table or an error of lamina, in bounded time and memory.

The memory that a target states is what the process may grow by in the whole run: what libraries hold once they are
loaded and a few MiB of caches, and a multiple of the longest input. `lamina.files.limits` says what is believed.
"""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import polars as pl
import pytest
from fuzzing import Target, fuzz
from PIL import Image

from lamina.cli._options import Reading
from lamina.datasets import read_digit
from lamina.files.idx import read_idx
from lamina.table.read import ReadOptions, read

FRAME = pl.DataFrame(
    {
        "x": [i * 0.5 for i in range(60)],
        "n": list(range(60)),
        "s": [f"value {i % 7} é" for i in range(60)],
        "b": [i % 3 == 0 for i in range(60)],
        "gap": [None if i % 4 else i for i in range(60)],
    }
)


def written(write, *args, **options):
    buffer = io.BytesIO()
    write(buffer, *args, **options)
    return buffer.getvalue()


def picture(kind, mode="RGB", size=(5, 3), **options):
    image = Image.effect_noise(size, 80).convert(mode)
    return written(lambda buffer: image.save(buffer, kind, **options))


def workbook():
    whole = openpyxl.Workbook()
    for row in [FRAME.columns, *FRAME.rows()]:
        whole.active.append(row)
    return whole


def zipped(buffer):
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", FRAME.write_csv())


CSV = FRAME.write_csv().encode()
QUOTED = b'a;"b ""c""";d\r\n1,5;"x;y";2024-01-01\r\n2;"two\r\nlines";?\r\n' * 3
JSON = FRAME.write_ndjson().encode()
ARRAY = json.dumps(FRAME.to_dicts(), indent=1).encode()
WORKBOOK = written(lambda buffer: workbook().save(buffer))
ZIP = written(zipped)
PIXELS = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
IDX = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in PIXELS.shape) + PIXELS.tobytes()
FLOATS = bytes([0, 0, 13, 1, 0, 0, 0, 4]) + np.arange(4, dtype=">f4").tobytes()
NPZ = written(np.savez, images=PIXELS, y=np.arange(3), name=np.array(["a", "b", "c"]))
PACKED_NPZ = written(np.savez_compressed, x=np.ones((5, 2)), y=np.arange(5) * 0.5)
PARQUETS = [
    written(FRAME.write_parquet, compression=kind) for kind in ("zstd", "snappy", "gzip", "uncompressed")
] + [written(FRAME.with_columns(pl.col("s").cast(pl.Categorical)).write_parquet)]
FEATHERS = [written(FRAME.write_ipc, compression=kind) for kind in ("zstd", "lz4", "uncompressed")]
PICTURES = [
    picture("PNG"), picture("PNG", "P"), picture("PNG", "LA"), picture("JPEG"), picture("JPEG", "CMYK"),
    picture("BMP"), picture("GIF", "P"), picture("TIFF"), picture("TIFF", "L", compression="tiff_lzw"),
    picture("WEBP"), picture("PPM", "L"),
]  # fmt: skip


def zstd(content):
    from lamina.table.formats import open_packed

    buffer = io.BytesIO()
    with open_packed(buffer, "wb", "zst") as file:
        file.write(content)
    return buffer.getvalue()


def reader(folder, name, **options):
    """A target that reads a table from a file of this name."""

    def run(content):
        path = folder / name
        path.write_bytes(content)
        frame = read(path, ReadOptions(**options))
        assert frame.width > 0

    return run


def digit(folder):
    def run(content):
        (folder / "digit").write_bytes(content)
        assert read_digit(folder / "digit").shape == (28, 28)

    return run


def options_of_the_command_line(folder):
    """The input is a JSON object of options, as text; what it says is used on a small table."""
    path = folder / "table.csv"
    path.write_bytes(CSV)

    def run(content):
        try:
            given = json.loads(content)
        except (ValueError, RecursionError):
            return
        names = ("format", "delimiter", "encoding", "decimal", "quote")
        if not isinstance(given, dict):
            return
        texts = [str(given[name]) if given.get(name) is not None else None for name in names]
        read(path, ReadOptions(**Reading(*texts).said()))

    return run


SETTINGS = [
    json.dumps({"delimiter": ",", "encoding": "utf-8", "quote": '"', "decimal": "."}).encode(),
    json.dumps({"encoding": "base64", "quote": "ab", "delimiter": ""}).encode(),
    json.dumps({"encoding": "utf-7", "quote": "", "format": "tsv"}).encode(),
    json.dumps({"encoding": "idna", "quote": "none", "format": "csv", "delimiter": "\\t"}).encode(),
    json.dumps({"encoding": "rot13", "quote": "\n", "delimiter": "\r"}).encode(),
]


def targets(folder: Path) -> list[Target]:
    """All targets on data, which use files in a folder."""
    mib = 1 << 20
    return [
        Target("idx", lambda content: read_idx(io.BytesIO(content)) is None, [IDX, FLOATS], memory=100 * mib),
        Target("idx_table", reader(folder, "a.idx"), [IDX, FLOATS, gzip.compress(IDX)]),
        Target("csv", reader(folder, "a.csv"), [CSV, QUOTED, CSV.decode().encode("utf-16")]),
        Target("json_lines", reader(folder, "a.jsonl"), [JSON, ARRAY]),
        Target("excel", reader(folder, "a.xlsx"), [WORKBOOK], memory=2048 * mib),
        Target("zip", reader(folder, "a.zip"), [ZIP]),
        Target("npz", reader(folder, "a.npz"), [NPZ, PACKED_NPZ]),
        Target("parquet", reader(folder, "a.parquet"), PARQUETS, memory=2048 * mib),
        Target("feather", reader(folder, "a.feather"), FEATHERS, memory=2048 * mib),
        Target("images", reader(folder, "a.png"), PICTURES),
        Target("digit", digit(folder), PICTURES, memory=1024 * mib),
        Target("gz", reader(folder, "a.csv.gz"), [gzip.compress(CSV), gzip.compress(QUOTED)]),
        Target("zst", reader(folder, "a.csv.zst"), [zstd(CSV), zstd(QUOTED)]),
        Target("bz2", reader(folder, "a.csv.bz2"), [bz2.compress(CSV), bz2.compress(QUOTED)]),
        Target("xz", reader(folder, "a.csv.xz"), [lzma.compress(CSV), lzma.compress(QUOTED)]),
        Target("options", options_of_the_command_line(folder), SETTINGS),
    ]


@pytest.mark.few(3)
@pytest.mark.parametrize("name", [
    "idx", "idx_table", "csv", "json_lines", "npz", "parquet", "feather", "images", "digit", "gz", "zst", "options",
    "excel", "zip", "bz2", "xz",
])  # fmt: skip
def test_damaged_input_is_a_table_or_an_error(tmp_path, name):
    [target] = [target for target in targets(tmp_path) if target.name == name]
    figures = fuzz(target)
    assert figures.inputs > 0
