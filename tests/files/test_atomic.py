"""Atomic writing and safetensors: what is on the disk after success, failure and corruption."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamina.errors import DataError
from lamina.files.atomic import atomic_write, naming
from lamina.files.tensors import load_tensors, save_tensors


def test_atomic_write_bytes_and_text(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a") as file:
        file.write(b"\x00\xff")
        assert not (tmp_path / "a").exists()
    with atomic_write(tmp_path / "b", "w") as file:
        file.write("é\n")
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b").read_bytes() == b"\xc3\xa9\n"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_atomic_write_failure_keeps_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(error), atomic_write(target, "w") as file:
        file.write("half")
        raise error
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_told_with_its_file() -> None:
    with pytest.raises(OSError, match=r"'out\.csv'"), naming("out.csv"), open("/dev/full", "wb") as file:
        file.write(b"a")
    with pytest.raises(OSError, match=r"'absent/in\.csv'"), naming("out.csv"):
        open("absent/in.csv").close()


def test_atomic_write_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "a"):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


def test_atomic_write_permissions_follow_umask_and_old_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    with atomic_write(tmp_path / "new"):
        pass
    assert (tmp_path / "new").stat().st_mode == plain.stat().st_mode
    plain.chmod(0o640)
    with atomic_write(plain):
        pass
    assert stat.S_IMODE(plain.stat().st_mode) == 0o640


def test_atomic_write_follows_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_write(tmp_path / "link", "w") as file:
        file.write("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_atomic_write_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"), atomic_write(tmp_path / "missing" / "a"):
        pass
    with pytest.raises(IsADirectoryError, match="folder"), atomic_write(tmp_path):
        pass
    with pytest.raises(ValueError, match="'rb'"), atomic_write(tmp_path / "a", "rb"):  # type: ignore[arg-type]
        pass


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
    st.dictionaries(st.text(), st.text()),
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
