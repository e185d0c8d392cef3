"""save and load."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from lamina import nd
from lamina.errors import DataError


def test_a_dict_a_list_and_a_single_array(tmp_path: Path) -> None:
    path = tmp_path / "x.params"
    weights = {"w": nd.random.normal(shape=(2, 3)), "n": nd.array([1, 2], dtype="int32")}
    nd.save(path, weights)
    loaded = nd.load(path)
    assert isinstance(loaded, dict)
    assert list(loaded) == ["w", "n"]
    assert loaded["n"].dtype == np.int32
    assert (loaded["w"] == weights["w"]).min()
    nd.save(str(path), [weights["w"], weights["n"]])
    listed = nd.load(str(path))
    assert [x.shape for x in listed] == [(2, 3), (2,)]
    nd.save(path, weights["w"])
    assert len(nd.load(path)) == 1


def test_loaded_arrays_can_be_written(tmp_path: Path) -> None:
    nd.save(tmp_path / "x", nd.ones(2))
    (x,) = nd.load(tmp_path / "x")
    x[:] = 3
    assert x.asnumpy().tolist() == [3, 3]


def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"not a parameter file at all")
    with pytest.raises(DataError):
        nd.load(tmp_path / "x")


def test_what_is_no_array_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="found int"):
        nd.save(tmp_path / "x", {"a": 3})  # pyright: ignore
    with pytest.raises(TypeError, match="names of arrays are strings, not 1"):
        nd.save(tmp_path / "x", {1: nd.ones(2)})  # pyright: ignore
    assert not (tmp_path / "x").exists()


def test_safetensors_files_load_too(tmp_path):
    safetensors.numpy.save_file({"w": np.eye(2, dtype=np.float32)}, tmp_path / "net.safetensors")
    loaded = nd.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(loaded["w"].asnumpy(), np.eye(2))
