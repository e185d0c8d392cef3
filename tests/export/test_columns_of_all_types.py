"""Each registered type of columns in each way out: what a file does not read as training had it, one line says."""

import datetime
import ipaddress
import json
import random

import numpy as np
import polars as pl
import pytest
from any_texts import sentences

import lamina
from lamina.export import describe
from lamina.export.ways import WAYS
from lamina.table.messages import DataWarning
from lamina.table.types import TYPES, Composite

N = 200
R = random.Random(3)
DAY = datetime.date(2020, 1, 1)
COLUMNS = {
    "category": [R.choice("abcdefghijklm") for _ in range(N)],
    "version": [f"{R.randrange(4)}.{R.randrange(30)}.{R.randrange(9)}" for _ in range(N)],
    "vector": [f"{R.uniform(-90, 90):.4f}, {R.uniform(-180, 180):.4f}" for _ in range(N)],
    "number": [R.random() for _ in range(N)],
    "calendar": [f"{DAY + datetime.timedelta(R.randrange(900)):%d.%m.%Y}" for _ in range(N)],
    "time": [f"{R.randrange(24):02}:{R.randrange(60):02}" for _ in range(N)],
    "duration": [datetime.timedelta(seconds=R.randrange(9999)) for _ in range(N)],
    "boolean": [R.choice([True, False]) for _ in range(N)],
    "text": sentences(N, 1),
    "pattern": [f"{R.randrange(90, 200)}/{R.randrange(50, 110)}" for _ in range(N)],
    "ordered": [R.choice(["small", "medium", "large"]) for _ in range(N)],
    "written number": [f"${R.randrange(1000, 99999):,}" for _ in range(N)],
    "mixed": [R.choice(["none", f"{R.randrange(999)}"]) if i % 3 else f"{i}" for i in range(N)],
    "list": ["|".join(R.sample(["Comedy", "Drama", "Horror", "War"], 2)) for _ in range(N)],
    "period": [
        f"{DAY + datetime.timedelta(i)} to {DAY + datetime.timedelta(i + R.randrange(90))}" for i in range(N)
    ],
    "phone": [f"({R.choice([415, 212])}) {R.randrange(200, 999)}-{R.randrange(9999):04}" for _ in range(N)],
    "ip": [str(ipaddress.IPv4Address(R.getrandbits(32))) for _ in range(N)],
    "email": [f"user{i}@{R.choice(['a.com', 'b.org'])}" for i in range(N)],
    "url": [f"https://{R.choice(['a.com', 'b.org'])}/{R.choice('xyz')}/p{i}.html" for i in range(N)],
    "record": [json.dumps({"a": R.randrange(99), "b": R.choice("xy")}) for _ in range(N)],
}
"""A column of each type, by the type's tag; parts of others are no columns."""

KINDS = {"ordered": {"ordered": "ordered"}}

AS_THEY_ARE = {"category", "number", "boolean"}
"""Types that all files read."""


READ_BY_LIBRARIES = {
    "text", "time", "ordered", "written number", "calendar", "version", "vector", "mixed", "list", "phone", "ip",
    "email", "url", "pattern",
}  # fmt: skip
"""Types whose texts libraries read."""


@pytest.fixture(scope="module")
def models():
    """A model of each column alone."""
    target = np.arange(N) % 7 / 7.0
    settings = {
        "preset": "fast",
        "hidden_layer_sizes": (4,),
        "max_iter": 1,
        "members": 1,
        "number_embedding": False,
    }
    return {
        tag: lamina.MLPRegressor(**settings, column_kinds=KINDS.get(tag)).fit(
            pl.DataFrame({tag: values}, strict=False), target
        )
        for tag, values in COLUMNS.items()
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the optimizer reached max_iter", "ignore:.*numbers as text")
def test_each_type_has_a_column(models):
    used = {tag for tag, kind in TYPES.items() if kind.used} - {
        "coordinate",
        "date",
        "interval",
        "pixel",
    }  # parts, and pictures'
    assert used == set(COLUMNS)
    for tag, model in models.items():
        assert model.fitted_.encoder.schema[tag].type.tag == tag


@pytest.mark.filterwarnings("ignore:the optimizer reached max_iter")
@pytest.mark.parametrize("way", WAYS)
def test_one_line_says_which_column_and_what_instead(models, way, tmp_path, recwarn):
    pytest.importorskip("onnx")
    for tag, model in models.items():
        recwarn.clear()
        prediction = describe(model)
        suffix = {"library": "so"}.get(way, way)
        WAYS[way].write(prediction, tmp_path / f"file.{suffix}")
        lines = [str(one.message) for one in recwarn if issubclass(one.category, DataWarning)]
        takes = [column.name for column in prediction.inputs.columns]
        units = [column.schema.type.unit for column in prediction.inputs.columns if column.is_number]
        kind = TYPES[tag]
        schema = model.fitted_.encoder.schema[tag]
        has_field = not isinstance(kind, Composite) or kind.derives or schema.type.on_pages(schema)
        if (
            tag in AS_THEY_ARE
            or (way == "html" and has_field)
            or (way == "library" and tag in READ_BY_LIBRARIES)
        ):
            assert lines == [] and takes[0].startswith(tag)
            continue
        (line,) = lines
        assert f"{tag!r}" in line and line.endswith("lamina.load read it as in training") and "\n" not in line
        assert any(f"{name!r}" in line for name in takes) or units[0] in line
