"""A page reads dates as Python does, in every form that a column may have learned."""

from importlib.resources import files

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import lamina
from lamina import export_page
from lamina.table.dates import ORDERS, DateForm, page_shapes
from lamina.table.kinds import infer
from lamina.table.types import Calendar

FORMS = [
    *(DateForm(order, pivot=pivot) for order in ("", *ORDERS.values()) for pivot in (1969, 1900)),
    *map(DateForm, ("",) * 6, ("s", "ns", "%Y%m%d", "%d%m%Y", "%Y-%j %H%M", "%d/%b/%Y:%H:%M:%S %z")),
]
WRITTEN = [
    "%Y-%m-%d", "%Y/%m/%d %H:%M", "%d.%m.%Y %H:%M:%S.%f", "%m/%d/%y %I:%M %p", "%d %B %Y", "%B %d, %Y at %I %p",
    "%A, %d %b %Y %H:%M:%S +0530", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M EST", "%a %b %d %H:%M:%S UTC %Y", "%b-%y",
    "%G-W%V-%u", "%G-W%V", "Q%m/%Y", "%Y%m%d", "%d%m%Y", "%Y-%j %H%M", "%d/%b/%Y:%H:%M:%S -0230", "%Y年%m月%d日",
    "%Y%m%dT%H%M%S.%f", "%m/%Y", "%y/%m/%d", "%d.%m.%Y %H:%M CEST", "%Y/%m/%d %I:%M:%S %p GMT-3", "%Y:%m:%d %H:%M:%S",
    "%d lipca %Y", "%d de março de %Y", "%Y/%m/%d %I:%M:%S p. m. CET", "%m/%d/%y, %I:%M\u202f%p", "%d.%m.%Y um %H:%M",
    "%d.%m.%Y %H:%M Uhr",
]  # fmt: skip

MOMENTS = st.builds(lambda at, form: at.strftime(form).zfill(4), st.datetimes(), st.sampled_from(WRITTEN))
SLIPS = st.builds(  # another digit somewhere, so that there is no such month, day, hour or week
    lambda text, place, digit: text[: place % len(text)] + digit + text[place % len(text) + 1 :],
    MOMENTS,
    st.integers(0, 40),
    st.sampled_from([*"0139:-/. "]),
)
TEXTS = st.lists(MOMENTS | SLIPS | st.text(st.sampled_from("0123456789-/.: tzpmw"), max_size=12), min_size=1)

READ = """([script, shapes, forms, texts]) => {
    const read = new Function(`${script}; return dateReader`)()(shapes);
    return forms.map(form => texts.map(text => { const days = read(text, form); return isNaN(days) ? null : days; }));
}"""


@pytest.fixture(scope="module")
def blank(browser):
    page = browser.new_page()
    yield page
    page.close()


def read_by_python(form, text):
    """The days that a column of texts in this form has."""
    kind = Calendar(order=form.order, form=form.form, pivot=form.pivot, gaps=True)
    return kind._days("when", pl_column([text]))[0]


def pl_column(texts):
    from lamina.table.columns import ArrayColumn

    return ArrayColumn("when", np.array(texts, object))


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS)
@example(
    texts=[
        f"{day} {hour}:{minute}:00 {zone}"
        for day in ("2024-03-31", "2024-10-27", "2024-11-03", "1975-07-01")
        for hour in ("01", "02", "03")
        for minute in ("00", "30")
        for zone in ("Europe/Berlin", "[America/New_York]", "asia/kolkata", "Mars/Phobos")
    ]
)
@example(
    texts=[
        "9999-W52-7",
        "9999-W53",
        "2020-W53-1",
        "2021-W53-1",
        "2020-366 2359",
        "2021-366 0000",
        "9999-365 0000",
    ]
)
@example(
    texts=[
        "2011-10-02 24:00",
        "0099-02-28T00:00",
        "12 am 3/4/11",
        "3/4/11 12 am",
        "1/2/3",
        "2/1970",
        "-5",
        "20111002",
    ]
)
@example(
    texts=[
        "1970-01-01 00:00:00.0000005",
        "1970-01-01 00:00:00.0000015",
        "3 mai 2024",
        "1. März 99",
        "mo 3.4.70",
    ]
)
def test_dates_are_read_alike(blank, texts):
    script = files("lamina.export.page").joinpath("dates.js").read_text("utf-8")
    found = blank.evaluate(READ, [script, page_shapes(), [form.page_data() for form in FORMS], texts])
    for form, days in zip(FORMS, found, strict=True):
        expected = [read_by_python(form, text) for text in texts]
        np.testing.assert_array_equal(np.array(days, float), expected, err_msg=str(form))


@pytest.mark.slow
def test_a_person_types_dates_as_the_table_has_them(opened, tmp_path):
    days = [f"{i % 28 + 1:02}.{i % 12 + 1:02}.{20 + i % 4} {i % 24:02}:30" for i in range(120)]
    stamps = [1_400_000_000 + 86_400 * i for i in range(120)]
    frame = pl.DataFrame({"sold": days, "timestamp": stamps})
    assert [infer(frame)[name].type.form for name in frame.columns] == ["", "s"]
    model = lamina.MLPRegressor(preset="fast", max_iter=1, hidden_layer_sizes=(8,), random_state=0)
    model.fit(frame, np.arange(120.0))
    export_page(model, tmp_path / "page.html", examples=frame[:3].rows(named=True))
    page, row = opened(tmp_path / "page.html"), frame[:1]
    for name, text in (("sold", "03.04.21 06:00"), ("timestamp", "1400086400")):
        field = page.get_by_label(name, exact=True)
        field.fill(text)
        row = row.with_columns(pl.lit(text).alias(name).cast(frame.schema[name]))
        table = [
            infer(frame)[one].type.split(infer(frame)[one], pl_column(row[one].to_list()))[0]
            for one in row.columns
        ]
        place = frame.columns.index(name)
        assert page.evaluate(f"lamina.form.row[{place}]") == table[place].numbers()[0]
    found = page.evaluate("lamina.network.predict([lamina.form.row])[0]")
    assert found == pytest.approx(model.predict(row), rel=1e-5)  # of the days between both, too
    field = page.get_by_label("sold", exact=True)
    field.fill("13.13.21")
    assert "not a date such as" in page.locator(f"#{field.get_attribute('id')}-note").text_content()
