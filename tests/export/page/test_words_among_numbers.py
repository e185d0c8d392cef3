"""A page of a model with numbers in words and words among numbers: a person types what the table has."""

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


@pytest.mark.slow
def test_a_page_reads_what_the_table_has(opened, accessible, tmp_path):
    model = lamina.MLPRegressor(preset="fast", max_iter=40, random_state=0).fit(FRAME, Y)
    export_page(model, tmp_path / "page.html", examples=FRAME[[0, 3]].rows(named=True))
    page = opened(tmp_path / "page.html")
    accessible(page)
    for button, row, value in (("Row 1", 0, FRAME["zip"][0]), ("Row 2", 3, "No home")):
        page.get_by_role("button", name=button).click()
        expected = model.predict(FRAME[row])[0]
        assert float(page.text_content("#predicted")) == pytest.approx(expected, rel=2e-3)
        assert page.get_by_label("zip", exact=True).input_value() == value
    for text in ("1.234,50 €", "1234,5", "1.234,5 EUR"):
        page.get_by_label("price", exact=True).fill(text)
        expected = model.predict(FRAME[3].with_columns(price=pl.lit(text)))[0]
        assert float(page.text_content("#predicted")) == pytest.approx(expected, rel=2e-3)
    page.get_by_label("price, slider").fill("1230")
    assert page.get_by_label("price", exact=True).input_value() == "1230"
    assert page.evaluate("lamina.form.row[1]") == 1230
    price = page.get_by_label("price", exact=True)
    price.fill("cheap")
    assert "not a number such as" in page.locator(f"#{price.get_attribute('id')}-note").text_content()
    place = page.get_by_label("zip", exact=True)
    for text, note in (
        ("gone", "unlike all values of training: counts as missing"),
        ("No home", ""),
        ("", "missing"),
    ):
        place.fill(text)
        assert page.locator(f"#{place.get_attribute('id')}-note").text_content() == note
