"""A run's folder: nothing is overwritten, everything comes back, damage is told."""

import json

import numpy as np
import pytest

from lamina.errors import DataError, LaminaError
from lamina.io.tensors import load_tensors, save_tensors
from lamina.recipes import ChapterNetwork, Epoch, Progress, Settings
from lamina.recipes.run_folder import RunFolder

SETTINGS = Settings(hidden=(4,), epochs=3)
PROGRESS = Progress(2, 7, 0.25, 1.5, [Epoch(1, 0.5, 0.8, 0.7, 2.0), Epoch(2, 0.3, 0.9, 0.8, 2.1)])


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder.create(tmp_path / "run")
    folder.save(SETTINGS, ChapterNetwork([784, 4, 10]).arrays(), PROGRESS)
    return folder


def test_what_is_saved_comes_back(folder):
    settings, parameters, progress = RunFolder(folder.path).load()
    assert settings == SETTINGS
    assert progress == PROGRESS
    network = folder.network()
    for name, array in parameters.items():
        np.testing.assert_array_equal(network.arrays()[name], array)


def test_other_programs_can_read_it(folder):
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert set(lines[0]) == {"epoch", "loss", "train_accuracy", "test_accuracy", "train_seconds"}
    assert json.loads(folder.settings.read_text())["hidden"] == [4]
    metadata = load_tensors(folder.model)[1]
    assert json.loads(metadata["classes"]) == list(range(10))
    assert "28x28" in metadata["input"]


def test_a_run_is_never_overwritten(folder):
    with pytest.raises(LaminaError, match=r"holds a run already.*--resume"):
        RunFolder.create(folder.path)


def test_nor_is_anything_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(LaminaError, match="not empty"):
        RunFolder.create(tmp_path)
    with pytest.raises(LaminaError, match="is a file"):
        RunFolder.create(tmp_path / "thesis.txt")


def test_an_empty_folder_will_do(tmp_path):
    assert RunFolder.create(tmp_path).path == tmp_path


def test_fresh_folders_are_numbered_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [str(RunFolder.create().path) for _ in range(2)] == ["runs/mnist-1", "runs/mnist-2"]
    (tmp_path / "runs" / "mnist-17").mkdir()
    (tmp_path / "runs" / "mnist-copy").mkdir()
    assert str(RunFolder.create().path) == "runs/mnist-18"


def test_no_run_here(tmp_path):
    with pytest.raises(DataError, match="holds no run"):
        RunFolder(tmp_path).load()


def test_a_foreign_model_is_told_apart(folder):
    save_tensors(folder.model, {"x": np.zeros(3, np.float32)}, {"format": "pt"})
    with pytest.raises(DataError, match="not a model that lamina trained on digits"):
        folder.load()


@pytest.mark.parametrize("damage", [{"settings": "{"}, {"settings": "{}"}, {"progress": '{"epoch": 1}'}])
def test_damaged_settings_are_told(folder, damage):
    arrays, metadata = load_tensors(folder.model)
    save_tensors(folder.model, arrays, {**metadata, **damage})
    with pytest.raises(DataError, match="settings are damaged"):
        folder.load()


def test_a_truncated_model_is_told(folder):
    content = folder.model.read_bytes()
    folder.model.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="not a readable safetensors file"):
        folder.load()
