"""A page reads numbers in words, words among numbers, and ordered categories as Python does."""

from dataclasses import asdict
from importlib.resources import files
from itertools import chain

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lamina.table.columns import ArrayColumn
from lamina.table.dates import page_shapes
from lamina.table.number_texts import page_words
from lamina.table.types import Mixed, Ordered
from lamina.table.types.period import Period
from lamina.table.types.vector import Vector
from lamina.table.written_numbers import Form, form_of, number_in_form

COLUMNS = [
    ["$1,234.50", "$12", "($3)", "USD 5k", "1.5M$"],
    ["1.234,50 €", "12 €", "1,2 Mio", "€ -3"],
    ["12 kg", "800 g", "1.5 kg", "2 t"],
    ["3.5GHz", "900 MHz", "2 GHz"],
    ["18-23", "25–34", "65+", "<18", "[35, 64)"],
    ["$50,000 - $99,999", "$100k or more", "under $50,000"],
    ["1/2", "3 1/4", "2", "5/8"],
    ["45%", "3 %", "12.5%", "~ 7%"],
    ["45%", "0.5", "12.5 %", "1"],
    ["1'234.50", "12", "CHF 3", "7.–"],
    ["2 years", "1 year", "3 to 5 years", "10+ years"],
    ["12 cu in", "400 cu in"],
    ["1h 30m", "45m", "1w 2d 3h 4m", "1 Std. 30 Min.", "2 Stunden und 5 Minuten"],
    ["2d", "1d", "3h", "45m"],
    ["+3 344,07", "-1 002,50", "+12,00", "+49 30 1234"],
    ["1h 46min", "58 min", "2 h", "1 d 2h 3m 4.5s"],
    ["PT1H34M", "P1DT5S", "PT0.5S", "P2D", "PT"],
    ["5 days ago", "2 weeks ago", "1 month", "3 yrs", "1 wk"],
    ["0 days 00:06:02", "1 day, 10:00:00.5", "3 s"],
    ["59:48", "1:05:12", "100:07.5", "1 day, 10:00"],
    ["00:00:03,540", "01:06:23,540", "9:12,5"],
    ["1:20.406", "1:31.257", "1:40", "0 days 00:06:02.125"],
    ["5'6.125\"", "5'7.375\"", "5'8\""],
    ["5'11\"", "6'1''", "5 ft 3 in", "5'7", "62 in"],
    ["₹ 12,34,567", "₹ 5 lakh", "₹ 3 crore"],
    ["1,200 sq ft", "95 m²", "110 Sq. M.", "2 ha"],
    ["2 kg", "5 lbs", "300 g", "1 oz"],
    ["512 MB", "2 GiB", "1 TB"],
    ["7 lb 2 oz", "9 lbs. 11.5 oz.", "12 oz", "2 st 3 lb"],
    ["15 yrs 4 mos", "2 years, 11 months", "7 mo", "3m31s", "2 d 6"],
    ["61°F", "20 °C", "-4 deg F", "40 F"],
    ["60 mph", "90 km/h", "12 knots", "5 m/s"],
    ["2 gal", "3 qt", "20 liters", "8 fl oz", "3 ft3", "12 cu. ft."],
    ["57.05N", "10.33S", "42° 30′ S", "N 12.5°", "12°30'15\"N"],
    ["17.22E", "11.76W", "27°11'59\" W"],
    ["1,200.00 CR", "300 DR", "5 Dr."],
    ["₹5 Cr", "2 lakh", "₹ 1.5 cr."],
    ["600 BC", "30 AD", "c. 44 BCE"],
    ["1st", "2nd", "21st", "100th"],
    ["9th grade", "12th Grade", "1st grade"],
    ["1998-99", "1999/00", "2001-02"],
    ["300 kcal", "500 kJ"],
    ["30 psi", "2 bar"],
    ["100 hp", "75 kW"],
    ["₹341 L", "₹3.2 Cr", "₹ 95.5 l."],
    ["-5 - 1", "-10 to -5", "3 – 14", "1..2"],
    ["14y 2m", "3 years", "7 months"],
    ["2h05", "58 min", "3 h"],
    ["1.2K views", "3M views", "950 views", "3.5k"],
    ["-41° 07′ 05.7″", "+3° 12′", "12° 30'"],
    ["within 3 business days", "2-4 business days", "1 day"],
    ["12 ly", "3.5 pc"],
    ["45 L", "1.2 Cr", "99.5 lakh"],
    ["٣٤٠٫٥", "٢٢٬١٣١", "१२"],
    ["１３，２７０円", "￥９８０"],
    ["▲ 3.7%", "▼-1.2 %", "4% ↓", "⬆\ufe0f2%", "0%"],
    ["up 3.5", "Down 2", "plus 1", "minus 7", "5 up"],
    ["+ 3 %", "- 4 %"],
    ["12,345[1][2]", "5[a]", "7,000"],
]
FORMS = [form_of([(text, 1) for text in texts]) for texts in COLUMNS]
WORDS = [
    "-", "–", "+", "(", ")", " ", " ", ".", ",", "'", "/", "$", "€", "US$", "kr.", "R", "k", "m", "M", "Mio", "bn",
    "%", "kg", "g", "G", "GHz", "years",
    "km²", "cu in", "\"", " to ", " or more", "under ", "<", "≥", "about ", "½", "*",
    "h ", "min", "weeks ago", "PT", "P1D", "H", "S", "ft ", " in", "days ", "00:06:02",
    "lakh", "†", "[1]", "[", "]", "±", "e3", "to inf]", "constructor",
    "sq. ft.", "m³", "°", "′", "''", " N", "W", "°F", "c", " CR", " Dr.", " BC",
     "th", "st ", "1999-00", "gal", " mph", "lb ", "yr ", "mos", "ft2",
    "GiB", "lb", "oz", "acres", "mi", "between ", " and ", "0", "00", "NA", "$/month", "ſ", "²",
]  # fmt: skip
DIGITS = st.integers(0, 10**7).map(str) | st.floats(0, 6e4, width=16).map("{:,.2f}".format)
TEXTS = st.lists(
    st.sampled_from([*chain(*COLUMNS)]) | st.lists(DIGITS | st.sampled_from(WORDS), max_size=6).map("".join),
    min_size=1,
)

READ = """([script, shared, forms, texts]) => {
    const read = new Function(`${script}; return numberReader`)()(shared);
    return forms.map(form => texts.map(text => { const x = read(text, form); return isFinite(x) ? x : null; }));
}"""
READ_PARTS = """([script, shared, reader, data, texts]) => {
    const read = `const readNumber = numberReader(shared); return texts.map((${reader})(data));`;
    return new Function("shared", "data", "texts", `${script}; ${read}`)(shared, data, texts);
}"""
SCRIPT = "".join(
    files("lamina.export.page").joinpath(f"{name}.js").read_text("utf-8") for name in ("dates", "numbers")
)


@pytest.fixture(scope="module")
def blank(browser):
    page = browser.new_page()
    yield page
    page.close()


def test_each_column_has_a_form():
    assert None not in FORMS


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS)
@example(
    texts=[
        "1.234",
        "1,234",
        "12-14",
        "5 ft",
        "1e3 kg",
        "12A",
        "007",
        "+49 30 1",
        "RS12",
        "3k€",
        "€ 3 per night",
        "1e999 kg",
    ]
)
def test_numbers_are_read_alike(blank, texts):
    forms = [None, *FORMS]
    found = blank.evaluate(READ, [SCRIPT, page_words(), [form and form.page_form() for form in forms], texts])
    for form, numbers in zip(forms, found, strict=True):
        expected = [number_in_form(text, form) for text in texts]
        expected = [number if number is None or np.isfinite(number) else None for number in expected]
        numbers = [number if number is None else float(number) for number in numbers]
        assert dict(zip(texts, numbers, strict=True)) == dict(zip(texts, expected, strict=True)), form


POSITIONS = [
    "23.5°N 99.5°W", "23.5N 99.5w", "27°30'S, 9°15'36\"E", "N 42.7°, W 3.5°", "40° 26′ 46″ N 79° 58′ 56″ W", "1, 2",
    "51.5°s / 0.1°e",
   "12 s 3 e", "N 3 S 4 E 5", "5 N 3 cm", "1, 2 N", "10S 5", "N, E", "POINT(2 3)", "-1.5 N, 3 E", "°N °E",
    "1 2 x", "x 1 2", "1,, 2", "[1e2, null]", "1 x 2 cm", "1;2|", "(1 2", " 3 x 4 ",
]  # fmt: skip


PERIODS = [
    "09/20/2011 - 10/28/2011", "2011-09-20 to 2011-10-28", "20 Sep 2011 – present", "Sep 20, 2011 - ?",
    "2011-09/2011-10", "2011-10-28 10:00 - 2011-10-29",
    "9/31/2011 - 10/2/2011", "9/20/2011", "5 - 7", "2011-09-20-2011-10-28", "10:30 - 11:30",
    "Sep 15 - Oct 14, 2018", "Dec 20 - Jan 5, 2019", "15.09. - 14.10.2018", "15/9-14/10/2018", "1998–2004", "2004-1998",
    "1998 - present", "1998-soon", "1998-2004-05", "15 - 14/10/2018", "Sep – Oct 3, 2018", "29 Feb to 3 Mar 2019",
    "1.2.2011 bis 3.4.2011", "2011-09-20 to", "to 2011", "2011-12-31/2011-02-30", " 9/20/2011 -9/21/2011 ", "soon",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
@pytest.mark.parametrize("order", ["mdy", "dmy", ""])
def test_periods_are_read_alike(blank, order):
    kind = Period(order=order)
    schema = kind.learn(ArrayColumn("x", np.array(PERIODS, object)), True)
    columns = kind.split(schema, ArrayColumn("x", np.array(PERIODS, object)))
    script = SCRIPT + "; const readDate = dateReader(shapes);"
    given = [script, page_words(), Period.page_script, kind.page_data(schema), PERIODS]
    reader = READ_PARTS.replace("${script}", "const shapes = shared.shapes; ${script}")
    found = np.array(
        blank.evaluate(reader, [script, page_words() | {"shapes": page_shapes()}, *given[2:]]), float
    )
    np.testing.assert_allclose(
        found, np.column_stack([column.numbers() for column in columns]), rtol=1e-12, atol=1e-12
    )


@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
def test_positions_are_read_alike(blank):
    kind = Vector(count=2)
    schema = kind.learn(ArrayColumn("x", np.array(POSITIONS[:6], object)), True)
    columns = kind.split(schema, ArrayColumn("x", np.array(POSITIONS, object)))
    given = [SCRIPT, page_words(), Vector.page_script, kind.page_data(schema), POSITIONS]
    found = np.array(blank.evaluate(READ_PARTS, given), float)
    np.testing.assert_array_equal(found, np.column_stack([column.numbers() for column in columns]))
    assert found[2].tolist() == [-27.5, 9.26]


MIXED = ["1,200", "$15", "No home", "other one", "unknown", "No home"] * 9 + [
    f"${i},000" for i in range(1, 60)
]
MIXED += ["rare", "odd"]


@pytest.mark.parametrize("form", [Form(like="$15", currency="$"), Form()])
@pytest.mark.parametrize("other", [False, True])
def test_words_among_numbers_are_read_alike(blank, form, other):
    kind = Mixed(**asdict(form), rare="rare\nodd", other=other)
    column = MIXED if form.like else [text.replace("$", "").replace(",", "") for text in MIXED]
    texts = [*dict.fromkeys(column), " No home ", "nowhere", "NA", "12.5", "$1.5k", ""]
    schema = kind.learn(ArrayColumn("x", np.array(column, object)), True)
    number, words = kind.split(schema, ArrayColumn("x", np.array(texts, object)))
    names = dict(zip(schema.parts[1].categories, range(1, 99), strict=False))
    codes = words.mapped(lambda word: names.get(word, 0), np.int32)
    given = [SCRIPT, page_words(), Mixed.page_script, kind.page_data(schema), texts]
    found = np.array(blank.evaluate(READ_PARTS, given), float)
    np.testing.assert_array_equal(found, np.column_stack([number.numbers(), codes]))


@pytest.mark.parametrize(
    "order", [["small", "Medium", "LARGE size", "XL"], ["Mon", "Tue", "Wed", "Straße-1"]]
)
@pytest.mark.parametrize("cyclic", [False, True])
def test_ordered_values_are_read_alike(blank, order, cyclic):
    kind = Ordered("\n".join(order), cyclic)
    schema = kind.learn(ArrayColumn("x", np.array(order[:3] * 9, object)), True)
    texts = [*order, *map(str.upper, order), "large_size", " small ", "xl", "strasse 1", "huge", ""]
    whole, *places = kind.split(schema, ArrayColumn("x", np.array(texts, object)))
    names = dict(zip(schema.parts[0].categories, range(1, 99), strict=False))
    codes = whole.mapped(lambda text: names.get(text, 0), np.int32)
    given = [SCRIPT, page_words(), Ordered.page_script, kind.page_data(schema), texts]
    found = np.array(blank.evaluate(READ_PARTS, given), float)
    np.testing.assert_array_equal(found, np.column_stack([codes, *(place.numbers() for place in places)]))
