"""A page reads texts as Python does: every letter, and the whole prediction."""

import unicodedata
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from any_texts import sentences, texts_of_any_kind
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lamina
from lamina import export_page
from lamina.table.columns import ArrayColumn
from lamina.table.kinds import infer
from lamina.table.ngrams import TextEncoder, tokens
from lamina.table.types import Text

N = 300
FRAME = pl.DataFrame(
    {
        "said": [None if i % 23 == 7 else text for i, text in enumerate(sentences(N, 5))],
        "x": np.random.default_rng(0).normal(size=N),
    }
)
PRICE = FRAME["said"].fill_null("").str.contains("wine").cast(pl.Float64) + FRAME["x"] / 5
SCHEMA = infer(FRAME)["said"]

READ = """([script, data, texts]) => {
    const kinds = { hashes: Int32Array, idf: Float32Array, weights: Uint8Array };
    for (const [name, kind] of Object.entries(kinds)) data[name] = kind.from(data[name]);
    return texts.map(new Function(`return (${script})`)()(data));
}"""


@pytest.fixture(scope="module")
def blank(browser):
    page = browser.new_page()
    yield page
    page.close()


def read_by_javascript(page, texts, schema=SCHEMA):
    data = Text().page_data(schema)
    data = {
        name: value.ravel().tolist() if isinstance(value, np.ndarray) else value
        for name, value in data.items()
    }
    return np.array(page.evaluate(READ, [Text.page_script, data, texts]), float)


def read_by_python(texts):
    *numbers, value = Text().split(SCHEMA, ArrayColumn("said", np.array(texts, object)))
    names = SCHEMA.parts[-1].categories
    codes = [names.index(text) + 1 if text in names else 0 for text in texts]
    assert [one for one, _ in value.value_counts()] == list(dict.fromkeys(t for t in texts if t in names))
    return np.column_stack([*(part.numbers() for part in numbers), codes])


@pytest.mark.slow
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(texts_of_any_kind, min_size=1, max_size=40))
def test_javascript_reads_the_same_numbers(blank, texts):
    np.testing.assert_allclose(read_by_javascript(blank, texts), read_by_python(texts), atol=1e-9)


@pytest.mark.slow
def test_javascript_folds_every_letter_alike(blank):
    """Those of the Basic Multilingual Plane and some beyond that Python knows; all their tokens are known."""
    letters = [chr(c) for c in [*range(1, 0xD800), *range(0xE000, 0x10000), *range(0x1F000, 0x20100)]]
    letters = [letter for letter in letters if unicodedata.category(letter) != "Cn"]
    texts = ["".join(letters[i : i + 4]) for i in range(0, len(letters), 4)]
    for block in (texts[i : i + 1000] for i in range(0, len(texts), 1000)):
        hashes = np.unique(tokens(block)[0])
        _, first = np.unique(hashes >> 14, return_index=True)
        weights = np.random.default_rng(0).normal(size=(len(first), 2)).astype(np.float16)
        encoder = TextEncoder(hashes[first], np.ones(len(first), np.float32), weights)
        found = read_by_javascript(
            blank, block, replace(SCHEMA, parts=SCHEMA.parts[:2], arrays=vars(encoder))
        )
        np.testing.assert_allclose(found, encoder.encode(block), atol=1e-9)


@pytest.mark.slow
def test_a_page_has_a_field_for_a_text(opened, tmp_path):
    model = lamina.MLPRegressor(preset="fast", random_state=0).fit(FRAME, PRICE)
    assert model.score(FRAME, PRICE) > 0.8
    export_page(model, tmp_path / "page.html", examples=FRAME[[0, 7]].rows(named=True))
    page = opened(tmp_path / "page.html")
    field = page.get_by_label("said", exact=True)
    page.get_by_role("button", name="Row 1").click()
    assert field.input_value() == FRAME["said"][0]
    for text in ("red wine", "Old  RED Wine!", "straße", "你好", "", FRAME["said"][1]):
        field.fill(text)
        row = FRAME[:1].with_columns(said=pl.lit(text or None, pl.String))
        assert float(page.text_content("#predicted")) == pytest.approx(
            model.predict(row)[0], rel=2e-3, abs=1e-3
        )
    page.get_by_role("button", name="Row 2").click()
    assert field.input_value() == ""
    assert float(page.text_content("#predicted")) == pytest.approx(
        model.predict(FRAME[7])[0], rel=2e-3, abs=1e-3
    )
