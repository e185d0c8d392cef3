"""Libraries read addresses, versions, lists, vectors, and words among numbers as `predict` does, or refuse them."""

import random

import numpy as np
import polars as pl
import pytest
from c_library import TableLibrary, needs_linker
from texts_with_parts import FRAME, OTHERS, PIECES, N

import lamina

pytestmark = [
    needs_linker,
    pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning", "ignore:the optimizer reached"),
]

TYPE = {
    **dict.fromkeys(["sets", "innings", "flagged", "rooms"], "pattern"),
    "quoted": "list",
    "size": "vector",
    "money": "mixed",
    "label": "pattern",
    "share": "pattern",
}

READ = {
    "version": 6,
    "email": 5,
    "phone": 5,
    "ip": 6,
    "url": 5,
    "list": 7,
    "quoted": 5,
    "vector": 5,
    "size": 3,
    "pattern": 5,
    "label": 8,
    "share": 6,
    "sets": 5,
    "innings": 4,
    "flagged": 7,
    "rooms": 4,
    "mixed": 7,
    "money": 6,
}
"""Minimum number of `OTHERS` that are read."""


@pytest.fixture(scope="module")
def model():
    target = np.random.default_rng(0).normal(size=N)
    settings = {"preset": "fast", "random_state": 0, "max_iter": 2, "members": 1, "hidden_layer_sizes": (8,)}
    return lamina.MLPRegressor(**settings).fit(FRAME, target)


@pytest.fixture(scope="module")
def library(model, tmp_path_factory):
    return TableLibrary(model, tmp_path_factory.mktemp("parts") / "shop.so")


def test_columns_are_fields(model, library):
    schema = model.fitted_.encoder.schema
    assert {name: schema[name].type.tag for name in FRAME.columns} == {
        n: TYPE.get(n, n) for n in FRAME.columns
    }
    assert [field.name for field in library.fields] == FRAME.columns


def test_rows_of_training(model, library):
    np.testing.assert_array_equal(library.predict(FRAME)[0][:, 0], model.predict(FRAME))


@pytest.mark.parametrize("name", OTHERS)
def test_other_texts(model, library, name):
    texts = [*OTHERS[name], None]
    frame = pl.concat([FRAME[:1]] * len(texts)).with_columns(pl.Series(name, texts))
    wanted, rows = model.predict(frame), library.rows(frame)
    read = 0
    for i, text in enumerate(texts):
        code, values, _ = library.call(np.ascontiguousarray(rows[i : i + 1]))
        assert code in (0, 1 + FRAME.columns.index(name)), (text, code)
        assert code or values[0, 0] == wanted[i], (text, values[0, 0], wanted[i])
        read += code == 0
    assert read > READ[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", PIECES)
def test_any_text(model, library, name):
    pieces, chance = PIECES[name], random.Random(name)
    texts = ["".join(chance.choices(pieces, k=chance.randint(1, 9))) for _ in range(1500)]
    texts += [chance.choice(FRAME[name].to_list()).replace(*chance.sample(pieces, 2)) for _ in range(1500)]
    frame = pl.concat([FRAME[:1]] * len(texts)).with_columns(pl.Series(name, texts))
    wanted, rows = model.predict(frame), library.rows(frame)
    called = [library.call(np.ascontiguousarray(rows[i : i + 1])) for i in range(len(texts))]
    wrong = [
        (text, values[0, 0], number)
        for text, (code, values, _), number in zip(texts, called, wanted, strict=True)
        if code == 0 and values[0, 0] != number
    ]
    assert not wrong
    assert sum(code == 0 for code, _, _ in called) > len(texts) / 4
