"""IDX: every element type, round trips, the real MNIST, and files that lie."""

import contextlib
import errno
import gzip
import io
import os
import pickle
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from idx_files import write_idx

from lamina.errors import DataError, MissingFileError
from lamina.files.idx import read_idx

MNIST = Path(__file__).parents[2] / "src" / "lamina" / "support" / "datasets" / "bundled"

IDX_ARRAYS = hnp.arrays(
    st.sampled_from(["u1", "i1", "<i2", ">i2", "<i4", ">i4", "<f4", ">f4", "<f8", ">f8"]).map(np.dtype),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
)


@pytest.mark.parametrize(
    ("code", "big_endian"),
    [(0x08, "u1"), (0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")],
)
def test_every_element_type_from_bytes_put_together_here(code: int, big_endian: str) -> None:
    values = np.array([[1, 2, 3], [4, 5, 100]], big_endian)
    content = struct.pack(">BBBBII", 0, 0, code, 2, 2, 3) + values.tobytes()
    for packed in (content, gzip.compress(content)):
        array = read_idx(io.BytesIO(packed))
        assert array.dtype == values.dtype.newbyteorder("=")
        assert array.dtype.isnative
        assert array.flags.writeable
        np.testing.assert_array_equal(array, values)


@pytest.mark.slow
@settings(max_examples=50)
@given(IDX_ARRAYS, st.booleans())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, compress: bool) -> None:
    path = tmp_path_factory.mktemp("idx") / "array"
    write_idx(path, array, compress=compress)
    loaded = read_idx(path)
    assert loaded.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(loaded, array)


def test_the_content_decides_how_to_read(tmp_path: Path) -> None:
    array = np.zeros((50, 50), np.uint8)
    write_idx(tmp_path / "a.gz", array)
    write_idx(tmp_path / "b", array[:, ::2])
    os.rename(tmp_path / "a.gz", tmp_path / "a")
    assert read_idx(tmp_path / "a").shape == (50, 50)


def test_mnist_against_gzip_and_frombuffer() -> None:
    path = MNIST / "t10k-images-idx3-ubyte.gz"
    with gzip.open(path) as file:
        expected = np.frombuffer(file.read(), np.uint8, offset=16).reshape(10_000, 28, 28)
    np.testing.assert_array_equal(read_idx(path), expected)


def header(*shape: int, code: int = 8) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a header of at least 4 bytes, found 0"),
        (b"\0\0\x08", "found 3"),
        (b"\x89PNG\r\n", "not an IDX file: expected it to start with bytes 00 00, found 89 50"),
        (b"\0\0\x0a\1\0\0\0\0", "unknown IDX element type 0x0A; the format has 0x08 uint8"),
        (b"\0\0\x08\3\0\0\0\1", "truncated: expected 12 bytes for 3 dimensions, found 4"),
        (
            header(2, 3) + b"12345",
            r"truncated: the header promises uint8 of shape \(2, 3\), 6 bytes, found 5",
        ),
        (header(2, 3) + b"1234567", r"bytes after its data: .* \(2, 3\), 6 bytes, found more"),
        (header(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, code=0x0E) + b"12", "truncated: .* found 2"),
        (header(*[0xFFFFFFFF] * 255, code=0x0E), "truncated"),
        (header(0, *[0xFFFFFFFF] * 3), "NumPy cannot hold"),
        (header(*[1] * 200) + b"1", "NumPy cannot hold"),
    ],
)
def test_bad_files_are_named_and_explained(tmp_path: Path, content: bytes, message: str) -> None:
    for packed in (content, gzip.compress(content)):
        (tmp_path / "bad.idx").write_bytes(packed)
        with pytest.raises(DataError, match=message) as caught:
            read_idx(tmp_path / "bad.idx")
        assert str(tmp_path / "bad.idx") in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no file .*missing\.idx") as caught:
        read_idx(tmp_path / "missing.idx")
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert isinstance(error, FileNotFoundError) and error.errno == errno.ENOENT and "idx" in str(error)
    # As workers of Dask make one.
    assert isinstance(MissingFileError.__new__(MissingFileError), MissingFileError)


def test_damaged_gzip() -> None:
    packed = gzip.compress(header(2000) + os.urandom(2000))
    for cut in (3, 11, 1000, len(packed) - 9, len(packed) - 1):
        with pytest.raises(DataError, match="ends too early"):
            read_idx(io.BytesIO(packed[:cut]))
    wrong_checksum = packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]
    for damaged in (wrong_checksum, packed + b"garbage", packed[:2] + b"\xff" + packed[3:]):
        with pytest.raises(DataError, match="gzip data is damaged"):
            read_idx(io.BytesIO(damaged))


def test_gzip_in_several_members() -> None:
    content = header(2000) + os.urandom(2000)
    packed = b"".join(gzip.compress(content[start : start + 300]) for start in range(0, len(content), 300))
    assert read_idx(io.BytesIO(packed)).tobytes() == content[8:]
    with pytest.raises(DataError, match="found more"):
        read_idx(io.BytesIO(packed + gzip.compress(b"x")))


def test_a_lying_header_or_a_bomb_allocates_little() -> None:
    liar = header(0xFFFFFFFF, 0xFFFF) + b"few"
    bomb = zlib.compress(header(10) + bytes(1 << 26), level=9, wbits=31)
    tracemalloc.start()
    try:
        for content in (liar, gzip.compress(liar), bomb):
            with pytest.raises(DataError):
                read_idx(io.BytesIO(content))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


VALID = gzip.compress(header(3, 4, code=0x0B) + bytes(range(24)), mtime=0)


@given(st.data())
def test_changed_bytes_load_or_raise_data_error(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([VALID, gzip.decompress(VALID)])))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    with contextlib.suppress(DataError):
        read_idx(io.BytesIO(content))


@pytest.mark.slow
def test_a_packed_file_that_unpacks_to_far_more():
    header = bytes([0, 0, 8, 1]) + (100 << 20).to_bytes(4, "big")
    packed = gzip.compress(header + bytes(100 << 20), 6)
    with pytest.raises(DataError, match="256 times its size"):
        read_idx(io.BytesIO(packed), name="a.gz")


def test_messages_about_many_dimensions_are_short():
    with pytest.raises(DataError, match="promises uint8 of 255 dimensions") as caught:
        read_idx(io.BytesIO(bytes([0, 0, 8, 255]) + b"\1" * 1020))
    assert len(str(caught.value)) < 200
