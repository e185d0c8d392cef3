"""Columns of numbers with a few words among them: their number, and a category of the words."""

import json
import warnings

import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pytest

import lamina
from lamina.export import describe
from lamina.serve._rows import TableRows
from lamina.table.categories import category_codes
from lamina.table.check import check
from lamina.table.columns import as_column
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer, relearned
from lamina.table.messages import DataWarning
from lamina.table.schema import Schema
from lamina.table.stream.statistics import TableStatistics
from lamina.table.types import Category, Mixed, Number, WrittenNumber

N = 1000
RNG = np.random.default_rng(0)
ZIPS = [str(number) for number in RNG.integers(10_000, 99_999, N)]
SIZES = [f"{size:.1f}M" if size > 1 else f"{1000 * size:.0f}k" for size in RNG.uniform(0, 100, N)]
FRAME = pl.DataFrame(
    {
        "zip": ["No home" if i % 40 == 3 else None if i % 90 == 7 else text for i, text in enumerate(ZIPS)],
        "size": ["Varies" if i % 9 == 2 else text for i, text in enumerate(SIZES)],
        "age": [["18-24", "25-34", "35-44", "unknown"][i % 4] for i in range(N)],
        "x": RNG.normal(size=N),
    }
)
Y = (
    np.where(FRAME["size"] == "Varies", 3.0, 0.0)
    + (FRAME["age"] == "unknown").to_numpy()
    + FRAME["x"].to_numpy()
)


@pytest.mark.parametrize("make", [pl.DataFrame, lambda frame: frame.to_pandas()])
def test_numbers_keep_their_place_and_words_are_categories(make):
    schema = infer(make(FRAME) if make is not pl.DataFrame else FRAME)
    zips, size, age = schema.columns[:3]
    assert [type(part.type) for part in zips.parts] == [Number, Category]
    assert [type(part.type) for part in (*size.parts, *age.parts)] == [WrittenNumber, Category] * 2
    assert [part.name for part in zips.parts] == ["zip", "zip: words"]
    assert zips.parts[1].categories == ("No home",) and zips.parts[1].counts == (25,)
    assert (zips.missing, zips.parts[0].missing) == (12, 37)
    assert age.parts[0].low == 21 and age.reason == "ranges, 18-24 → 21; words: 'unknown'"
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    assert [column.kind for column in schema.columns] == ["numeric"] * 4


def test_the_encoder_has_both():
    encoder = TableEncoder(infer(FRAME), robust_scale=False, smooth_clip=False).fit(FRAME)
    numeric = encoder.transform(FRAME).numeric
    names = encoder.numeric_names
    home = FRAME["zip"].eq_missing("No home").to_numpy()
    found = numeric[:, names.index("zip: words=No home")]
    assert (
        len(np.unique(found[home])) == len(np.unique(found[~home])) == 1 and found[home][0] != found[~home][0]
    )
    there = ~home & FRAME["zip"].is_not_null().to_numpy()
    np.testing.assert_array_equal(
        numeric[there, names.index("zip")], np.array(ZIPS)[there].astype(np.float32)
    )


def test_numbers_in_many_other_forms_are_words():
    other = [f"5{'' if i % 24 else ' ft'}'{i % 11}" for i in range(N)]
    heights = [f"{60 + i % 25}" if i % 12 else other[i] for i in range(N)]
    mixed = infer(pl.DataFrame({"height": heights}))["height"]
    assert isinstance(mixed.type, Mixed)
    assert (mixed.parts[0].missing, mixed.parts[1].missing) == (84, N - 84)


@pytest.mark.parametrize(("every", "form"), [(12, "5V{}"), (3, "5 * {}")])
def test_codes_and_too_many_other_forms_make_categories(every, form):
    texts = [f"{60 + i % 25}" if i % every else form.format(i % 11) for i in range(N)]
    with pytest.warns(DataWarning, match="all its values are used as categories"):
        assert isinstance(infer(pl.DataFrame({"text": texts}))["text"].type, Category)


def test_a_slip_of_typing_is_missing_and_named():
    texts = [*map(str, range(10_000))]
    texts[4321] = "12o"
    with pytest.warns(
        DataWarning, match="'age' holds numbers, but '12o' in row 4321 .*; it counts as missing"
    ) as told:
        schema = infer(pl.DataFrame({"age": texts}))
    assert len(told) == 1 and told[0].filename == __file__
    (part,) = schema["age"].parts
    assert (part.type, part.missing) == (Number("float64", written=True), 1)
    encoder = TableEncoder(schema).fit(pl.DataFrame({"age": texts}))  # without another warning
    with pytest.warns(
        DataWarning, match="'age' has 1 value that could not be read as a number; .*'l2' in row 1"
    ):
        encoder.transform(pl.DataFrame({"age": ["1", "l2"]}))


@pytest.mark.parametrize("form", ["{:.5f}", "{:.0f}", "${:.0f}"])
def test_numbers_with_some_slips_stay_numbers(form):
    numbers = [17 + (i * 7919) % 60_000 / 7 for i in range(1000)]
    texts = [form.format(number) for number in numbers]
    for i in range(0, 1000, 50):
        texts[i] = texts[i][:2] + ["..", "O", " .", "?"][i // 50 % 4] + texts[i][2:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        found = infer(pl.DataFrame({"x": texts}))["x"]
    first, *_ = found.type.split(found, as_column(pl.Series("x", texts)))
    read = first.numbers()
    assert found.kind == "numeric" and np.isnan(read).sum() <= 20
    right = np.arange(1000) % 50 > 0
    np.testing.assert_allclose(read[right], np.array(numbers)[right], atol=0.51)


def test_rare_words_are_one_category():
    texts = [f"word {'abcdefghij'[i // 10]}" if i < 100 and i % 10 == 0 else str(i) for i in range(10_000)]
    number, words = infer(pl.DataFrame({"x": texts}))["x"].parts
    assert (words.categories, words.counts, number.missing) == (("other",), (10,), 10)


def test_an_unseen_word_is_a_missing_number_and_an_unknown_category():
    encoder = TableEncoder(infer(FRAME)).fit(FRAME)
    row = {
        "zip": ["12345", "nowhere", "No home", None],
        "size": ["5k"] * 4,
        "age": ["18-24"] * 4,
        "x": [0.0] * 4,
    }
    with pytest.warns(
        DataWarning, match="'zip' has 1 value that training did not have; .*'nowhere' in row 1"
    ):
        numeric = encoder.transform(pl.DataFrame(row)).numeric
    np.testing.assert_array_equal(numeric[1], numeric[3])
    assert (numeric[1] != numeric[2]).any()


@pytest.mark.parametrize(
    "texts",
    [
        [f"{i % 700}" if i % 50 else f"V{i % 30}" for i in range(N)],  # codes of diagnoses
        [f"{i % 9}" if i % 3 else "none" for i in range(N)],  # codes
        [f"{i % 200:05}" if i % 50 else "No home" for i in range(N)],  # zeros in front
        ["abcdefg"[i % 7] if i % 3 else str(i) for i in range(N)],  # mostly words
    ],
)
@pytest.mark.filterwarnings("ignore:column 'x' holds numbers in")
def test_categories_stay_categories(texts):
    assert isinstance(infer(pl.DataFrame({"x": texts}))["x"].type, Category)


def test_numbers_of_any_storage_are_read():
    schema = infer(pd.DataFrame({"x": pd.Series([i if i % 9 else "none" for i in range(N)], dtype=object)}))
    assert schema["x"].parts[0].high == N - 2
    encoder = TableEncoder(schema).fit(pl.DataFrame({"x": range(N)}))
    whole, text = (encoder.transform(pl.DataFrame({"x": x})).numeric for x in ([5, 17], ["5", "17"]))
    np.testing.assert_array_equal(whole, text)


def test_some_rows_have_the_parts_of_all():
    schema = infer(FRAME)
    some = relearned(schema, FRAME.filter(FRAME["age"] != "unknown"))
    assert [part.used for part in some["age"].parts] == [True, False]
    assert TableEncoder(some).fit(FRAME[:100]).transform(FRAME[:9]).numeric.shape[0] == 9


@pytest.mark.slow
def test_streams_find_them():
    begin, end = TableStatistics(FRAME.schema), TableStatistics(FRAME.schema, first=90)
    begin.update(FRAME[:90])
    end.update(FRAME[90:])
    begin.merge(end)
    found, expected = begin.schema(), infer(FRAME)
    for name in FRAME.columns:
        assert found[name].type == expected[name].type
        assert [(p.name, p.low, p.counts) for p in found[name].parts] == [
            (p.name, p.low, p.counts) for p in expected[name].parts
        ]


@pytest.fixture(scope="module")
def model():
    return lamina.MLPRegressor(preset="fast", random_state=0).fit(FRAME, Y)


@pytest.mark.slow
def test_it_learns_of_words_and_files_keep_them(model, tmp_path):
    assert model.score(FRAME, Y) > 0.9
    lamina.save(model, tmp_path / "model.safetensors")
    found = lamina.load(tmp_path / "model.safetensors").predict(FRAME)
    np.testing.assert_array_equal(found, model.predict(FRAME))
    assert [column.name for column in describe(model).inputs.columns] == [
        "zip", "zip: words", "size", "size: words", "age", "age: words", "x"
    ]  # fmt: skip


def test_the_server_reads_numbers_and_texts(model):
    schema = model.fitted_.encoder.schema
    rows = [
        {"zip": 12345, "size": "5k", "age": "unknown", "x": 0.5},
        {"zip": "No home", "size": None, "age": 20, "x": 1},
    ]
    found = TableRows(schema).of_objects(rows)
    texts = pl.DataFrame(
        {"zip": ["12345", "No home"], "size": ["5k", None], "age": ["unknown", "20"], "x": [0.5, 1]}
    )
    encoded = model.fitted_.encoder.transform(texts)
    np.testing.assert_array_equal(
        model.fitted_.encoder.transform_coded(*found.arrays).numeric, encoded.numeric
    )
    for column in schema.columns[:3]:
        example, described = column.type.example(column), column.type.json_schema(column)
        assert column.type.refusal(example) == "" and described["type"] == ["number", "string", "null"]
    assert isinstance(schema.columns[0].type, Mixed)


def test_clean_numbers_are_what_they_were():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = pl.DataFrame({"a": [1, 2, 3], "b": [1.5, 2.5, None]})
        assert [type(column.type) for column in infer(frame).columns] == [Number, Number]


def test_an_onnx_file_takes_the_parts(model, tmp_path):
    lamina.export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    table = check(model.fitted_.encoder.schema, FRAME[:50])
    kinds = {column.name: column for column in model.fitted_.encoder.schema.inputs}
    inputs = {}
    for one in session.get_inputs():
        column = table.column(one.name)
        if isinstance(kinds[one.name].type, Category):
            codes = category_codes(kinds[one.name], column)
            values = np.array(["", *kinds[one.name].categories], object)[codes]
        else:
            values = column.numbers()
        inputs[one.name] = values.reshape(-1, 1)
    np.testing.assert_allclose(
        session.run(None, inputs)[0].ravel(), model.predict(FRAME[:50]), rtol=1e-4, atol=1e-4
    )
