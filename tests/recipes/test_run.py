"""A run on MNIST: everything comes back, other programs can read it, damage is told."""

import json
import tracemalloc

import numpy as np
import polars as pl
import pytest

import lamina
from lamina import nd
from lamina.errors import DataError
from lamina.estimators.meaning import computed_probabilities
from lamina.files.tensors import load_tensors, save_tensors
from lamina.recipes import ChapterNetwork, Digits, Settings, Training
from lamina.recipes.run import checkpoints, network_of_run, read_run
from lamina.runs.run_folder import open_model
from lamina.table.formats.arrays import pixel_frame
from lamina.training.loop import Observer
from lamina.training.run_folder import held_run, new_run

SETTINGS = Settings(hidden=(4,), epochs=3, batch_size=20)


class Stopping(Observer):
    """Presses Ctrl-C within the third epoch."""

    watches_steps = True

    def on_steps(self, loop, done, of, loss):
        if len(loop.past) == 2:
            raise KeyboardInterrupt


def _training(*observers):
    rng = np.random.default_rng(0)
    digits = Digits.from_arrays(rng.integers(0, 255, (1100, 28, 28), np.uint8), rng.integers(0, 10, 1100))
    return Training(SETTINGS, digits, digits, observers)


@pytest.fixture
def folder(tmp_path):
    with new_run(tmp_path / "run", "mnist") as run:
        training = _training(checkpoints(run, SETTINGS), Stopping())
        with pytest.raises(KeyboardInterrupt):
            list(training.run())
        assert training.progress.batch == 50
    return tmp_path / "run"


@pytest.mark.slow
def test_what_is_saved_comes_back_and_goes_on(folder):
    settings, saved = read_run(folder)
    assert settings == SETTINGS
    network = network_of_run(folder)
    for name, array in saved.arrays.items():
        np.testing.assert_array_equal(network.arrays()[name], array)
    with held_run(folder) as run:
        resumed = _training(checkpoints(run, settings, saved))
        assert [epoch.number for epoch in resumed.run()] == [3]
    whole = _training()
    list(whole.run())
    for name, array in load_tensors(folder / "model.safetensors")[0].items():
        np.testing.assert_array_equal(array, whole.state()[0][name])


def test_it_is_a_model_of_a_table_of_pixels(folder):
    model, details = open_model(folder)
    network = network_of_run(folder)
    pixels = np.random.default_rng(1).integers(0, 256, (300, 784), np.uint8)
    scores = lamina.compile(network.__call__, independent_rows=True)(
        nd.array(pixels, dtype=np.uint8)
    ).asnumpy()
    np.testing.assert_array_equal(model.fitted.of_table(pixels), scores)
    frame = pixel_frame("pictures", pixels).reverse().with_columns(image=pl.lit("name"))
    np.testing.assert_array_equal(model.outputs(frame), computed_probabilities(scores, several=False)[::-1])
    assert (model.target.name, model.target.classes) == ("digit", tuple(range(10)))
    assert details["settings"]["hidden"] == (4,) and len(details["metrics"]) == 2
    with pytest.raises(DataError, match=r"256 in row 0 .* is not a whole number from 0"):
        model.fitted.of_table(np.full((1, 784), 256))


def test_other_programs_can_read_it(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert set(lines[0]) == {"epoch", "loss", "train_accuracy", "test_accuracy", "train_seconds"}
    assert json.loads((folder / "settings.json").read_text())["hidden"] == [4]
    metadata = load_tensors(folder / "model.safetensors")[1]
    assert json.loads(metadata["classes"]) == list(range(10))
    assert "28x28" in metadata["input"]


def test_no_run_here(tmp_path):
    for read in (read_run, open_model):
        with pytest.raises(DataError, match="contains no run"):
            read(tmp_path)


def test_a_foreign_model_is_told_apart(tmp_path):
    save_tensors(tmp_path / "model.safetensors", {"x": np.zeros(3, np.float32)}, {"format": "pt"})
    with pytest.raises(DataError, match="has arrays but no model"):
        open_model(tmp_path)
    with pytest.raises(DataError, match="not a model that lamina trained on digits"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    "damage", [{"request": "{"}, {"request": "{}"}, {"request": "[]"}, {"position": "{}"}, {"format": "?"}]
)
def test_damaged_settings_are_told(folder, damage):
    arrays, metadata = load_tensors(folder / "model.safetensors")
    save_tensors(folder / "model.safetensors", arrays, {**metadata, **damage})
    with pytest.raises(DataError, match=r"model.safetensors is damaged"):
        read_run(folder)


def test_a_state_of_other_layers_is_told(folder):
    arrays, metadata = load_tensors(folder / "model.safetensors")
    arrays["W1"] = ChapterNetwork([784, 5, 10]).arrays()["W1"]
    save_tensors(folder / "model.safetensors", arrays, metadata)
    with pytest.raises(DataError, match=r"model.safetensors is damaged.*'W1' does not fit a network"):
        read_run(folder)


@pytest.mark.parametrize("hidden", [[1_500_000], [4] * 100_000, [4, 4], [], [-4], ["4"], 4])
def test_layers_that_the_file_does_not_hold_take_no_memory(folder, hidden):
    arrays, metadata = load_tensors(folder / "model.safetensors")
    request = {**json.loads(metadata["request"]), "hidden": hidden}
    save_tensors(folder / "model.safetensors", arrays, {**metadata, "request": json.dumps(request)})
    tracemalloc.start()
    try:
        for read in (read_run, network_of_run):
            with pytest.raises(DataError, match=r"model.safetensors is damaged"):
                read(folder)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_network_that_is_not_finite_predicts_nothing(folder):
    arrays, metadata = load_tensors(folder / "model.safetensors")
    arrays["b1"][0] = np.nan
    save_tensors(folder / "model.safetensors", arrays, metadata)
    with pytest.raises(DataError, match="'b1' has values that are not finite"):
        network_of_run(folder)


@pytest.mark.slow
def test_every_flipped_bit_is_noticed(folder):
    file = folder / "model.safetensors"
    content = file.read_bytes()
    for bit in np.random.default_rng(0).integers(8 * len(content), size=400):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        with pytest.raises(DataError):
            network_of_run(folder)


def test_a_truncated_model_is_told(folder):
    file = folder / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    for read in (read_run, open_model):
        with pytest.raises(DataError, match="not a readable safetensors file"):
            read(folder)
