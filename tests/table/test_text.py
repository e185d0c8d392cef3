"""Columns of texts: which they are, what becomes of them, in tables and streams."""

import random
import uuid
import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from any_texts import sentences

import lamina
from lamina.errors import DataError
from lamina.export import describe
from lamina.table import ngrams
from lamina.table.columns import ArrayColumn
from lamina.table.encode import TableEncoder
from lamina.table.inspection import Look
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.stream.statistics import TableStatistics
from lamina.table.types import Category, Number

N = 400
DRAW = random.Random(0)
X = np.linspace(0, 1, N)
FIRST = ["Anna", "Bela", "Chiara", "Dmitri", "Esra", "Fatima", "Giulia", "Hans", "Ines", "Jun"]
LAST = ["Smith", "Müller", "García", "Rossi", "Novák", "Kowalska", "Yılmaz", "Nguyen", "Okafor", "Silva"]
NAMES = [f"{DRAW.choice(FIRST)} {DRAW.choice(LAST)}-{DRAW.choice(LAST)}" for _ in range(N)]
TITLES = [f"{a} {b}" for a in ("Senior", "Junior", "Chief", "Lead", "Deputy") for b in (
    "Engineer", "Analyst", "Driver", "Nurse", "Teacher", "Clerk", "Librarian", "Officer", "Planner", "Cook",
    "Electrician", "Attorney", "Chemist", "Sergeant", "Mechanic", "Technician", "Dispatcher", "Inspector",
    "Paralegal", "Veterinarian", "Accountant", "Firefighter",
)]  # fmt: skip
CHINESE = "".join(map(chr, range(0x4E00, 0x4E40)))


def seen(values, **kinds):
    return infer(pl.DataFrame({"x": X[: len(values)], "c": values}), kinds=kinds)["c"]


@pytest.mark.few(18)
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (sentences(N, 1), "text"),
        ([f"The dog number {i} was seen near {DRAW.choice(LAST)}" for i in range(N)], "text"),
        ([f"{DRAW.choice(['Small', 'Large', 'Huge', 'Tiny'])} box {i}" for i in range(N)], "text"),
        ([f"{DRAW.choice(['male', 'female'])} patient {i}" for i in range(N)], "text"),
        ([" ".join(DRAW.choices(["red", "box", "blue", "lid"], k=40)) for _ in range(N)], "text"),
        (NAMES, "text"),
        ([name.split()[0] + DRAW.choice(LAST).lower() * 2 + DRAW.choice(FIRST).lower() for name in NAMES], "text"),
        ([DRAW.choice(TITLES) for _ in range(N)], "text"),
        (["".join(DRAW.choices(CHINESE, k=DRAW.randint(3, 9))) for _ in range(N)], "text"),
        ([DRAW.choice(TITLES[:40]) for _ in range(N)], "categorical"),
        (TITLES[:15], "categorical"),  # too few rows to tell
        ([str(uuid.UUID(int=DRAW.getrandbits(128))) for _ in range(N)], "id"),
        ([f"A{i:05}" for i in range(N)], "id"),
        ([f"customer_{i}" for i in range(N)], "id"),
        ([f"Order No. {i}" for i in range(N)], "id"),
        ([f"{'Order' if i % 50 else 'Return'} No. {i}" for i in range(N)], "id"),
        ([f"{DRAW.getrandbits(64):016x}" for _ in range(N)], "id"),
        (["".join(DRAW.choices("abcdefghijKLMNOPQRS", k=12)) for _ in range(N)], "id"),
        ([f"#{i:06}-{DRAW.randint(100, 999)}-b" for i in range(N)], "id"),
        ([f"{DRAW.choice('ABCDEFGH')}-{i % 150}" for i in range(N)], "categorical"),
        ([str(i / 7) for i in range(N)], "numeric"),
        ([f"2024-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(N)], "date"),
    ],
)  # fmt: skip
def test_which_columns_are_texts(values, kind, recwarn):
    assert seen(values).kind == kind
    assert any("left out" in str(one.message) for one in recwarn) == (kind == "id")


def test_what_becomes_of_a_text():
    frequent = [DRAW.choice(TITLES) for _ in range(N - 60)] + [
        f"{name} {i}" for i, name in enumerate(NAMES[:60])
    ]
    schema = seen(frequent)
    *numbers, value = schema.parts
    assert len(numbers) == len(set(frequent)) // 10 and all(isinstance(part.type, Number) for part in numbers)
    assert isinstance(value.type, Category) and set(value.categories) <= set(TITLES)
    assert value.counts == tuple(frequent.count(name) for name in value.categories) and min(value.counts) >= 5
    assert value.missing == N - sum(value.counts)
    assert schema.reason.endswith("different texts") and schema.type.example(schema) in frequent
    assert not [part for part in seen(NAMES[:50] + sentences(50)).parts if part.categories]


def test_texts_that_differ_have_a_number_per_hundred_rows():
    assert [len(seen(NAMES[:rows]).parts) for rows in (150, 250, 390)] == [2, 2, 3]
    twice = NAMES[:150] * 2
    assert len([part for part in seen(twice).parts if not part.categories]) == len(set(twice)) // 10
    often = [f"{first} {last}-{other}" for first in FIRST for last in LAST for other in LAST] * 3
    assert len(infer(pl.DataFrame({"c": often}))["c"].parts) == 30


def test_ranges_are_of_the_texts_that_were_learned_from(monkeypatch):
    monkeypatch.setattr(ngrams, "_MOST_TEXTS", 100)
    texts = sentences(300)
    column = infer(pl.DataFrame({"a": texts, "x": range(len(texts))}))["a"]
    different = sorted(set(texts))
    seen = different[:: -(-len(different) // 100)]
    numbers = column.type.encoder(column).encode(seen)
    part = column.parts[0]
    assert (part.low, part.high) == (numbers[:, 0].min(), numbers[:, 0].max())
    np.testing.assert_allclose(
        part.mean, np.repeat(numbers[:, 0], [texts.count(text) for text in seen]).mean()
    )


def test_missing_and_unseen_values(recwarn):
    titles = [None if i % 10 == 3 else DRAW.choice(TITLES) for i in range(N)]
    frame = pl.DataFrame({"c": titles})
    encoder = TableEncoder(infer(frame)).fit(frame)
    assert [name for name in encoder.numeric_names if "missing" in name] == ["c: text 1 missing"]
    known = encoder.schema["c"].parts[-1].categories[-1]
    new = pl.DataFrame({"c": ["Senior Plumber", "Юрист", "", None, known]})
    encoded = encoder.transform(new)
    assert np.isfinite(encoded.numeric).all()
    assert encoded.codes[:, 0].tolist() == [0, 0, 0, 0, len(encoder.schema["c"].parts[-1].categories)]
    assert np.unique(encoded.numeric[:, -1]).size == 2 and encoded.numeric[3, -1] != encoded.numeric[0, -1]
    np.testing.assert_array_equal(encoded.numeric[1], encoded.numeric[2])  # no known n-gram
    assert not recwarn


def test_the_first_numbers_are_not_the_missing_flag_of_others():
    titles = [None if i % 10 == 3 else DRAW.choice(TITLES) for i in range(N)]
    first, *others = seen(titles).parts
    assert first.missing == titles.count(None) and not any(
        part.missing for part in others if not part.categories
    )


def test_a_user_says_what_is_text_and_what_is_not():
    assert seen(NAMES, c="categorical").kind == "categorical"
    assert seen([DRAW.choice(TITLES[:10]) for _ in range(N)], c="text").kind == "text"
    assert seen([1017, 1018, 2017, 2018] * 20, c="text").kind == "text"
    with pytest.raises(DataError, match=r"kinds\['c'\] must be one of .*'text'.*not 'words'"):
        seen(NAMES, c="words")


@pytest.mark.parametrize("values", [[""] * 30 + [" "] * 30, ["\0"] * 40 + [" ", "  "] * 10])
def test_told_texts_without_tokens_are_categories(values):
    schema = seen(values, c="text")
    frame = pl.DataFrame({"c": values})
    encoded = TableEncoder(infer(frame, kinds={"c": "text"})).fit(frame).transform(frame)
    assert [part.name for part in schema.parts] == ["c: value"] and np.isfinite(encoded.numeric).all()


def test_told_texts_of_one_value():
    assert seen(["one", None] * 20, c="text").kind == "categorical"
    with pytest.warns(DataWarning, match="same value in every row: 'c'"):
        assert seen(["a b"] * 30, c="text").kind == "constant"


def test_damaged_arrays_are_refused():
    frame = pl.DataFrame({"c": NAMES})
    schema = infer(frame)["c"]
    many, features = 70_000, schema.arrays["weights"].shape[1]
    for arrays in (
        {},
        {
            "hashes": np.arange(many, dtype=np.uint32) << np.uint32(14),
            "idf": np.ones(many, np.float32),
            "weights": np.ones((many, features), np.float16),
        },
        {**schema.arrays, "idf": schema.arrays["idf"][1:]},
        {**schema.arrays, "more": np.ones(1)},
        {**schema.arrays, "idf": np.zeros_like(schema.arrays["idf"])},
        {**schema.arrays, "hashes": np.zeros_like(schema.arrays["hashes"])},
    ):
        with pytest.raises(DataError, match="column 'c': its arrays are not a text encoder's"):
            schema.type.split(replace(schema, arrays=arrays), ArrayColumn("c", np.array(NAMES, object)))


@pytest.mark.slow
def test_a_table_of_one_text_trains_and_says_what_matters(tmp_path):
    texts = sentences(N, 3)
    frame, wine = pl.DataFrame({"said": texts}), np.array(["wine" in text for text in texts])
    model = lamina.MLPClassifier(preset="fast", random_state=0).fit(frame[:300], wine[:300])
    assert model.score(frame[300:], wine[300:]) > 0.9
    lamina.save(model, tmp_path / "model.safetensors")
    loaded = lamina.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(frame), model.predict_proba(frame))
    assert {column.name for column in describe(model).inputs.columns} >= {"said: text 1"}
    explained = model.shap_values(frame[:4], frame[300:320])
    assert list(explained.feature_names) == ["said"]


def test_frames_arrays_and_objects_are_alike():
    titles = [None if i % 10 == 3 else DRAW.choice(TITLES) for i in range(N)]
    frame = pl.DataFrame({"c": titles})
    schema = infer(frame)
    encoder = TableEncoder(schema).fit(frame)
    expected = encoder.transform(frame)
    for same in (frame.to_pandas(), frame.to_arrow(), frame.cast(pl.Categorical)):
        found = encoder.transform(same)
        np.testing.assert_array_equal(found.numeric, expected.numeric)
        np.testing.assert_array_equal(found.codes, expected.codes)
    parts = schema["c"].type.split(schema["c"], ArrayColumn("c", np.array(titles, object)))
    assert [len(part) for part in parts] == [N] * len(schema["c"].parts)


def codes(generator):
    """N different codes, such as N4711UW, and whether the fleet in their ends is the first."""
    numbers, first = generator.permutation(90_000)[:N] + 10_000, generator.random(N) < 0.4
    return [
        f"N{number}{'UW' if is_first else 'DL'}" for number, is_first in zip(numbers, first, strict=True)
    ], first


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_codes_that_predict_the_target_are_texts(kind):
    generator = np.random.default_rng(0)
    tails, first = codes(generator)
    wanted = (
        first + generator.normal(scale=0.3, size=N) if kind == "regression" else np.where(first, "old", "new")
    )
    frame = pl.DataFrame({"tail": tails, "x": generator.normal(size=N), "y": wanted})
    column = infer(frame, "y")["tail"]
    assert column.kind == "text" and column.reason == f"{N} different texts, whose parts predict the target"
    assert vars(Look(frame, "y").schemas["tail"])["reason"] == column.reason
    model = (lamina.MLPRegressor if kind == "regression" else lamina.MLPClassifier)(
        preset="fast", random_state=0
    )
    half = N // 2
    model.fit(frame[:half].drop("y"), wanted[:half])
    assert model.score(frame[half:].drop("y"), wanted[half:]) > (0.5 if kind == "regression" else 0.95)


def test_codes_that_tell_nothing_or_count_rows_are_left_out():
    generator = np.random.default_rng(0)
    tails, _ = codes(generator)
    wanted = np.arange(N) + generator.normal(size=N)
    counted = [f"S-{i + 17:05}" for i in range(N)]
    frame = pl.DataFrame({"tail": tails, "row": counted, "x": wanted, "y": wanted})[::2]
    with pytest.warns(DataWarning, match="left out 2 columns .* like ids: 'tail', 'row'"):
        schema = infer(frame, "y")
    assert [schema[name].kind for name in ("tail", "row")] == ["id", "id"]


def test_codes_that_only_tell_their_group_are_left_out():
    generator = np.random.default_rng(0)
    group = generator.integers(0, 12, N)
    names = ["".join(letters) for letters in generator.choice([*"QWXYZKJV"], (12, 3))]
    codes = [
        f"{names[i]}{number}"
        for i, number in zip(group, generator.permutation(90_000)[:N] + 10_000, strict=True)
    ]
    wanted = generator.normal(size=12)[group] + generator.normal(scale=0.3, size=N)
    frame = pl.DataFrame({"code": codes, "x": generator.normal(size=N), "y": wanted, "g": group})
    assert infer(frame, "y")["code"].kind == "text"
    for groups in (None, group):
        model = lamina.MLPRegressor(preset="fast", max_iter=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(frame.select("code", "x"), wanted, groups=groups)
        assert model.fitted_.encoder.schema["code"].kind == ("text" if groups is None else "id")
    with pytest.warns(DataWarning, match="'code'"):
        assert infer(frame.drop("g"), "y", folds=group % 5)["code"].kind == "id"


def test_streams_learn_texts_of_a_sample():
    frame = pl.DataFrame({"c": sentences(N, 1), "id": [f"A{i:05}" for i in range(N)], "x": X})
    statistics = TableStatistics(frame.schema)
    for first in range(0, N, 90):
        statistics.update(frame[first : first + 90])
    with pytest.warns(DataWarning, match="left out 1 column .* like ids: 'id'"):
        found = statistics.schema()
    with pytest.warns(DataWarning):
        expected = infer(frame)
    assert found["c"].type == expected["c"].type
    assert [(part.name, part.low, part.high) for part in found["c"].parts] == [
        (part.name, part.low, part.high) for part in expected["c"].parts
    ]


def test_a_stream_is_told_what_is_text():
    frame = pl.DataFrame({"c": [1017, 1018, 2017, None] * 20, "x": X[:80]})
    statistics = TableStatistics(frame.schema, kinds={"c": "text"})
    statistics.update(frame)
    found = statistics.schema()["c"]
    assert found.kind == "text" and found.missing == 20 and found.parts[0].missing == 20
