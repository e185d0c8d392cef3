"""MXNet's array files: bytes put together here as its C++ does, round trips, and hostile files."""

import contextlib
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamina import nd
from lamina.errors import DataError, DTypeError, MissingFileError, ShapeError
from lamina.files.mxnet_params import load_params, save_params

u32, i32, u64, i64 = (struct.Struct("<" + letter).pack for letter in "IiQq")
CPU, GPU_1 = i32(1) + i32(0), i32(2) + i32(1)
FLOAT32, FLOAT64, FLOAT16, UINT8, INT32, INT8, INT64, BOOL, BFLOAT16 = (*range(8), 12)


def file_of(*arrays: bytes, names: tuple[str, ...] = ()) -> bytes:
    """`NDArray::Save(stream, data, names)`: header, reserved, vector of arrays, vector of strings."""
    content = u64(0x112) + u64(0) + u64(len(arrays)) + b"".join(arrays) + u64(len(names))
    return content + b"".join(u64(len(name.encode())) + name.encode() for name in names)


def v2(
    shape: tuple[int, ...], flag: int, data: bytes, *, device: bytes = CPU, magic: int = 0xF993FAC9
) -> bytes:
    """`NDArray::Save`: magic, storage type, shape (uint32 and int64s), context, type flag, data."""
    return u32(magic) + i32(0) + u32(len(shape)) + b"".join(map(i64, shape)) + device + i32(flag) + data


def load_bytes(folder: Path, content: bytes) -> list[np.ndarray] | dict[str, np.ndarray]:
    path = folder / "net.params"
    path.write_bytes(content)
    return load_params(path)


def test_names_and_every_form(tmp_path: Path) -> None:
    data = np.array([[1.5, -2, 3], [4, 5, 6]], "<f4").tobytes()
    rest = CPU + i32(FLOAT32) + data
    legacy = u32(2) + u32(2) + u32(3) + rest
    v1 = u32(0xF993FAC8) + u32(2) + i64(2) + i64(3) + rest
    arrays = [
        legacy,
        v1,
        v2((2, 3), FLOAT32, data, device=GPU_1),
        v2((2, 3), FLOAT32, data, magic=0xF993FACA),
    ]
    loaded = load_bytes(tmp_path, file_of(*arrays, names=("arg:w", "é", "", "aux:b")))
    assert isinstance(loaded, dict)
    assert list(loaded) == ["arg:w", "é", "", "aux:b"]
    for array in loaded.values():
        assert array.dtype == np.float32
        assert array.flags.writeable
        np.testing.assert_array_equal(array, [[1.5, -2, 3], [4, 5, 6]])


def test_every_element_type(tmp_path: Path) -> None:
    stored = {
        FLOAT32: "<f4", FLOAT64: "<f8", FLOAT16: "<f2", UINT8: "u1", INT32: "<i4", INT8: "i1", INT64: "<i8",
        8: "<i2", 9: "<u2", 10: "<u4", 11: "<u8",
    }  # fmt: skip
    arrays = [v2((3,), flag, np.array([0, 1, 100], dtype).tobytes()) for flag, dtype in stored.items()]
    loaded = load_bytes(tmp_path, file_of(*arrays))
    assert isinstance(loaded, list)
    for array, dtype in zip(loaded, stored.values(), strict=True):
        assert array.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(array, [0, 1, 100])


def test_bool_and_bfloat16(tmp_path: Path) -> None:
    bfloat16 = struct.pack("<4H", 0x3F80, 0xC000, 0x7F80, 0x0001)
    booleans, widened = load_bytes(tmp_path, file_of(v2((3,), BOOL, b"\0\1\7"), v2((4,), BFLOAT16, bfloat16)))
    np.testing.assert_array_equal(booleans, [False, True, True])
    np.testing.assert_array_equal(booleans.view(np.uint8), [0, 1, 1])
    np.testing.assert_array_equal(widened, np.array([1, -2, np.inf, 2.0**-133], np.float32))


def test_scalar_and_empty(tmp_path: Path) -> None:
    scalar = v2((), FLOAT64, np.float64(2.5).tobytes(), magic=0xF993FACA)
    loaded = load_bytes(tmp_path, file_of(scalar, v2((0, 3), INT32, b"")))
    assert [array.shape for array in loaded] == [(), (0, 3)]
    assert loaded[0] == 2.5
    assert load_bytes(tmp_path, file_of()) == []


def test_written_bytes_are_mxnets(tmp_path: Path) -> None:
    array = np.array([[1, 2], [3, 4]], np.int64)
    save_params(tmp_path / "a", {"w": array.T, "mask": np.array([True])})
    written = v2((2, 2), INT64, struct.pack("<4q", 1, 3, 2, 4)), v2((1,), BOOL, b"\1")
    assert (tmp_path / "a").read_bytes() == file_of(*written, names=("w", "mask"))
    save_params(tmp_path / "b", [array])
    assert (tmp_path / "b").read_bytes() == file_of(v2((2, 2), INT64, struct.pack("<4q", 1, 2, 3, 4)))


SAVABLE = hnp.arrays(
    st.sampled_from(["f4", ">f4", "f8", "f2", "u1", ">i4", "i1", "i8", "?"]).map(np.dtype),
    hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4),
)


@pytest.mark.slow
@settings(max_examples=50)
@given(st.one_of(st.lists(SAVABLE, max_size=4), st.dictionaries(st.text(), SAVABLE, min_size=1, max_size=4)))
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, data: list[np.ndarray] | dict[str, np.ndarray]
) -> None:
    path = tmp_path_factory.mktemp("params") / "a"
    save_params(path, data)
    loaded = load_params(path)
    assert type(loaded) is type(data)
    if isinstance(data, dict):
        assert isinstance(loaded, dict)
        assert list(loaded) == list(data)
        data, loaded = list(data.values()), list(loaded.values())
    for array, expected in zip(loaded, data, strict=True):
        assert array.dtype == expected.dtype.newbyteorder("=")
        assert array.dtype.isnative
        np.testing.assert_array_equal(array, expected)


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(DTypeError, match="array 'w': MXNet has no element type for uint16"):
        save_params(tmp_path / "a", {"w": np.zeros(2, np.uint16)})
    with pytest.raises(ShapeError, match=r"array 1 has shape \(\).*use npx.save"):
        save_params(tmp_path / "a", [np.zeros(2), np.array(1.0)])
    assert os.listdir(tmp_path) == []


GOOD = v2((2,), FLOAT32, bytes(8))
HUGE = (1 << 62, 1 << 62)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated: expected 16 bytes of the file's header, found 0"),
        (b"PK\3\4" * 10, "not an MXNet array file: expected it to start with 0x112"),
        (file_of(GOOD)[:-9], "truncated: expected 8 bytes of array 0 of 1, float32 of shape .2,., found 7"),
        (file_of(GOOD)[:-1], "truncated: expected 8 bytes of the number of names, found 7"),
        (file_of(GOOD) + b"xyz", "3 bytes too many"),
        (u64(0x112) + u64(0) + u64(1 << 63) + GOOD, "array 1 of 9223372036854775808"),
        (file_of(v2(HUGE, FLOAT64, b"")), "truncated: expected 1701411834604692317316873037158841057"),
        (file_of(v2((0, *HUGE), FLOAT64, b"")), "NumPy cannot hold shape"),
        (file_of(v2((2, -2), FLOAT32, b"")), "before it had a shape"),
        (file_of(u32(0xF993FAC9) + i32(0) + u32(0)), "array 0 of 1 was saved before it had a shape"),
        (file_of(u32(0xF993FACA) + i32(0) + i32(-1)), "array 0 of 1 was saved before it had a shape"),
        (file_of(u32(0)), "before it had a shape"),
        (file_of(u32(0xF993FAC9) + i32(1) + bytes(40)), r"sparse \(row_sparse\).*tostype\('default'\)"),
        (file_of(u32(0xF993FAC9) + i32(2) + bytes(40)), r"sparse \(csr\)"),
        (file_of(u32(0xF993FAC9) + i32(7) + bytes(40)), "unknown storage type 7"),
        (file_of(u32(0xF993FACB) + bytes(40)), "unknown form 0xF993FACB"),
        (file_of(u32(0xF993FAC8) + u32(1000) + bytes(40)), "claims 1000 dimensions"),
        (file_of(v2((2,), 99, bytes(8))), "unknown element type 99"),
        (file_of(v2((2,), FLOAT32, bytes(8), device=i32(77) + i32(0))), "unknown device type 77"),
        (file_of(GOOD, GOOD, names=("a",)), "expected a name for each of 2 arrays, found 1"),
        (file_of(GOOD, GOOD, names=("a", "a")), "two arrays have the name 'a'"),
        (file_of(GOOD, names=("ab",))[:-2] + b"\xff\xfe", "name 0 of 1 is not UTF-8"),
        (file_of(GOOD)[:-8] + u64(1 << 62), "the length of name 0"),
        (file_of(GOOD)[:-8] + u64(1) + u64(1 << 62), "expected 4611686018427387904 bytes of name 0"),
    ],
)  # fmt: skip
def test_hostile_files_are_named_and_explained(tmp_path: Path, content: bytes, message: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message) as caught:
            load_bytes(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert "net.params" in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    # MXNet raises its own error, which programs catch to begin without a file.
    with pytest.raises(MissingFileError, match=r"no file .*missing\.params"):
        load_params(tmp_path / "missing.params")
    with pytest.raises(MissingFileError, match=r"no file .*missing\.params"):
        nd.load(tmp_path / "missing.params")


V1_AND_LEGACY = (
    u32(0xF993FAC8) + u32(1) + i64(1) + CPU + i32(UINT8) + b"x",
    u32(1) + u32(1) + CPU + i32(INT8) + b"y",
)
VALID = file_of(
    v2((2, 3), FLOAT32, bytes(24)), *V1_AND_LEGACY, v2((2,), BOOL, b"\0\1"), names=("a", "bc", "é", "d")
)


@settings(max_examples=50)
@given(st.data())
def test_changed_bytes_load_or_raise_data_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(len(content) // 2, len(content)))]
    with contextlib.suppress(DataError):
        load_bytes(tmp_path_factory.mktemp("params"), bytes(content))


def test_every_truncation_raises_data_error(tmp_path: Path) -> None:
    assert isinstance(load_bytes(tmp_path, VALID), dict)
    for length in range(len(VALID)):
        with pytest.raises(DataError):
            load_bytes(tmp_path, VALID[:length])
