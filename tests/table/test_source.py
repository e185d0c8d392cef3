"""Finding the files of a table, and what they are."""

import bz2
import gzip
import io
import lzma
import os
import sys
import zipfile

import pyarrow
import pytest
from named_pipes import pipe_with

from lamina.errors import DataError, MissingPackageError
from lamina.table.formats import format_of_name, open_packed
from lamina.table.read import read
from lamina.table.source import open_sources


@pytest.mark.parametrize(
    ("name", "format", "compression"),
    [
        ("a.csv", "csv", ""),
        ("A.CSV.GZ", "csv", "gz"),
        ("a.tsv.zst", "tsv", "zst"),
        ("a.pq", "parquet", ""),
        ("a.arrow", "feather", ""),
        ("a.ndjson", "jsonl", ""),
        ("a.npz", "npz", ""),
        ("t10k-images-idx3-ubyte.gz", "idx", "gz"),
        ("t10k-images.idx3-ubyte", "idx", ""),
        ("archive.gz", None, "gz"),
        ("a.csv.bz2", "csv", "bz2"),
        ("a.json.xz", "jsonl", "xz"),
        ("a.XLSX", "excel", ""),
        ("a", None, ""),
    ],
)
def test_formats_by_name(name, format, compression):
    assert format_of_name(name) == (format, compression)


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (b"a,b\n1,2\n", "csv"),
        (b"\xef\xbb\xbf {}\n", "jsonl"),
        (b'[{"a": 1}]', "jsonl"),
        (b"PAR1....", "parquet"),
        (b"ARROW1..", "feather"),
        (b"PK\x03\x04..", "npz"),
        (b"\x00\x00\x08\x03....", "idx"),
        (b"", "csv"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_formats_by_content(tmp_path, content, format, packed):
    (tmp_path / "file").write_bytes(gzip.compress(content) if packed else content)
    with open_sources(tmp_path / "file") as (source,):
        assert (source.format, source.compression) == (format, "gz" if packed else "")
        with source.open() as file:
            assert file.read() == content
        assert source.unpacked().read_bytes() == content


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.dta", "statistics program; save .* as CSV"),
        ("A.TAR", "unpack it"),
        ("a.pkl", "save the table as Parquet"),
    ],
)
def test_files_that_are_known_and_not_read(tmp_path, name, advice):
    (tmp_path / name).write_bytes(b"PK\x03\x04..")
    with pytest.raises(DataError, match=rf"{name} is .*{advice}"), open_sources(tmp_path / name):
        pass
    with open_sources(tmp_path / name, "npz") as (source,):
        assert source.format == "npz"


def test_a_glob_several_files_and_a_given_format(tmp_path):
    for name in ("b.txt", "a.txt", "c.csv"):
        (tmp_path / name).write_text("x\n")
    with open_sources([tmp_path / "*.txt", tmp_path / "c.csv"], "tsv") as sources:
        assert [(source.path.name, source.format) for source in sources] == [
            ("a.txt", "tsv"), ("b.txt", "tsv"), ("c.csv", "tsv")
        ]  # fmt: skip


def test_standard_input_can_be_read_twice(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(b'{"a": 1}\n'))))
    with open_sources("-") as (source,):
        assert (source.format, source.name) == ("jsonl", "standard input")
        for _ in range(2):
            with source.open() as file:
                assert file.read() == b'{"a": 1}\n'
        scratch = source.scratch
    assert not scratch.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_a_pipe_can_be_read_twice(tmp_path):
    """To look at its first bytes would take them from it."""
    pipe = pipe_with(tmp_path / "pipe", b"a,b\n1,2\n")
    with open_sources(pipe) as (source,):
        assert (source.format, source.name) == ("csv", str(pipe))
        for _ in range(2):
            with source.open() as file:
                assert file.read() == b"a,b\n1,2\n"


def test_what_is_not_there(tmp_path):
    (tmp_path / "train.csv").write_text("x\n")
    with (
        pytest.raises(DataError, match=r"no file .*trian.csv'\. Did you mean 'train.csv'"),
        open_sources(tmp_path / "trian.csv"),
    ):
        pass
    with (
        pytest.raises(DataError, match=r"no file matches the pattern .*\*.parquet"),
        open_sources(tmp_path / "*.parquet"),
    ):
        pass
    with pytest.raises(DataError, match="no file is given"), open_sources([]):
        pass


COMPRESS = {
    "gz": gzip.compress,
    "zst": lambda content: pyarrow.compress(content, "zstd", asbytes=True),
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("suffix", COMPRESS)
def test_packed_files_are_read_by_content(tmp_path, suffix):
    (tmp_path / "a.csv").write_bytes(COMPRESS[suffix](b"a,b\n1,2\n"))
    assert read(tmp_path / "a.csv").rows() == [(1, 2)]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_truncated_packed_files(tmp_path, suffix):
    content = b"".join(b"%d,%d\n" % (i, i * i) for i in range(1000))
    packed = COMPRESS[suffix](content)
    (tmp_path / f"a.csv.{suffix}").write_bytes(packed[:-20])
    with (
        open_sources(tmp_path / f"a.csv.{suffix}") as (source,),
        pytest.raises(DataError, match="truncated or corrupt"),
        source.open() as file,
    ):
        file.read()


@pytest.mark.parametrize(
    ("suffix", "magic"),
    [
        ("gz", b"\x1f\x8b"),
        ("zst", b"\x28\xb5\x2f\xfd"),
        ("bz2", b"BZh91AY&SY"),
        ("xz", b"\xfd7zXZ\x00"),
    ],
)
def test_what_only_begins_like_a_packed_file(tmp_path, suffix, magic):
    (tmp_path / f"a.csv.{suffix}").write_bytes(magic + b"\xf4\x92 is not packed")
    with pytest.raises(DataError, match=rf"a\.csv\.{suffix} can't be decompressed"):
        read(tmp_path / f"a.csv.{suffix}")


def zipped(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_the_table_of_an_archive_is_read(tmp_path):
    """As it is downloaded: with notes, and with what macOS adds."""
    files = {"data/train.csv": "a,b\n1,2\n", "README.md": "notes", "__MACOSX/data/._train.csv": b"\x00\x05"}
    assert read(zipped(tmp_path / "t.zip", **files)).rows() == [(1, 2)]
    packed = zipped(tmp_path / "packed.ZIP", **{"a.json.gz": gzip.compress(b'[{"a": 1}]')})
    assert read(packed).rows() == [(1,)]
    with open_sources(packed) as (source,):
        assert source.name == f"{packed}/a.json.gz"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"train.csv": "a\n1", "test.csv": "a\n2"}, r"has 2 files: 'train.csv', 'test.csv'; unpack it"),
        ({}, "has no files"),
        ({"a.csv": bytes(120 << 20)}, "unpacks to more than 256 times its size"),
        ({"a.csv": ""}, "is empty"),
    ],
)
def test_archives_without_one_table(tmp_path, files, said):
    with pytest.raises(DataError, match=said):
        read(zipped(tmp_path / "t.zip", **files))


def test_damaged_archives(tmp_path):
    whole = zipped(tmp_path / "t.zip", **{"a.csv": "a,b\n" + "1,2\n" * 100}).read_bytes()
    for content in (whole[:-30], whole[:40] + b"damaged" + whole[47:], b"a,b\n1,2\n"):
        (tmp_path / "t.zip").write_bytes(content)
        with pytest.raises(DataError, match=r"t\.zip can't be unpacked"):
            read(tmp_path / "t.zip")


def test_zstd_without_a_package_for_it(tmp_path, monkeypatch):
    for module in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, module, None)
    with (
        pytest.raises(MissingPackageError, match=r"pip install 'lamina\[table\]'"),
        open_packed(tmp_path / "a", "rb", "zst"),
    ):
        pass


@pytest.mark.few(1)
@pytest.mark.parametrize("pack", ["gz", "zst"])
def test_packed_files_that_unpack_to_far_more(tmp_path, pack):
    with open_packed(tmp_path / f"a.csv.{pack}", "wb", pack) as file:
        file.write(b"x\n")
        for _ in range(100):
            file.write(b"0\n" * (1 << 19))
    with (
        pytest.raises(DataError, match="256 times its size"),
        open_sources(tmp_path / f"a.csv.{pack}") as [one],
    ):
        one.unpacked()


def test_no_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(DataError, match="no standard input"), open_sources("-"):
        pass
