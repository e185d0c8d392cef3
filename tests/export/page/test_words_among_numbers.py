"""A page of a model with numbers in words and words among numbers: a field for each part."""

import numpy as np
import polars as pl
import pytest

import lamina
from lamina import export_page

N = 200
RNG = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "zip": [
            "No home" if i % 20 == 3 else str(number)
            for i, number in enumerate(RNG.integers(10_000, 99_999, N))
        ],
        "price": [
            f"{price:,.2f} €".translate(str.maketrans(",.", ".,")) for price in RNG.uniform(1, 5000, N)
        ],
    }
)
Y = np.where(FRAME["zip"] == "No home", 5.0, 1.0) + RNG.normal(size=N) / 10


def test_a_page_has_a_field_for_each_part(opened, tmp_path):
    model = lamina.MLPRegressor(preset="fast", max_iter=40, random_state=0).fit(FRAME, Y)
    export_page(model, tmp_path / "page.html", examples=FRAME[[0, 3]].rows(named=True))
    page = opened(tmp_path / "page.html")
    for button, row, words in (("Row 1", 0, "– missing –"), ("Row 2", 3, "No home")):
        page.get_by_role("button", name=button).click()
        expected = model.predict(FRAME[row])[0]
        assert float(page.text_content("#predicted")) == pytest.approx(expected, rel=2e-3)
        field = page.get_by_label("zip: words", exact=True)
        assert field.evaluate("select => select.selectedOptions[0].textContent") == words
    page.get_by_label("price", exact=True).fill("1234.5")
    expected = model.predict(FRAME[3].with_columns(price=pl.lit("1.234,50 €")))[0]
    assert float(page.text_content("#predicted")) == pytest.approx(expected, rel=2e-3)
