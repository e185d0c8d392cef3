"""Types of several columns that a test adds: a text's length and first letter; a day with its place in the week."""

import io
import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import onnxruntime
import polars as pl
import pytest

import lamina
from lamina import export_onnx, export_page, nd
from lamina.export import describe
from lamina.export.traced import prediction_of
from lamina.serve._rows import TableRows
from lamina.table.columns import ArrayColumn, Column, is_missing
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer
from lamina.table.schema import Schema
from lamina.table.stream.statistics import TableStatistics
from lamina.table.types import TYPES, Candidate, Category, ColumnSchema, Composite, Number, register


@dataclass(frozen=True)
class Word(Composite):
    """Words in brackets, such as ``[word]``: their length, weighted by a learned table, and their first letter."""

    tag = "word"
    kind = "word"
    json_types: ClassVar[set[type]] = {str, type(None)}
    wanted = "a text"

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        is_such = candidate.is_text and candidate.share(lambda text: text.startswith("[")) == 1
        return self.learn(candidate.column, candidate.named) if is_such else None

    def learn(self, column: Column, named: bool) -> ColumnSchema:
        schema = ColumnSchema(
            column.name, self, column.type_name, column.missing(), arrays={"weights": np.arange(40.0) / 10}
        )
        parts = self.split(schema, column)
        length = Number().learned(parts[0], parts[0].numbers(), named)
        return replace(schema, parts=(length, replace(Category().learn(parts[1], named), missing=0)))

    def split(self, schema: ColumnSchema, column: Column) -> Sequence[Column]:
        weights = schema.arrays["weights"]
        length = column.mapped(
            lambda text: np.nan if is_missing(text) else weights[len(str(text))], np.float64
        )
        codes = column.mapped(lambda text: -1 if is_missing(text) else ord(str(text)[1]), np.int32)
        letters = np.array([None if code < 0 else chr(code) for code in codes], object)
        name = schema.name
        return [ArrayColumn(f"{name}: length", length), ArrayColumn(f"{name}: letter", letters)]

    def example(self, column: ColumnSchema) -> str:
        return "[word]"

    page_script: ClassVar[str] = """({ weights, letters }) => text =>
      [weights[text.length] ?? NaN, letters.indexOf(text[1]) + 1]"""

    def page_data(self, schema: ColumnSchema) -> dict[str, Any]:
        return {"weights": schema.arrays["weights"], "letters": list(schema.parts[1].categories)}


@dataclass(frozen=True)
class Day(Composite):
    """Whole numbers in a column called "day": the number, and where it is in the week, which a graph computes."""

    tag = "day of a week"
    derives = True
    json_types: ClassVar[set[type]] = {int, float, type(None)}
    wanted = "a number"

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        column = candidate.column
        is_such = column.name == "day" and column.storage == "number"
        return self.learn(column, candidate.named) if is_such else None

    def learn(self, column: Column, named: bool) -> ColumnSchema:
        day = Number().learned(column, column.numbers(), named)
        week = [ColumnSchema(f"day: {what}", Number(), low=-1.0, high=1.0) for what in ("sin", "cos")]
        return ColumnSchema("day", self, column.type_name, day.missing, parts=(day, *week))

    def split(self, schema: ColumnSchema, column: Column) -> Sequence[Column]:
        return self.split_by_number(schema, Number().fitted(schema.name, column).numbers())

    def derived(self, schema, first):
        turn = first * (2 * np.pi / 7)
        return [nd.sin(turn), nd.cos(turn)]


N = 200
RNG = np.random.default_rng(0)
WORDS = [
    f"[{'abcdefghijk'[i]}{'x' * n}]"
    for i, n in zip(RNG.integers(11, size=N), RNG.integers(1, 9, N), strict=True)
]
FRAME = pl.DataFrame(
    {
        "x": RNG.normal(size=N),
        "word": pl.Series([None if i % 17 == 5 else word for i, word in enumerate(WORDS)]),
        "day": pl.Series([None if i % 19 == 7 else int(d) for i, d in enumerate(RNG.integers(0, 60, N))]),
        "z": RNG.normal(size=N),
    }
)
PRICE = (
    np.sin(2 * np.pi / 7 * FRAME["day"].fill_null(0).to_numpy()) + np.array([len(word) for word in WORDS]) / 4
)


@pytest.fixture(scope="module", autouse=True)
def registered():
    register(Word())
    register(Day())
    yield
    del TYPES[Word.tag], TYPES[Day.tag]


@pytest.fixture(scope="module")
def model():
    return lamina.MLPRegressor(preset="fast", random_state=0).fit(FRAME, PRICE)


def test_the_schema_has_columns_and_inputs():
    schema = infer(FRAME)
    assert [column.name for column in schema.used] == ["x", "word", "day", "z"]
    names = ["x", "word: length", "word: letter", "day", "day: sin", "day: cos", "z"]
    assert [column.name for column in schema.inputs] == names
    assert schema.owners == {name: name.split(":")[0] for name in names}
    restored = Schema.from_dict(json.loads(json.dumps(schema.to_dict()))).with_arrays(schema.arrays())
    assert restored == schema
    assert [*restored.arrays()] == ["column1.weights"]


def test_a_part_never_has_the_name_of_another_column():
    frame = FRAME.with_columns(pl.Series("word: letter", np.arange(N) / N))
    schema = infer(frame)
    assert [part.name for part in schema["word"].parts] == ["word: length", "word: letter'"]
    encoded = TableEncoder(schema).fit(frame)
    assert encoded.transform(frame).codes.any()


def test_the_encoder_splits_them():
    encoder = TableEncoder(infer(FRAME), robust_scale=False, smooth_clip=False).fit(FRAME)
    assert encoder.numeric_names == (
        "x", "word: length", "day", "day: sin", "day: cos", "z", "word: length missing", "day missing"
    )  # fmt: skip
    encoded = encoder.transform(FRAME)
    there = FRAME["day"].is_not_null().to_numpy()
    turn = 2 * np.pi / 7 * FRAME["day"].fill_null(0).to_numpy()
    np.testing.assert_allclose(encoded.numeric[there, 3], np.sin(turn)[there], atol=1e-6)
    assert encoder.positions == {
        "x": ([0], []),
        "word": ([1, 6], [0]),
        "day": ([2, 3, 4, 7], []),
        "z": ([5], []),
    }


@pytest.mark.slow
def test_it_learns_of_them_and_files_keep_them(model, tmp_path):
    assert model.score(FRAME, PRICE) > 0.8
    expected = model.predict(FRAME)
    lamina.save(model, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(lamina.load(tmp_path / "model.safetensors").predict(FRAME), expected)
    np.testing.assert_array_equal(pickle.load(io.BytesIO(pickle.dumps(model))).predict(FRAME), expected)
    np.testing.assert_array_equal(model.predict(FRAME.to_pandas()), expected)


@pytest.mark.slow
def test_explanations_are_of_the_tables_columns(model):
    explained = model.shap_values(FRAME[:5], FRAME[50:60])
    assert explained.values.shape == (5, 4) and list(explained.feature_names) == FRAME.columns
    np.testing.assert_allclose(
        explained.values.sum(1) + explained.base_values, model.predict(FRAME[:5]), rtol=1e-4
    )


def test_the_graph_of_a_prediction_derives_what_it_can(model, tmp_path):
    described = describe(model)
    assert [column.name for column in described.inputs.columns] == [
        "x", "word: length", "word: letter", "day", "z"
    ]  # fmt: skip
    word = next(column for column in model.fitted_.encoder.schema.columns if column.name == "word")
    length, letter = Word().split(word, ArrayColumn("word", FRAME["word"].to_numpy().astype(object)))
    numbers = np.column_stack([FRAME["x"], length.numbers(), FRAME["day"].cast(pl.Float64), FRAME["z"]])
    names = described.inputs.columns[2].schema.categories
    texts = [one for (one,) in zip(letter.mapped(lambda x: 0 if x is None else names.index(x) + 1, np.int32))]
    codes = np.array(texts, np.int32).reshape(-1, 1)
    (found,) = prediction_of(described)(nd.array(numbers, dtype="float64"), nd.array(codes, dtype="int32"))
    np.testing.assert_allclose(found.asnumpy().ravel(), model.predict(FRAME), rtol=1e-5)
    export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    inputs = {name: numbers[:, [i]] for i, name in enumerate(["x", "word: length", "day", "z"])}
    inputs["word: letter"] = np.array(
        ["" if c == 0 else names[c - 1] for c in codes.ravel()], object
    ).reshape(-1, 1)
    np.testing.assert_allclose(session.run(None, inputs)[0].ravel(), model.predict(FRAME), rtol=1e-4)


def test_the_server_reads_them(model):
    rows = TableRows(model.fitted_.encoder.schema)
    arrays = rows.of_objects(FRAME.rows(named=True)).arrays
    framed = rows.of_frame(FRAME).arrays
    encoded = model.fitted_.encoder.transform(FRAME)
    for one in (arrays, framed):
        found = model.fitted_.encoder.transform_coded(*one)
        np.testing.assert_array_equal(found.numeric, encoded.numeric)
        np.testing.assert_array_equal(found.codes, encoded.codes)


@pytest.mark.slow
def test_a_page_reads_the_text_of_a_column(model, opened, tmp_path):
    export_page(model, tmp_path / "page.html", examples=FRAME[[0, 5]].rows(named=True))
    page = opened(tmp_path / "page.html")
    word = page.get_by_label("word", exact=True)
    page.get_by_role("button", name="Row 1").click()
    for text in (WORDS[0], WORDS[1], "[k]", ""):
        word.fill(text)
        row = FRAME[:1].with_columns(word=pl.lit(text or None, pl.String))
        assert float(page.text_content("#predicted")) == pytest.approx(model.predict(row)[0], rel=2e-3)
    page.get_by_role("button", name="Row 2").click()
    assert word.input_value() == ""
    assert page.get_by_label("day", exact=True).input_value() == str(FRAME["day"][5])
    assert float(page.text_content("#predicted")) == pytest.approx(model.predict(FRAME[5])[0], rel=2e-3)


def test_streams_learn_them_of_a_sample():
    whole = TableStatistics(FRAME.schema)
    begin, end = TableStatistics(FRAME.schema), TableStatistics(FRAME.schema, first=90)
    whole.update(FRAME)
    begin.update(FRAME[:90])
    end.update(FRAME[90:])
    begin.merge(end)
    expected = infer(FRAME)
    for found in (whole.schema(), begin.schema()):
        assert found["word"].type == Word() and found["day"].type == Day()
        for name in ("word", "day"):
            assert found[name].missing == expected[name].missing
            assert [(p.name, p.low, p.high, p.counts) for p in found[name].parts] == [
                (p.name, p.low, p.high, p.counts) for p in expected[name].parts
            ]  # fmt: skip
