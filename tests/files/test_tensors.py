"""Safetensors files: what is read back, what is refused, and that no bit may change."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamina.errors import DataError
from lamina.files.tensors import load_tensors, save_tensors

OWN_METADATA = ("lamina.file", "lamina.digest")
TENSORS = hnp.arrays(
    st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(),
        hnp.unsigned_integer_dtypes(),
        hnp.floating_dtypes(sizes=(16, 32, 64)),
    ),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


@settings(max_examples=50)
@given(
    st.dictionaries(st.text().filter(lambda name: name != "__metadata__"), TENSORS),
    st.dictionaries(st.text().filter(lambda name: name not in OWN_METADATA), st.text()),
)
def test_tensors_round_trip(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, np.ndarray], metadata: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("tensors") / "t"
    save_tensors(path, arrays, metadata)
    loaded, loaded_metadata = load_tensors(path)
    assert loaded_metadata == metadata
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(loaded[name], array)


def test_tensors_of_strided_arrays(tmp_path: Path) -> None:
    array = np.arange(24.0).reshape(4, 6)
    save_tensors(tmp_path / "t", {"transposed": array.T, "steps": array[::2, ::-3]})
    loaded, _ = load_tensors(tmp_path / "t")
    np.testing.assert_array_equal(loaded["transposed"], array.T)
    np.testing.assert_array_equal(loaded["steps"], array[::2, ::-3])


def test_save_tensors_names_what_it_cannot_store(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="'w' is an array of complex128"):
        save_tensors(tmp_path / "t", {"w": np.zeros(2, complex)})
    with pytest.raises(TypeError, match="'w' is list"):
        save_tensors(tmp_path / "t", {"w": [1.0]})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="__metadata__"):
        save_tensors(tmp_path / "t", {"__metadata__": np.zeros(2)})
    with pytest.raises(TypeError, match="'epoch' to int 3"):
        save_tensors(tmp_path / "t", {}, {"epoch": 3})  # type: ignore[dict-item]
    for own in OWN_METADATA:
        with pytest.raises(ValueError, match=f"'{own}' is the file's own entry"):
            save_tensors(tmp_path / "t", {}, {own: ""})
    assert os.listdir(tmp_path) == []


def test_load_tensors_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    with pytest.raises(FileNotFoundError, match=r"t\.safetensors"):
        load_tensors(path)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        load_tensors(tmp_path)
    save_tensors(path, {"w": np.arange(100.0)})
    content = path.read_bytes()
    for corrupt in (
        b"",
        content[:7],
        content[:-1],
        content + b"x",
        b"\xff" * 200,
        content[:8] + b"\xff" * 100,
    ):
        path.write_bytes(corrupt)
        with pytest.raises(DataError, match=r"t\.safetensors is not a readable safetensors file"):
            load_tensors(path)


@pytest.mark.slow
@settings(max_examples=50)
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_loads_or_raises_data_error(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    path = tmp_path_factory.mktemp("tensors") / "t"
    save_tensors(path, {"w": np.arange(6.0), "b": np.zeros((2, 3), np.float32)}, {"k": "v"})
    content = bytearray(path.read_bytes())
    content[position % len(content)] = value
    path.write_bytes(content)
    try:
        load_tensors(path)
    except DataError as error:
        assert str(path) in str(error)


@pytest.mark.slow
def test_every_bit_of_a_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "t"
    save_tensors(path, {"w": np.arange(6.0), "é": np.array([True, False])}, {"k": "é\t"})
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(DataError, match=f"{path} is "):
            load_tensors(path)


def test_the_same_content_is_the_same_file(tmp_path: Path) -> None:
    arrays = {name: np.full(3, i, np.float32) for i, name in enumerate("zyx")}
    save_tensors(tmp_path / "a", arrays, {"b": "1", "a": "2"})
    save_tensors(tmp_path / "b", dict(reversed(arrays.items())), {"a": "2", "b": "1"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_formats_own_library_reads_and_writes_the_same(tmp_path: Path) -> None:
    arrays = {
        "half": np.ones((2, 3), np.float16),
        "byte": np.arange(5, dtype=np.uint8),
        "none": np.empty((0, 4)),
    }
    save_tensors(tmp_path / "ours", arrays, {"k": "v"})
    with safetensors.safe_open(tmp_path / "ours", framework="numpy") as file:
        assert file.metadata()["k"] == "v"
        assert file.metadata()["lamina.digest"].startswith("sha256:")
        for name, array in arrays.items():
            np.testing.assert_array_equal(file.get_tensor(name), array)
    safetensors.numpy.save_file(arrays, tmp_path / "theirs", {"k": "v"})
    loaded, metadata = load_tensors(tmp_path / "theirs")
    assert metadata == {"k": "v"}
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)


def test_loaded_arrays_can_be_written(tmp_path: Path) -> None:
    save_tensors(tmp_path / "t", {"w": np.zeros(2)})
    loaded, _ = load_tensors(tmp_path / "t")
    loaded["w"][:] = 1
    assert loaded["w"].tolist() == [1, 1]


def _file(header: str | dict, data: bytes = b"") -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return len(text).to_bytes(8, "little") + text + data


def _place(dtype="F32", shape=(1,), offsets=(0, 4), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


HOSTILE = {
    "a header longer than the file": ((1 << 62).to_bytes(8, "little"), "904 bytes, but the file has only 8"),
    "a header that is no object": (_file("[]"), "Expected `object`"),
    "nested": (_file('{"a":' + "[" * 100_000), "its header"),
    "NaN": (_file('{"a": NaN}'), "its header"),
    "metadata that is no text": (_file({"__metadata__": {"a": 1}}), "its metadata: Expected `str`"),
    "a field too many": (_file({"a": _place(more=1)}, bytes(4)), "unknown field `more`"),
    "a field too few": (_file({"a": {"dtype": "F32"}}), "array 'a': Object missing required field"),
    "bfloat16": (_file({"a": _place("BF16", (2,))}, bytes(4)), "array 'a' has the dtype 'BF16', which NumPy lacks"),
    "a huge array": (_file({"a": _place(shape=(1 << 40,))}, bytes(4)), "is not at bytes 0 to 4398046511104"),
    "a huge empty array": (_file({"a": _place(shape=(0, 1 << 62), offsets=(0, 0))}), "array"),
    "a huge number": (_file({"a": _place(shape=(10**30,))}, bytes(4)), "array 'a'"),
    "a negative size": (_file({"a": _place(shape=(-1, -1))}, bytes(4)), "a shape that NumPy can't hold"),
    "dimensions": (_file({"a": _place(shape=[1] * 65)}, bytes(4)), "a shape that NumPy can't hold"),
    "a gap": (_file({"a": _place(offsets=(4, 8))}, bytes(8)), "is not at bytes 0 to 4"),
    "an overlap": (_file({"a": _place(), "b": _place()}, bytes(4)), "array 'b' of shape (1,) is not at bytes 4 to 8"),
    "bytes too many": (_file({"a": _place()}, bytes(5)), "have 4 bytes, but 5 follow"),
    "two digests": (
        _file('{"__metadata__":{"lamina.digest":"sha256:0","lamina.digest":"sha256:0"}}'),
        "damaged: its digest is not in its place",
    ),
    "another version": (_file({"__metadata__": {"lamina.file": "2", "lamina.digest": ""}}), "its version is '2'"),
    "no digest": (_file({"__metadata__": {"lamina.file": "1"}}), "damaged: it has lost its digest"),
    "a digest with spaces": (_file({"__metadata__": {"lamina.digest": "sha256:" + "0" * 64}}), "not in its place"),
    "a digest that is short": (_file('{"__metadata__":{"lamina.digest":"sha256:0"}}'), "does not match its SHA-256"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_are_refused_in_little_memory(tmp_path: Path, what: str) -> None:
    content, message = HOSTILE[what]
    path = tmp_path / "t.safetensors"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            load_tensors(path)
        assert tracemalloc.get_traced_memory()[1] < (1 << 20) + 10 * len(content)
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_importing_lamina_loads_nothing_of_files() -> None:
    program = "import lamina, sys; assert not {'msgspec', 'safetensors'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_digest_under_a_damaged_name_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"x": np.ones(3, np.float32)}, {})
    content = path.read_bytes()
    path.write_bytes(
        content.replace(b"lamina.digest", b"lamima.digest").replace(b"lamina.file", b"lamima.file")
    )
    with pytest.raises(DataError, match="has lost its digest"):
        load_tensors(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it has only 0 bytes; it may be empty or cut off"),
        (b"\x10" + bytes(11), "its first 8 bytes announce a header of 16 bytes, but the file has only 12"),
    ],
)
def test_a_file_without_a_header(content, said, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=said):
        load_tensors(tmp_path / "w.safetensors")
