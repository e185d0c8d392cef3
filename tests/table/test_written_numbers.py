"""Numbers as people write them: read back from what Babel writes, and told from codes, dates and names."""

import math
import pickle
import random

import pandas as pd
import polars as pl
import pytest
from babel.numbers import format_compact_decimal, format_currency, format_decimal, format_percent
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import constants

from lamina.table import number_texts
from lamina.table.check import check
from lamina.table.columns import as_column
from lamina.table.inspection import Look
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.read import read as read_files
from lamina.table.schema import Schema
from lamina.table.source import ReadOptions
from lamina.table.stream import statistics
from lamina.table.stream.statistics import TableStatistics
from lamina.table.target import target_values
from lamina.table.types import Category, WrittenNumber
from lamina.table.types.base import type_from_dict
from lamina.table.written_numbers import Form, described, form_of, number_of

LOCALES = [
    "en_US",
    "de_DE",
    "fr_FR",
    "en_IN",
    "sv_SE",
    "ja_JP",
    "pl_PL",
    "nl_NL",
    "pt_BR",
    "it_IT",
    "da_DK",
]
LOCALES += ["es_MX", "ru_RU", "nb_NO", "cs_CZ", "en_ZA"]


def read(texts):
    """What a column's texts are, in its form."""
    form = form_of([(text, 1) for text in texts])
    return None if form is None else [number_of(text, form) for text in texts]


cents = st.integers(-(10**11), 10**11).map(lambda number: number / 100)


@pytest.mark.parametrize("format_type", ["standard", "accounting"])
@given(
    numbers=st.lists(cents, min_size=2, max_size=8, unique=True),
    locale=st.sampled_from(LOCALES),
    currency=st.sampled_from(["USD", "EUR", "GBP", "CHF"]),
)
def test_money_is_read_as_it_was_written(numbers, locale, currency, format_type):
    texts = [format_currency(number, currency, locale=locale, format_type=format_type) for number in numbers]
    assert read([*texts, format_currency(1234.5, currency, locale=locale)]) == [*numbers, 1234.5]


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["▲ 3.7%", "▼ 1.2%", "0%"], [3.7, -1.2, 0]),
        (["3.7 ▲", "1.2 ▼", "↓0.5", "5"], [3.7, -1.2, -0.5, 5]),
        (["up 3", "down 2", "4 Down"], [3, -2, -4]),
        (["plus 3,5 %", "minus 2 %"], [3.5, -2]),
        (["+ 3%", "- 2%"], [3, -2]),
        (["18-40", "40-65", "65 plus"], [29, 52.5, 77.5]),  # no sign behind a number
        (["▲3.7", "1.2", "5"], None),  # a minus in Japanese
        (["△3.7", "1.2", "5"], None),
        (["2005 H1", "2006 H2"], None),  # no hours and minutes
    ],
)
def test_arrows_and_words_are_signs(texts, numbers):
    assert read(texts) == numbers


@given(numbers=st.lists(cents, min_size=2, max_size=8, unique=True), locale=st.sampled_from(LOCALES))
def test_separators_are_decided_by_the_whole_column(numbers, locale):
    texts = [f"{format_decimal(number, '#,##0.00', locale=locale)} m" for number in [*numbers, -1234567.25]]
    assert read(texts) == [*numbers, -1234567.25]


@given(
    numbers=st.lists(st.integers(-5000, 5000), min_size=2, max_size=8, unique=True),
    locale=st.sampled_from(LOCALES),
)
def test_percentages_are_read_as_they_were_written(numbers, locale):
    texts = [format_percent(number / 1000, "#,##0.0%", locale=locale) for number in numbers]
    assert read(texts) == pytest.approx([number / 10 for number in numbers], abs=0.11)


@pytest.mark.parametrize("locale", ["en_US", "de_DE", "fr_FR", "pl_PL", "ru_RU"])
@given(numbers=st.lists(st.integers(10_000_000, 999_999_999), min_size=2, max_size=8, unique=True))
def test_millions_are_read_as_they_were_written(numbers, locale):
    texts = [format_compact_decimal(number, locale=locale, fraction_digits=2) for number in numbers]
    assume(len(set(texts)) > 1)
    assert read(texts) == pytest.approx(numbers, abs=5001)


@given(
    st.lists(st.floats(-1e15, 1e15), min_size=2, max_size=8, unique=True),
    st.sampled_from(["{} kg", "~{}", "{}*"]),
)
def test_numbers_with_something_around_them_are_the_same_bits(numbers, around):
    assert read([around.format(number) for number in numbers]) == numbers


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["$1,234.50", "$12", "$-3", "-$4", "($5)", "(1,200)"], [1234.5, 12, -3, -4, -5, -1200]),
        (["€ 12", "12 EUR", "1.234,50 €"], [12, 12, 1234.5]),
        (["USD 5k", "USD 12", "USD 1.2m"], [5000, 12, 1.2e6]),
        (["1,2 Mio", "3 Tsd.", "500"], [1.2e6, 3000, 500]),
        (["3.4B", "1.2M", "500k"], [3.4e9, 1.2e6, 5e5]),
        (["CHF 1'234.50", "CHF 12.–"], [1234.5, 12]),
        (["12,34,567", "1,23,456"], [1234567, 123456]),
        (["1\u2009234,5", "12"], [1234.5, 12]),
        (["1.234 €", "999 €"], [1234, 999]),
        (["5 k€", "3 M€"], [5000, 3e6]),
        (["$5/hour", "$7/hour"], [5, 7]),
        (["12 kg", "1.5 kg", "800 g"], [12, 1.5, 0.8]),
        (["3.5GHz", "800MHz"], [3.5, 0.8]),
        (["1.5 t", "800 kg", "900 kg"], [1500, 800, 900]),
        (["1 year", "2 years"], [1, 2]),
        (["2 weeks", "5 days", "1 month", "1 yr"], [14, 5, 30.4375, 365.25]),
        (["5 days ago", "2 weeks ago", "12 hours ago"], [5, 14, 0.5]),
        (["PT1H34M", "PT5M", "P1DT1M", "PT2H"], [94, 5, 1441, 120]),
        (["59:48", "1:05:12", "102:07.5", "22:10", "45.5"], [3588, 3912, 6127.5, 1330, 45.5]),
        (["01:06:23,540", "00:00:03,5", "9:12"], [3983.54, 3.5, 552]),
        (["85 m²", "90 m²"], [85, 90]),
        (["5'", "6'"], [5, 6]),
        (["1 1/2", "3/4", "2"], [1.5, 0.75, 2]),
        (["½", "1¼"], [0.5, 1.25]),
        (["8/10", "7/10"], [0.8, 0.7]),
        (["<0.01", "0.5", ">100"], [0.01, 0.5, 100]),
        (["~5", "1e3", "7"], [5, 1000, 7]),
        (["12 ± 3", "+5", "−3", "12*", "3[1]"], [12, 5, -3, 12, 3]),
        (["18–24", "25-34", "<18", "65+"], [21, 29.5, 15, 69.5]),
        (["$50,000 - $99,999", "$100,000+", "under $50,000"], [74999.5, 124999.5, 25000.5]),
        (["under 5", "5 to 9", "10 and over"], [3, 7, 12]),
        (["15-24", "25-39", "40-"], [19.5, 32, 47]),
        (["0-39g/day", "40-79", "80+"], [19.5, 59.5, 99.5]),
        (["1 and 2", "3", "from 5 to 10", "between 7 and 8"], [1.5, 3, 7.5, 7.5]),
        (["1.234,50-", "12,00"], [-1234.5, 12]),
        (["10+ years", "< 1 year", "2 years"], [10, 1, 2]),
        (["(0, 10]", "(10, 20]"], [5, 15]),
        (["(-inf, 0.0]", "(0.0, 10.0]", "(10.0, inf]", "[10, ∞)"], [-5, 5, 15, 15]),
        (["1,000+", "5,000,000+"], [1000, 5e6]),
        (["$137K-$171K", "$50K-$60K"], [154000, 55000]),
        (["45 L", "1.2 Cr", "99.5 lakh", "3 Cr"], [4.5e6, 1.2e7, 9.95e6, 3e7]),
        (["₹45 L", "12 L", "₹ 2 Cr"], [4.5e6, 1.2e6, 2e7]),
        (["45 L", "12 l"], [45, 12]),
        (["٣٤٠٫٥", "٢٢٬١٣١", "١٢٫٥"], [340.5, 22131, 12.5]),
        (["１３，２７０円", "￥９８０"], [13270, 980]),
        (["12,345[1][2]", "5[a]", "7,000"], [12345, 5, 7000]),
    ],
)
def test_forms(texts, numbers):
    assert read(texts) == numbers


def test_a_twentieth_of_texts_tells_that_all_are_minutes_and_seconds():
    clock = [f"{i % 24}:{i % 60:02}" for i in range(190)]
    frames = [pl.DataFrame({"t": [*clock, *["59:48"] * n], "x": range(190 + n)}) for n in (9, 11)]
    with pytest.warns(DataWarning, match="times of day, but '59:48' in row 190"):
        few = infer(frames[0])["t"]
    assert few.missing == 9 and few.high == (23 * 60 + 59) * 60
    assert infer(frames[1])["t"].high == 59 * 60 + 48


UNITS = {
    "length": {
        "mm": 1e-3, "cm": 1e-2, "m": 1, "km": 1e3, "in": constants.inch, '"': constants.inch, "ft.": constants.foot,
        "feet": constants.foot, "yd": constants.yard, "miles": constants.mile,
    },
    "area": {
        "m²": 1, "sqm": 1, "sq. m.": 1, "km2": 1e6, "sq ft": constants.foot**2, "ft²": constants.foot**2,
        "Sq.Ft.": constants.foot**2, "sf": constants.foot**2, "square yards": constants.yard**2,
        "sq in": constants.inch**2, "acres": constants.acre, "ha": constants.hectare, "sq mi": constants.mile**2,
    },
    "mass": {
        "mg": 1e-6, "g": 1e-3, "kg": 1, "t": 1e3, "lbs": constants.lb, "lb": constants.lb, "oz": constants.oz,
        "st": constants.stone,
    },
    "volume": {
        "ml": 1e-6, "l": 1e-3, "litres": 1e-3, "m³": 1, "cubic meters": 1, "cc": 1e-6, "cu ft": constants.foot**3,
        "ft³": constants.foot**3, "cu. in.": constants.inch**3,
    },
    "time": {
        "ms": 1e-3, "s": 1, "min": constants.minute, "hours": constants.hour, "d": constants.day,
        "weeks": constants.week, "years": constants.Julian_year,
    },
    "data": {
        "bytes": 1, "KB": constants.kilo, "MB": constants.mega, "GB": constants.giga, "KiB": constants.kibi,
        "MiB": constants.mebi, "GiB": constants.gibi, "TiB": constants.tebi,
    },
    "volume of liquids": {
        "gal": constants.gallon, "quarts": constants.gallon / 4, "pt": constants.gallon / 8, "ft3": constants.foot**3,
        "fl oz": constants.fluid_ounce, "cups": constants.fluid_ounce * 8, "l": constants.liter,
    },
    "speed": {"mph": constants.mph, "km/h": constants.kmh, "knots": constants.knot, "m/s": 1},
    "energy": {"kcal": constants.kilo * constants.calorie, "kJ": constants.kilo},
    "power": {"hp": constants.horsepower, "kW": constants.kilo},
    "pressure": {
        "psi": constants.psi, "bar": constants.bar, "kPa": constants.kilo, "atm": constants.atm, "mmHg": constants.mmHg,
    },
}  # fmt: skip
"""Units in SI units, by SciPy."""


@pytest.mark.parametrize("dimension", UNITS)
def test_units_of_one_dimension_are_converted(dimension):
    sizes = UNITS[dimension]
    for one in sizes:
        for other in sizes:
            found = read([f"1,250 {one}", f"3 {one}", f"7.5 {other}", f"4 {one}"])
            assert found == pytest.approx([1250, 3, 7.5 * sizes[other] / sizes[one], 4], rel=1e-12)


@pytest.mark.parametrize(
    "units",
    [("m", "kg"), ("sq ft", "ft"), ("°C", "%"), ("gal", "kg"), ("fl oz", "oz"), ("MB", "Mb"), ("m²", "m³")],
)
def test_units_of_several_dimensions_are_not(units):
    assert read([f"{number} {unit}" for number in (3, 4, 5) for unit in units]) is None


@given(st.lists(st.tuples(st.integers(-80, 900), st.sampled_from(["°F", "°C", " F", "deg C"])), min_size=3))
def test_temperatures_are_converted_with_their_zeros(pairs):
    texts = [
        f"{number} {unit}".replace("  ", " ") for number, unit in [*pairs, (5, "°F"), (6, "°C"), (7, "°C")]
    ]
    found = read(texts)
    fahrenheit = form_of([(text, 1) for text in texts]).measure.strip(" deg")[-1] == "F"
    expected = [
        constants.convert_temperature(number, unit.strip(" deg°"), "F" if fahrenheit else "C")
        for number, unit in [*pairs, (5, "°F"), (6, "°C"), (7, "°C")]
    ]
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["7 lb 2 oz", "9 lbs. 11.5 oz.", "12 oz", "1 lb"], [114, 155.5, 12, 16]),
        (["15 yrs 4 mos", "2 years, 11 months", "7 mos"], [184, 35, 7]),
        (["11 st 4 lb", "12 st 0 lb", "9 stone"], [158, 168, 126]),
        (["16 ft3", "8 cu ft", "12ft3"], [16, 8, 12]),
        (["1st", "2nd", "23rd", "100th"], [1, 2, 23, 100]),
        (["9th grade", "12th Grade", "1st grade"], [9, 12, 1]),
        (["1998-99", "1999/00", "2001–02"], [1998, 1999, 2001]),
        (["57.05N", "10.33S", "0.5N"], [57.05, -10.33, 0.5]),
        (["17.22E", "11.76W", "100W"], [17.22, -11.76, -100]),
        (["42° 30′ S", "10°15'N", "N 12.5°"], [-42.5, 10.25, 12.5]),
        (["27°11'24\" W", "3° E"], [-27.19, 3]),
        (["600 BC", "30 AD", "c. 44 BCE"], [-600, 30, -44]),
        (["1,200 CR", "300 DR", "7"], [1200, -300, 7]),
        (["$1,200.50 Cr", "$3 Dr."], [1200.5, -3]),
        (["5 Cr", "20 lakh"], [5e7, 2e6]),
        (["₹341 L", "₹3.2 Cr", "₹12 l."], [34.1e6, 32e6, 1.2e6]),
        (["341 L", "3.2 L"], [341, 3.2]),
        (["-10 to -5", "-5 - 10", "10 – 25"], [-7.5, 2.5, 17.5]),
        (["14y 2m", "3 years", "7 months"], [170, 36, 7]),
        (["2h05", "58 min", "3 h"], [125, 58, 180]),
        (["1h 30m", "45m", "1w 2d 3h 4m"], [90, 45, 13144]),  # as Jira writes them
        (["2d", "1d", "3h", "45m"], [48, 24, 3, 0.75]),  # m is minutes beside hours, whatever is most common
        (["1 Std. 30 Min.", "2 Stunden und 5 Minuten", "3 Tage"], [90, 125, 4320]),
        (["5 m", "0.2 km"], [0.005, 0.2]),
        (["70歳", "18歳", "33歳"], [70, 18, 33]),
        (["45分", "20分", "2時間"], [45, 20, 120]),
        (["100 hp", "75 W", "2 hp"], [100, 75 / 745.6998715822702, 2]),
        (["+3 344,07", "-1 002,50", "+12,00"], [3344.07, -1002.5, 12]),
        (["1.2K views", "3M views", "950 views", "3.5k"], [1200, 3e6, 950, 3500]),
        (["-41° 30′ 36″", "+3° 12′", "-0° 30′"], [-41.51, 3.2, -0.5]),
        (["within 3 business days", "2-4 business days", "1 day"], [2, 3, 1]),
        (["10 ly", "3.066013937855506 pc"], [10, 10]),
        (["0 days 00:00:27.19", "0 days 00:00:03.25"], [27.19, 3.25]),
    ],
)
def test_several_units_ordinals_and_signs_in_words(texts, numbers):
    assert read(texts) == pytest.approx(numbers, abs=1e-9)


@pytest.mark.parametrize(
    "texts",
    [
        ["12E", "12W", "3E"], ["2d6", "3d8", "1d20"], ["5'13\"", "6'15\"", "4'12\""], ["2009-11", "2009-12", "2010-03"],
        ["12A 3B", "7A 2B", "9A 1B"], ["42nd St", "5th Ave", "3rd Rd"], ["9:30", "10:00", "9h30"],
        ["506,19 S", "12,50 H", "1.300,00 S"], ["3m", "6m", "1y", "2y"], ["6 m", "3 w", "4 y"],  # m may be months
        ["1:25,000", "1:24,000", "1:50,000"],  # scales of maps
    ],
    ids=lambda texts: texts[0],
)  # fmt: skip
def test_what_looks_alike_is_no_number(texts):
    assert read(texts) is None


def test_a_long_s_is_no_error():
    assert read(["ſ$5", "S$7", "S$ 8"]) is not None


def test_ordinals_in_forms_of_earlier_versions_are_read_as_before():
    form = Form(measure="th grade", like="9th grade")
    assert [number_of(text, form) for text in ("9th grade", "12th Grade", "11th grade.", "7")] == [
        9,
        12,
        11,
        7,
    ]


def test_ordinals_and_seasons_of_a_target_are_classes():
    frame = pl.DataFrame({"x": range(60), "class": ["1st", "2nd", "3rd"] * 20})
    assert (
        infer(frame, "x")["class"].type.tag == "category"
    )  # a few ordinals are categories, many are numbers
    frame = frame.with_columns(year=pl.Series([f"{i % 15 + 4}th" for i in range(60)]))
    assert infer(frame, "x")["year"].type.tag == "written number"
    for texts in (["1st", "2nd", "3rd"], ["1998-99", "1999-00", "2000-01"]):
        assert infer(pl.DataFrame({"x": range(60), "y": texts * 20}), "y").target.task == "classification"


def test_a_column_of_two_units_of_area_is_numeric():
    frame = pl.DataFrame(
        {"size": [f"{i} sq ft" if i % 3 else f"{i} m²" for i in range(1, 100)], "y": range(99)}
    )
    column = infer(frame, "y")["size"]
    assert column.kind == "numeric"
    assert column.high == pytest.approx(99 / constants.foot**2)
    assert column.reason == "numbers in sq ft, 1 sq ft → 1"


CODES = [
    ["007", "010"], ["02134", "10001"], ["A12", "B13"], ["555-1234", "555-2345"], ["(555) 123-4567", "(555) 123-4568"],
    ["V57", "E880"], ["1.2.3", "1.10.2"], ["12345-6789", "10001-1234"], ["3:2", "1:1"], ["3-2", "1-3", "0-0"],
    ["2024-01-02", "2024-01-03"], ["1/2/2024", "3/4/2024"], ["13:45", "14:00"], ["iPhone 12", "iPhone 13"],
    ["12A", "12B"], ["AB12", "AB13"], ["RS12", "RS13"], ["12 Main St", "45 Oak Ave"], ["3/14", "12/25"],
    ["120/80", "130/85"],
    ["10.0.0.1", "10.1.2.3"], ["$51", "7%"],
    ["34B", "34C"], ["555 123 456", "555 124 457"], ["+49 123 456", "+49 123 457"], ["2024-01", "2024-02"],
    ["20 May", "3 June"], ["50 Cent", "3 Doors Down"], ["1.6 TDI", "2.0 TSI"], ["$12", "€13"], ["24/7", "9/5"],
    ["12-B", "13-B"], ["10x12", "3x4"], ["978-3-16-148410-0", "978-3-16-148410-1"], ["F32.1", "G40"],
    ["No. 5", "No. 6"], ["1", "2.5"], ["small", "large"], ["", "-"],
]  # fmt: skip


@pytest.mark.parametrize("texts", CODES, ids=lambda texts: texts[0])
def test_codes_dates_and_names_are_no_numbers(texts):
    assert read(texts) is None


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8))
def test_any_texts_are_read_or_not(texts):
    found = read(texts)
    assert found is None or all(number is None or math.isfinite(number) for number in found)


def test_a_form_is_said():
    assert described(form_of([("1.234,50 €", 2), ("12 €", 1)])) == "money in €, 1.234,50 € → 1234.5"
    assert described(form_of([("12,5", 2), ("3", 1)])) == "numbers with decimal commas, 12,5 → 12.5"
    assert described(form_of([("12 %", 2), ("3 %", 1)])) == "percentages, 12 % → 12"
    assert described(form_of([("18-24", 2), ("65+", 1)])) == "ranges, 18-24 → 21"


# --- columns ----------------------------------------------------------------------------------------------------------

N = 300
PRICES = [f"{1.37 * i:,.2f} €".translate(str.maketrans(",.", ".,")) for i in range(N)]
FRAME = {
    "price": [None if i % 50 == 7 else text for i, text in enumerate(PRICES)],
    "weight": [f"{i} g" if i % 3 else f"{i / 1000} kg" for i in range(N)],
    "age": [["<18", "18-24", "25-34", "65+"][i % 4] for i in range(N)],
    "zip": [f"{i % 17:05}" for i in range(N)],
}


@pytest.mark.filterwarnings("ignore:column 'zip'")
@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame])
def test_each_column_has_its_form(make):
    schema = infer(make(FRAME))
    assert [type(column.type) for column in schema.columns] == [WrittenNumber] * 3 + [Category]
    price = schema["price"]
    assert (price.low, price.high, price.missing) == (0, 409.63, 6)
    assert price.reason.startswith("money in €, ")
    assert schema.text_columns == ("price", "weight", "age", "zip")
    assert Schema.from_dict(schema.to_dict()) == pickle.loads(pickle.dumps(schema)) == schema
    assert type_from_dict(price.type.to_dict()) == price.type


@pytest.mark.filterwarnings("ignore:column 'zip'")
def test_other_tables_are_read_in_the_form_of_training():
    schema = infer(pl.DataFrame(FRAME))
    row = {
        "price": ["1.234 €", "1.234,5", None],
        "weight": ["2 kg", "5", None],
        "age": ["65+", "18-24", None],
    }
    table = check(schema, pl.DataFrame(row | {"zip": ["00000"] * 3}))
    assert table.column("price").numbers()[:2].tolist() == [1234, 1234.5]
    assert table.column("weight").numbers()[:2].tolist() == [2000, 5]
    numbers = {"price": [12.5, 13], "weight": [1.0, 2.0], "age": [20, 30], "zip": ["00000"] * 2}
    assert check(schema, pl.DataFrame(numbers)).column("price").numbers().tolist() == [12.5, 13]
    wrong = pl.DataFrame(row | {"zip": ["00000"] * 3, "price": ["12 €", "12 $", None]})
    said = (
        r"'price' has 1 value that could not be read as a number such as .* €; .*missing: '12 \$' in row 1 "
    )
    with pytest.warns(DataWarning, match=said):
        assert check(schema, wrong).column("price").missing() == 2


def test_json_has_numbers_and_texts():
    kind = infer(pl.DataFrame({"price": PRICES}))["price"].type
    assert kind.from_json(["1.234,50 €", 12, None])[:2].tolist() == [1234.5, 12]
    assert kind.refusal("12 km") == "" and str(kind.from_json(["12 km"])[0]) == "nan"
    column = infer(pl.DataFrame({"price": PRICES}))["price"]
    assert kind.json_schema(column)["type"] == ["number", "string", "null"]
    assert kind.refusal(kind.example(column)) == ""


def test_percentages_among_fractions_are_fractions():
    assert read(["12%", "0.5", "7.5 %", "1"]) == [0.12, 0.5, 0.075, 1]
    assert read(["12%", "0.5", "30"]) == [12, 0.5, 30]  # not all from −1 to 1
    assert read(["12%", "1", "0"]) == [12, 1, 0]
    column = infer(pl.DataFrame({"rate": ["12%", "0.5", "7%", "0.25"] * 9, "x": range(36)}))["rate"]
    assert column.reason == "percentages among fractions of 1, 12% → 0.12"
    assert (column.low, column.high) == (0.07, 0.5)
    assert type_from_dict(column.type.to_dict()) == column.type


def test_few_among_many_plain_numbers_have_no_unit():
    texts = [str(i) for i in range(99)] + ["12 km"]
    with pytest.warns(DataWarning, match="holds numbers, but '12 km' in row 99"):
        infer(pl.DataFrame({"x": texts}))


@pytest.mark.few(1)
@pytest.mark.filterwarnings("ignore:column 'zip'")
@pytest.mark.parametrize("most", [10, 1 << 16])
def test_streams_find_the_same_forms(monkeypatch, most):
    monkeypatch.setattr(statistics, "MOST_VALUES", most)
    frame = pl.DataFrame(FRAME).select("price", "weight", "age")
    begin, end = TableStatistics(frame.schema), TableStatistics(frame.schema, first=90)
    begin.update(frame[:90])
    end.update(frame[90:])
    begin.merge(end)
    found, expected = begin.schema(), infer(frame)
    assert [column.type for column in found.columns] == [column.type for column in expected.columns]
    assert [(c.low, c.high, c.missing) for c in found.columns] == [
        (c.low, c.high, c.missing) for c in expected.columns
    ]


# --- the target -------------------------------------------------------------------------------------------------------


def test_a_target_of_money_is_a_regression():
    frame = pl.DataFrame({"x": range(N), "y": PRICES})
    target = infer(frame, "y").target
    assert (target.task, target.low, target.high) == ("regression", 0, 409.63)
    assert target.reason.startswith("money in €")
    assert infer(frame, "y").text_columns == ("y",)
    few = pl.DataFrame({"x": range(N), "y": FRAME["age"]})
    assert infer(few, "y").target.task == "classification"
    assert infer(few, "y", task="regression").target.low == 15
    schema = infer(frame, "y")
    assert Schema.from_dict(schema.to_dict()) == schema
    statistics = TableStatistics(frame.schema, "y")
    statistics.update(frame)
    assert statistics.schema().target.form == target.form
    assert statistics.moments().high == target.high


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["1:20.406", "1:31.257", "1:25.113", "1:40"], [80.406, 91.257, 85.113, 100]),
        (["0 days 00:06:02.125", "0 days 00:06:02.375", "1 days 00:00:00"], [362.125, 362.375, 86_400]),
        (["5'6.125\"", "5'7.375\"", "5'8\""], [66.125, 67.375, 68]),
    ],
)
def test_thousandths_of_seconds_and_inches_are_no_thousands(texts, wanted):
    form = form_of([(text, 1) for text in texts])
    assert [number_of(text, form) for text in texts] == wanted


def test_seconds_tell_no_decimal_sign_of_other_columns():
    times = ["1:20.406", "1:31.25", "1:25.113", "1:40"] * 9
    prices = pl.Series(["1.347 €", "987 €", "12.500 €", "64 €"] * 9)
    frame = pl.DataFrame({"time": times, "price": prices})
    assert infer(frame)["price"].high == 12_500


def test_scores_are_no_durations():
    chance = random.Random(0)
    scores = [f"{chance.randint(18, 40)}:{chance.randint(18, 40)}" for _ in range(200)]
    frame = pl.DataFrame({"handball": scores, "x": range(200)})
    assert [part.name for part in infer(frame)["handball"].parts] == ["handball: 1", "handball: 2"]
    laps = [f"{chance.randint(18, 40)}:{chance.randint(0, 59):02}" for _ in range(200)]
    assert infer(frame.with_columns(handball=pl.Series(laps)))["handball"].high > 40 * 60


# --- the decimal sign of a table --------------------------------------------------------------------------------------

GERMAN = {
    "weight": ["1,347", "2,250", "1,985", "3,125", "1,020", "2,875"] * 5,
    "length": ["28,9", "30,1", "27,5", "31,25", "29", "28"] * 5,
    "price": ["1,347", "2,510", "2,155", "4,900", "3,005", "1,999"] * 5,
}


def schema_of_frame(frame, _folder):
    return infer(frame, "price")


def schema_of_file(frame, folder):
    frame.write_csv(folder / "data.csv", separator=";")
    return infer(read_files(folder / "data.csv"), "price")


def schema_of_stream(frame, _folder):
    parts = [TableStatistics(frame.schema, "price", first=first) for first in (0, 7)]
    parts[0].update(frame[:7])
    parts[1].update(frame[7:])
    parts[0].merge(parts[1])
    return parts[0].schema()


def schema_of_inspection(frame, _folder):
    return Look(frame, "price").schema


ways = pytest.mark.parametrize(
    "way", [schema_of_frame, schema_of_file, schema_of_stream, schema_of_inspection]
)


@ways
def test_columns_that_tell_no_decimal_sign_have_that_of_the_others(way, tmp_path):
    schema = way(pl.DataFrame(GERMAN), tmp_path)
    weight, target = schema["weight"], schema.target
    assert (weight.low, weight.high) == (1.02, 3.125)
    assert weight.reason == "numbers with decimal commas as in other columns, 1,020 → 1.02"
    assert (target.low, target.high) == (1.347, 4.9)
    assert target.reason.startswith("numbers with decimal commas as in other columns, ")
    again = Schema.from_dict(schema.to_dict())
    row = pl.DataFrame(
        {"weight": ["1,500", "12,5"], "length": ["1,500", "2"]}
    )  # which tells less than training did
    new = check(again, row)
    assert new.column("weight").numbers().tolist() == [1.5, 12.5]
    assert new.column("length").numbers().tolist() == [1.5, 2]
    assert target_values(again.target, as_column(["1,250", "2,000"])).tolist() == [1.25, 2]


@ways
@pytest.mark.parametrize(
    "other",
    [
        {"length": ["28.9", "30.1", "27.5", "31.25", "29", "28"] * 5},  # tells points
        {"size": ["28.9", "30.1", "27.5", "31.25", "29", "28"] * 5},  # contradicts
        {"length": ["28", "30", "27", "31", "29", "33"] * 5},  # tells nothing
        {
            "length": ["24.12.2024", "25.12.2024", "1.1.2025", "2.1.2025", "3.1.2025", "4.1.2025"] * 5
        },  # no numbers
        {"length": ["1,5,7", "2,6", "3,8", "1,7,9", "2,5,8", "1,2"] * 5},  # lists
    ],
)
def test_where_the_others_do_not_agree_a_comma_is_between_thousands(way, other, tmp_path):
    schema = way(pl.DataFrame(GERMAN | other), tmp_path)
    assert schema["weight"].high == 3125
    assert (schema.target.low, schema.target.high) == (1347, 4900)
    assert "other columns" not in schema["weight"].reason + schema.target.reason


def test_a_target_tells_the_decimal_sign_of_columns():
    schema = infer(pl.DataFrame(GERMAN), "length")
    assert schema["weight"].high == 3.125
    assert schema.target.high == 31.25


def test_stored_numbers_do_not_turn_thousands_into_fractions():
    """A frame of numbers, such as ratings of 4.5, has been read already; its prices may still be texts."""
    prices = ["1.347 €", "987 €", "12.500 €", "64 €", "3.210 €"] * 6
    frame = pl.DataFrame({"rating": [4.5, 3.5, 2.0, 5.0, 1.5] * 6, "price": prices})
    assert infer(frame)["price"].high == 12_500
    with_points = frame.with_columns(area=pl.Series(["28.9 m²", "30.1 m²", "27.5 m²", "31 m²", "29 m²"] * 6))
    assert infer(with_points)["price"].high == 987


def test_the_decimal_sign_of_the_user_counts(tmp_path):
    pl.DataFrame(GERMAN | {"size": ["28.9", "3.5", "1", "2", "3", "4"] * 5}).write_csv(
        tmp_path / "data.csv", separator=";"
    )
    frame = read_files(tmp_path / "data.csv", ReadOptions(decimal=","))
    assert infer(frame, "price")["weight"].high == 3.125


def test_columns_that_are_recognized_again_are_warned_of_once():
    frame = pl.DataFrame(
        {name: [*values, "oops" if name == "weight" else "2"] for name, values in GERMAN.items()}
    )
    with pytest.warns(DataWarning) as said:
        assert infer(frame, "price")["weight"].parts[0].high == 3.125
    assert len(said) == 1


def test_long_texts_are_not_kept_in_memory() -> None:
    before = number_texts._read_in_any_format.cache_info().currsize
    assert form_of([("9" * 5_000, 1), ("8" * 5_000, 1)]) is None
    assert number_texts._read_in_any_format.cache_info().currsize == before
