"""A page reads lists, and several numbers in a cell, as lamina does."""

import random

import numpy as np
import polars as pl
import pytest

import lamina
from lamina import export_page

N = 200
R = random.Random(0)
TAGS = ["red", "blue", "a b", "it's", "x"]
FRAME = pl.DataFrame(
    {
        "x": [R.random() for _ in range(N)],
        "bars": ["|".join(R.sample(TAGS, R.randint(1, 3))) for _ in range(N)],
        "lists": [None if i % 9 == 0 else str(R.sample(TAGS, R.randint(0, 3))) for i in range(N)],
        "numbers": [str([R.randrange(9) / 4 for _ in range(R.randint(1, 4))]) for _ in range(N)],
        "place": [f"POINT({R.uniform(-9, 9):.3f} {R.uniform(-9, 9):.3f})" for _ in range(N)],
    }
)
PRICE = np.array([len(text) for text in FRAME["bars"]]) + np.array(
    [float(text[6:].split()[0]) for text in FRAME["place"]]
)
TYPED = {
    "bars": ["red | x", "", "never seen", '["red", "x"]', "[red|x]", FRAME["bars"][0]],
    "lists": [
        "['it', \"it's\"]",
        '["red", "new"]',
        "('blue',)",
        "[blue, x]",
        "no list",
        "[]",
        FRAME["lists"][1],
    ],
    "numbers": ["[1, 2.5]", "[0.25]", "[1, a]", "", FRAME["numbers"][0]],
    "place": ["1.5, -2", "(3 4)", "7", "7,3", "7 3", FRAME["place"][0]],
}


@pytest.fixture(scope="module")
def model():
    settings = {"number_embedding": False, "max_iter": 5, "members": 1, "random_state": 0}
    return lamina.MLPRegressor(preset="fast", **settings).fit(FRAME, PRICE)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
def test_a_page_reads_what_is_typed(model, opened, tmp_path):
    export_page(model, tmp_path / "page.html", examples=FRAME[[0, 5]].rows(named=True))
    page = opened(tmp_path / "page.html")
    for name, texts in TYPED.items():
        page.get_by_role("button", name="Row 1").click()
        for text in texts:
            page.get_by_label(name, exact=True).fill(text)
            row = FRAME[:1].with_columns(pl.lit(text or None, pl.String).alias(name))
            assert float(page.text_content("#predicted")) == pytest.approx(model.predict(row)[0], rel=2e-3), (
                text
            )
