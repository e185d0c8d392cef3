"""Damaged and hostile symbol files: each becomes a network, or ends in one line.

As in test_readers.py, with two targets: bytes are changed in one, what the JSON says in the other. A network that is
read is also run.
"""

import json
import zlib
from pathlib import Path
from random import Random

import numpy as np
import pytest
from fuzzing import Target, fuzz

from lamina import gluon, nd
from lamina.symbol import load, var

FIXTURES = Path(__file__).parents[1] / "symbol/fixtures"
OPERATORS = json.loads((FIXTURES / "operators.json").read_text())["cases"]
SEEDS = [path.read_bytes() for path in sorted(FIXTURES.glob("*-symbol.json"))]
SEEDS += [json.dumps(case).encode() for case, _ in OPERATORS[::7]]
MEMORY, TIMES = 96 << 20, 100
STRANGE = (
    0,
    -1,
    1 << 40,
    "",
    "None",
    "(0,)",
    "(-1, 2)",
    "1e9",
    "nan",
    "True",
    None,
    [],
    {},
    [[0, 0, 0]],
    [[1, 0, 0]],
)


def imported(folder):
    def run(content):
        path = folder / "net-symbol.json"
        path.write_bytes(content)
        symbol = load(path)
        names = symbol.list_inputs()
        net = gluon.SymbolBlock(symbol, [var(name) for name in names])
        net(*[nd.array(np.ones((3, 3))) for _ in names])

    return run


def changed(folder):
    read = imported(folder)

    def run(content):
        rng = Random(zlib.crc32(content))
        written = json.loads(rng.choice(SEEDS))
        for _ in range(rng.randint(1, 3)):
            _change(written, rng)
        read(json.dumps(written).encode())

    return run


def _change(written, rng):
    """Another value somewhere, one left out, or one from elsewhere."""
    places = []
    waiting = [written]
    while waiting:
        value = waiting.pop()
        keys = list(value) if isinstance(value, dict) else range(len(value))
        places += [(value, key) for key in keys]
        waiting += [value[key] for key in keys if isinstance(value[key], dict | list)]
    value, key = rng.choice(places)
    if rng.random() < 0.2:
        del value[key]
    elif rng.random() < 0.5:
        other, place = rng.choice(places)
        value[key] = json.loads(json.dumps(other[place]))
    else:
        value[key] = json.loads(json.dumps(rng.choice(STRANGE)))


@pytest.mark.parametrize("name", ["symbol", "symbol_graph"])
def test_a_damaged_file_is_a_network_or_an_error(name, tmp_path):
    run = {"symbol": imported, "symbol_graph": changed}[name](tmp_path)
    figures = fuzz(Target(name, run, SEEDS, memory=MEMORY, times=TIMES))
    assert figures.inputs > 0
