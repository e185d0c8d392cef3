"""Lists in cells: what is one and what is not, and which elements a network sees."""

import json
import random
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MultiLabelBinarizer

import lamina
from lamina.serve._rows import TableRows
from lamina.table.columns import as_column
from lamina.table.describe import column_rows
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer, judged
from lamina.table.messages import DataWarning
from lamina.table.schema import Schema
from lamina.table.stream.statistics import TableStatistics
from lamina.table.types import Lists

N = 400
GENRES = ["Action", "Animation", "Comedy", "Drama", "Horror", "Romance", "Sci-Fi", "Thriller"]
RANDOM = random.Random(0)
CELLS = [RANDOM.sample(GENRES, RANDOM.randint(1, 4)) for _ in range(N)]
WRITTEN = {
    "bars": ["|".join(cell) for cell in CELLS],
    "commas": [", ".join(sorted(cell)) for cell in CELLS],
    "semicolons": [";".join(cell) for cell in CELLS],
    "slashes": [" / ".join(cell) for cell in CELLS],
    "lines": ["\n".join(cell) for cell in CELLS],
    "JSON": [json.dumps(cell) for cell in CELLS],
    "Python": [repr(cell) for cell in CELLS],
    "tuples": [repr(tuple(cell)) for cell in CELLS],
    "bare": ["[" + ", ".join(cell) + "]" for cell in CELLS],
    "objects": [json.dumps([{"id": len(name), "name": name} for name in cell]) for cell in CELLS],
}
FRAMES = {
    **{name: pl.DataFrame({"genres": texts}) for name, texts in WRITTEN.items()},
    "polars": pl.DataFrame({"genres": CELLS}),
    "pandas": pd.DataFrame({"genres": pd.Series(CELLS, dtype=object)}),
    "sets": pd.DataFrame({"genres": pd.Series([*map(set, CELLS)], dtype=object)}),
    "arrow in pandas": pd.DataFrame({"genres": pd.Series(CELLS, dtype=pd.ArrowDtype(pa.list_(pa.string())))}),
    "arrow": pa.table({"genres": CELLS}),
}


@pytest.mark.few(14)
@pytest.mark.parametrize("name", FRAMES)
def test_each_element_is_an_input(name):
    frame = FRAMES[name]
    encoder = TableEncoder(schema := infer(frame), robust_scale=False, smooth_clip=False).fit(frame)
    found = dict(zip(encoder.numeric_names, encoder.transform(frame).numeric.T, strict=True))
    assert isinstance(schema["genres"].type, Lists) and sorted(schema["genres"].categories) == GENRES
    np.testing.assert_array_equal(found["genres: number of elements"], [*map(len, CELLS)])
    expected = MultiLabelBinarizer(classes=GENRES).fit_transform(CELLS)
    for j, genre in enumerate(GENRES):
        np.testing.assert_array_equal(found[f"genres: {genre}=true"], 2 * expected[:, j] - 1)


@pytest.mark.few(22)
@pytest.mark.parametrize("name", ["bars", "commas", "semicolons", "slashes", "lines"])
@pytest.mark.parametrize("new", ["JSON", "Python", "polars", "pandas", "arrow"])
def test_lists_of_a_new_frame_are_read_where_training_had_separators(name, new):
    schema = infer(FRAMES[name])
    encoder = TableEncoder(schema, robust_scale=False, smooth_clip=False).fit(FRAMES[name])
    known = encoder.transform(FRAMES[name]).numeric
    np.testing.assert_array_equal(encoder.transform(FRAMES[new]).numeric, known)


CITIES = [
    ("Austin", "TX"),
    ("Dallas", "TX"),
    ("Boston", "MA"),
    ("Salem", "MA"),
    ("Salem", "OR"),
    ("Reno", "NV"),
]
WORDS = ["the", "a", "dog", "cat,", "runs", "and,", "jumps", "however,", "so", "over"]


def many(make):
    return [make() for _ in range(N)]


NO_LISTS = {
    "names": many(lambda: f"Last{RANDOM.randrange(90)}, {RANDOM.choice(['John', 'Ada', 'Karl', 'Mary'])}"),
    "cities": many(lambda: f"{RANDOM.randrange(9)} St, {', '.join(RANDOM.choice(CITIES))}"),
    "addresses": many(
        lambda: (
            f"{RANDOM.randrange(99)} St, {RANDOM.choice(['Apt 3, ', ''])}{', '.join(RANDOM.choice(CITIES))}"
        )
    ),
    "sentences": many(lambda: " ".join(RANDOM.choices(WORDS, k=12))),
    "money": many(lambda: f"${RANDOM.randrange(1, 99)},{RANDOM.randrange(1000):03}"),
    "decimal commas": many(lambda: f"{RANDOM.randrange(50)},{RANDOM.randrange(100)}"),
    "codes": many(lambda: f"{RANDOM.choice('ABC')}/{RANDOM.randrange(99)}"),
    "few values": many(lambda: RANDOM.choice(["a,b", "b,a", "a", "b"])),
    "dates, some unknown": many(
        lambda: f"{RANDOM.randrange(1, 13)}/{RANDOM.choice([-9, 3, 14, 15, 28])}/19{RANDOM.randrange(10, 60)}"
    ),
    "names of rows": [f"[{i},]" for i in range(N)],
    "ISO dates": many(lambda: f"20{RANDOM.randrange(10, 30)}/{RANDOM.randrange(1, 13):02}/03"),
}


@pytest.mark.parametrize("name", NO_LISTS)
def test_texts_with_a_separator_that_are_no_lists(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        assert not isinstance(judged(as_column(pl.Series(NO_LISTS[name])), None, True).type, Lists)


def test_rare_elements_are_counted_and_missing_lists_are_missing():
    cells = [[*cell, f"tag {i}"] if i % 3 == 0 else cell for i, cell in enumerate(CELLS)]
    frame = pl.DataFrame({"genres": [None if i % 10 == 0 else "|".join(c) for i, c in enumerate(cells)]})
    schema = infer(frame)
    assert schema["genres"].missing == N // 10 and sorted(schema["genres"].categories) == GENRES
    encoder = TableEncoder(schema, robust_scale=False, smooth_clip=False).fit(frame)
    found = dict(zip(encoder.numeric_names, encoder.transform(frame).numeric.T, strict=True))
    absent = np.arange(N) % 10 == 0
    np.testing.assert_array_equal(
        found["genres: number of others"][~absent], (np.arange(N) % 3 == 0)[~absent]
    )
    np.testing.assert_array_equal(found["genres: number of elements missing"], absent)
    assert not found["genres: Drama=true"][absent].any()


def test_numbers_in_lists_have_a_mean():
    rng = np.random.default_rng(0)
    cells = [rng.normal(size=rng.integers(1, 5)).tolist() for _ in range(N)]
    frame = pl.DataFrame({"values": cells})
    encoder = TableEncoder(infer(frame), robust_scale=False, smooth_clip=False).fit(frame)
    assert encoder.numeric_names == tuple(
        f"values: {what}" for what in ("number of elements", "number of others", "mean", "least", "greatest")
    )
    expected = [[len(c), len(set(c)), np.mean(c), min(c), max(c)] for c in cells]
    np.testing.assert_allclose(encoder.transform(frame).numeric, expected, rtol=1e-5)


def test_what_is_no_list_is_told():
    texts = [*WRITTEN["JSON"], "none of them"]
    with pytest.warns(
        DataWarning, match=rf"'g' holds lists, but 'none of them' in row {N} .* it counts as missing"
    ):
        schema = infer(pl.DataFrame({"g": texts}))
    encoder = TableEncoder(schema).fit(pl.DataFrame({"g": WRITTEN["JSON"]}))
    with pytest.warns(
        DataWarning, match="'g' has 1 value that could not be read as a text such as .*'a word' in row 0"
    ):
        encoder.transform(pl.DataFrame({"g": ["a word"]}))
    (row,) = column_rows(schema)
    assert row.kind == "list" and "+ 5 more" in row.values
    assert row.treatment == "number of elements, −1 or 1 for each of 8 elements"


@pytest.mark.slow
def test_models_with_lists(tmp_path):
    x = np.random.default_rng(0).normal(size=N)
    frame = pl.DataFrame({"x": x, "genres": WRITTEN["bars"], "tags": CELLS})
    target = np.array(["Drama" in cell for cell in CELLS]) * 2.0 + x
    model = lamina.MLPRegressor(preset="fast", random_state=0).fit(frame, target)
    assert model.score(frame, target) > 0.9
    expected = model.predict(frame)
    lamina.save(model, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(lamina.load(tmp_path / "model.safetensors").predict(frame), expected)
    schema = model.fitted_.encoder.schema
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    rows = TableRows(schema)
    encoded = model.fitted_.encoder.transform(frame)
    given = model.fitted_.encoder.transform_coded(*rows.of_objects(frame.rows(named=True)).arrays)
    np.testing.assert_array_equal(given.numeric, encoded.numeric)
    statistics = TableStatistics(frame.schema)
    statistics.update(frame[:150])
    statistics.update(frame[150:])
    streamed = statistics.schema()
    for name in ("genres", "tags"):
        assert [part.name for part in streamed[name].parts] == [part.name for part in schema[name].parts]


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b c", "'", '"', "\\", "é", "0", "x|y"]), max_size=4),
        min_size=12,
        max_size=40,
    )
)
def test_lists_that_python_or_json_wrote_come_back(cells):
    for write in (json.dumps, repr):
        assert [Lists().read(write(cell)) for cell in cells] == cells


def test_a_number_that_is_the_same_in_all_vectors_is_in_the_example():
    texts = [f"{i}, 7" for i in range(60)]
    column = judged(as_column(pl.Series("x", texts)), None, True)
    with pytest.warns(DataWarning, match="a text such as 29.5, 7"):
        column.type.split(column, as_column(pl.Series("x", [*texts, "no numbers"])))
