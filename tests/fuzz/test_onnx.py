"""Damaged and hostile ONNX files: each becomes a network that predicts, or ends in one line.

As in test_readers.py, with two targets: bytes are changed in one, what the bytes say in the other. A file that is read
is also run on two rows.
"""

import zlib
from pathlib import Path
from random import Random

import numpy as np
import pytest
from fuzzing import Target, fuzz
from onnx_mutations import model_changed

import lamina

FIXTURES = Path(__file__).parents[1] / "interchange/fixtures"
SEEDS = [path.read_bytes() for path in sorted(FIXTURES.glob("*.onnx"))]
SMALL = [content for content in SEEDS if len(content) < 2500]
MEMORY, TIMES = 64 << 20, 128
"""Bytes, and times the file's length, by which the process may grow; protobuf takes up to 100 for empty messages."""

MOST_NUMBERS = 100_000
"""Of inputs that a network is run on: more are the user's, not the file's."""


def imported(folder):
    def run(content):
        path = folder / "model.onnx"
        path.write_bytes(content)
        net = lamina.import_onnx(path)
        shapes = [tuple(2 if n is None else n for n in given.shape) for given in net._inputs]
        if sum(np.prod(shape, dtype=float) for shape in shapes) <= MOST_NUMBERS:
            arrays = [np.zeros(shape, given.dtype) for shape, given in zip(shapes, net._inputs, strict=True)]
            assert list(net.predict(*arrays)) == list(net.output_names)

    return run


def changed(folder):
    read = imported(folder)

    def run(content):
        rng = Random(zlib.crc32(content))
        read(model_changed(rng.choice(SEEDS), rng))

    return run


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "beside").write_bytes(bytes(4096))
    return tmp_path


@pytest.mark.parametrize("name", ["onnx", "onnx_graph"])
def test_a_damaged_file_is_a_network_or_an_error(name, folder):
    run = {"onnx": imported, "onnx_graph": changed}[name](folder)
    figures = fuzz(Target(name, run, SMALL, memory=MEMORY, times=TIMES))
    assert figures.inputs > 0
