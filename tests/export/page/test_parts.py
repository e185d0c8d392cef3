"""A page reads the parts of addresses, versions and telephone numbers as Python does."""

import random

import numpy as np
import pytest
from texts_with_parts import FRAME, OTHERS, PIECES

from lamina.table.columns import ArrayColumn
from lamina.table.kinds import infer
from lamina.table.types import Quantity
from lamina.table.types.reading import PAGE_SCRIPT

READ = "([script, data, texts]) => texts.map(new Function(`return (${script})`)()(data))"
NAMES = ["version", "email", "phone", "ip", "url", "pattern", "label", "share"]
SCHEMA = infer(FRAME.select(NAMES))


@pytest.fixture(scope="module")
def blank(browser):
    page = browser.new_page()
    yield page
    page.close()


def in_python(column, texts):
    """The used parts of texts: numbers, and codes."""
    found = column.type.split(column, ArrayColumn(column.name, np.array(texts, object)))
    values = [
        part.type.fitted(part.name, values).numbers()
        if isinstance(part.type, Quantity)
        else values.mapped(lambda value, part=part: part.codes.get(part.type.name_of(value), 0), np.int32)
        for part, values in zip(column.parts, found, strict=True)
        if part.used
    ]
    return np.column_stack(values).astype(float)


@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
@pytest.mark.parametrize("name", NAMES)
def test_parts_are_read_alike(blank, name):
    column, chance = SCHEMA[name], random.Random(name)
    texts = [*FRAME[name], *OTHERS[name]]
    texts += ["".join(chance.choices(PIECES[name], k=chance.randint(1, 9))) for _ in range(1000)]
    assert column.type.page_script == PAGE_SCRIPT
    reading = column.type.reading(column)
    found = np.array(blank.evaluate(READ, [PAGE_SCRIPT, reading.page_data(), texts]), float)
    same = ((found == in_python(column, texts)) | (np.isnan(found) & np.isnan(in_python(column, texts)))).all(
        1
    )
    odd = [text for text, is_same in zip(texts, same, strict=True) if not is_same]
    assert same[: len(FRAME)].all()
    assert all(reading.unsure is not None and reading.unsure.fullmatch(text.strip()) for text in odd)
    assert len(odd) < 0.1 * len(texts)
