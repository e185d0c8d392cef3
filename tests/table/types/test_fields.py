"""URLs, e-mail and IP addresses, versions, telephone numbers, several numbers, objects: their parts."""

import datetime
import ipaddress
import json
import pickle
import random
import warnings
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina.errors import DataError
from lamina.serve._errors import RequestError
from lamina.serve._rows import TableRows
from lamina.table.columns import as_column
from lamina.table.describe import column_rows
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer, judged
from lamina.table.messages import DataWarning
from lamina.table.stream.statistics import TableStatistics
from lamina.table.types import TYPES, Category, Lists
from lamina.table.types.base import ColumnSchema, type_from_dict
from lamina.table.types.fields import Fields
from lamina.table.types.ip import IpAddress
from lamina.table.types.pattern import Pattern
from lamina.table.types.period import Period
from lamina.table.types.record import Record
from lamina.table.types.url import Url
from lamina.table.types.vector import Vector

N = 300
R = random.Random(1)


def many(make):
    return [make() for _ in range(N)]


URLS = [
    f"https://{R.choice(['a.com', 'www.b.org', 'c.co.uk:8080'])}/{R.choice('xyz')}/p{i}.html?id={i}"
    for i in range(N)
]
COLUMNS = {
    "url": ("url", URLS),
    "e-mail": ("email", [f"user{i}@{R.choice(['a.com', 'b.org'])}" for i in range(N)]),
    "IPv4": ("ip", many(lambda: str(ipaddress.IPv4Address(R.getrandbits(32))))),
    "IPv6": ("ip", many(lambda: str(ipaddress.IPv6Address(R.getrandbits(128))))),
    "version": ("version", many(lambda: f"{R.randrange(4)}.{R.randrange(30)}.{R.randrange(9)}")),
    "phone": (
        "phone",
        many(lambda: f"({R.choice([415, 212])}) {R.randrange(200, 999)}-{R.randrange(9999):04}"),
    ),
    "international": (
        "phone",
        many(lambda: f"+{R.choice(['49 30', '44 20'])} {R.randrange(200000, 999999)}"),
    ),
    "pair": ("vector", many(lambda: f"{R.uniform(-90, 90):.4f}, {R.uniform(-180, 180):.4f}")),
    "point": ("vector", many(lambda: f"POINT ({R.uniform(-90, 90):.4f} {R.uniform(-180, 180):.4f})")),
    "sizes": ("vector", many(lambda: f"{R.randrange(1, 99)}x{R.randrange(1, 99)}x{R.randrange(1, 9)}")),
    "sizes in mm": (
        "vector",
        many(lambda: f"{R.uniform(1, 9):.2f} x {R.uniform(1, 9):.2f} x {R.uniform(1, 9):.2f} mm"),
    ),
    "positions": (
        "vector",
        many(lambda: f"{R.uniform(0, 90):.1f}°{R.choice('NS')} {R.uniform(0, 180):.1f}°{R.choice('EW')}"),
    ),
    "pressure": ("pattern", many(lambda: f"{R.randrange(90, 200)}/{R.randrange(50, 110)}")),
    "share": ("pattern", many(lambda: f"{R.randrange(40)} of 40")),
    "engine": ("pattern", many(lambda: f"{R.randrange(90, 400)} Nm @ {R.randrange(900, 9000)} rpm")),
    "torque": ("pattern", many(lambda: f"{R.randrange(100, 400)} Nm @ {R.randrange(1000, 6000)} rpm")),
    "decimals": ("pattern", many(lambda: f"{R.uniform(1, 9):.6f} of {R.randrange(10, 40)}")),  # all different
    "pace": ("pattern", many(lambda: f"{R.randrange(3, 12)}:{R.randrange(60):02}/km")),
    "years": ("period", many(lambda: f"{R.randrange(1950, 1990)}-{R.randrange(1990, 2020)}")),
    "object": ("record", many(lambda: json.dumps({"a": R.randrange(99), "b": R.choice("xy"), "c": [1]}))),
    "dict": ("record", many(lambda: repr({"a": R.randrange(99), "ok": R.random() < 0.5, "n": None}))),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("make", [pl.Series, lambda values: pd.Series(values, dtype=object), list])
def test_columns_are_recognized(name, make):
    tag, values = COLUMNS[name]
    found = judged(as_column(make(values)), None, True)
    assert found.type.tag == tag
    assert any(part.used for part in found.parts)


@pytest.mark.few(5)
@pytest.mark.parametrize("name", COLUMNS)
def test_they_are_encoded_alike_everywhere(name):
    _, values = COLUMNS[name]
    frame = pl.DataFrame(
        {"x": [None if i % 20 == 7 else value for i, value in enumerate(values)], "y": range(N)}
    )
    encoder = TableEncoder(infer(frame)).fit(frame)
    expected = encoder.transform(frame)
    assert np.isfinite(expected.numeric).all()
    restored = TableEncoder.from_state(json.loads(json.dumps((state := encoder.state())[0])), state[1])
    read = restored.transform_coded(*TableRows(encoder.schema).of_objects(frame.rows(named=True)).arrays)
    np.testing.assert_array_equal(read.numeric, expected.numeric)
    np.testing.assert_array_equal(read.codes, expected.codes)
    statistics = TableStatistics(frame.schema)
    statistics.update(frame[:170])
    statistics.update(frame[170:])
    streamed, schema = statistics.schema()["x"], encoder.schema["x"]
    assert streamed.missing == schema.missing
    assert [(part.name, part.kind) for part in streamed.parts] == [
        (part.name, part.kind) for part in schema.parts
    ]
    (row, _) = column_rows(encoder.schema)
    assert row.used and row.treatment
    TableRows(encoder.schema).of_objects(
        [{"x": encoder.schema["x"].type.example(encoder.schema["x"]), "y": 1}]
    )


def parts_of(values):
    schema = judged(as_column(pl.Series(values)), None, True)
    columns = schema.type.split(schema, as_column(pl.Series(values)))
    return {part.name.split(": ")[-1]: column for part, column in zip(schema.parts, columns, strict=True)}


def texts(column):
    values = []
    column.mapped(lambda value: values.append(value) or 0, np.float64)
    positions = column.mapped(values.index, np.int32)
    return [values[i] for i in positions]


def test_the_parts_of_urls():
    parts = parts_of(URLS)
    assert texts(parts["host"]) == [urlsplit(url).hostname.removeprefix("www.") for url in URLS]
    assert texts(parts["first name"]) == [urlsplit(url).path.split("/")[1] for url in URLS]
    assert set(texts(parts["extension"])) == {"html"} and set(texts(parts["query"])) == {"id"}
    assert set(parts["path depth"].numbers()) == {2.0}


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**128 - 1))
def test_the_parts_of_ip_addresses(small, large):
    small, large = ipaddress.IPv4Address(small), ipaddress.IPv6Address(large)
    found = IpAddress().read(str(small))
    assert found["address"] == int(small) and found["private"] == small.is_private
    assert small in ipaddress.ip_network(f"{found['network']}.0.0.0/8")
    assert small in ipaddress.ip_network(f"{found['subnetwork']}.0.0/16")
    found = IpAddress().read(str(large))
    assert found["address"] is None and found["version"] == "6"
    assert large in ipaddress.ip_network(f"{found['subnetwork']}::/32")


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=6),
    st.sampled_from([", ", "; ", " "]),
)
def test_numbers_come_back(numbers, separator):
    for text in (f"[{separator.join(map(repr, numbers))}]", separator.join(map(repr, numbers))):
        assert [*Vector(count=len(numbers)).read(text).values()] == numbers


def test_sizes_have_one_unit():
    assert Vector(count=2, unit="cm").read("4 x 5") == Vector(count=2, unit="cm").read("4 × 5.0cm")
    assert Vector(count=2, unit="cm").read("4 x 5 mm") is None
    assert Vector().read("4 5 mm") is None
    mixed = [f"{i} x 5 {'cm' if i % 2 else 'mm'}" for i in range(N)]
    assert judged(as_column(pl.Series(mixed)), None, True).type.tag != "vector"


def test_urls_that_differ_in_nothing_that_repeats_are_ids():
    urls = [f"https://a.com/p/{i}-street/" for i in range(N)]
    assert judged(as_column(pl.Series(urls)), None, True).type.tag == "identifier"


def test_numbers_of_frames_need_no_text():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N, 3))
    for frame in (
        pl.DataFrame({"v": values.tolist()}),
        pl.DataFrame({"v": pl.Series(values)}),
        pd.DataFrame({"v": [*values]}),
        pa.table({"v": values.tolist()}),
    ):
        encoder = TableEncoder(infer(frame), robust_scale=False, smooth_clip=False).fit(frame)
        assert encoder.numeric_names == ("v: 1", "v: 2", "v: 3")
        np.testing.assert_array_equal(encoder.transform(frame).numeric, values.astype(np.float32))


def test_fields_of_structs_are_columns_of_their_own():
    frame = pl.DataFrame({"s": [{"a": i * 0.5, "b": R.choice("xyz"), "c": None} for i in range(N)]})
    as_texts = pl.DataFrame({"s": [json.dumps(row) for row in frame["s"]]})
    encoder = TableEncoder(infer(frame)).fit(frame)
    assert encoder.numeric_names == ("s: a", "s: b=x", "s: b=y", "s: b=z")
    for other in (frame.to_arrow(), as_texts, pd.DataFrame({"s": frame["s"].to_list()})):
        np.testing.assert_array_equal(encoder.transform(other).numeric, encoder.transform(frame).numeric)


def test_an_object_without_fields_has_all_of_them_missing():
    frame = pl.DataFrame(
        {"s": [json.dumps({"a": i * 0.5, "b": R.choice("xyz")}) for i in range(N - 1)] + ["{}"]}
    )
    encoder = TableEncoder(infer(frame)).fit(frame)
    found, expected = (encoder.transform(pl.DataFrame({"s": [text]})) for text in ("{}", '{"a": null}'))
    np.testing.assert_array_equal(found.numeric, expected.numeric)


@pytest.mark.parametrize(
    "text", ["[" * 5000 + "]" * 5000, "{'a':" * 300 + "1" + "}" * 300, "1j", "{('b',): ...}"]
)
def test_fields_that_json_cannot_hold_are_no_error(text):
    Record().read(f"{{'a': {text}}}")
    Lists().read(f"[{text}]")


NONE_OF_THEM = {
    "thousands": many(lambda: f"{R.randrange(1000, 9999999):,}"),
    "decimal commas": many(lambda: f"{R.randrange(50)},{R.randrange(100)}"),
    "words": many(lambda: f"{R.choice('abcd')} {R.choice('efgh')} {R.randrange(99)}"),
    "files": [f"photo{i}.jpg" for i in range(N)],
    "times": many(lambda: f"{R.randrange(24):02}:{R.randrange(60):02}:{R.randrange(60):02}"),
    "dates": many(lambda: f"{R.randrange(1990, 2020)}-{R.randrange(1, 13):02}-{R.randrange(1, 29):02}"),
    "digits": many(lambda: f"{R.randrange(999):03} {R.randrange(9999):04}"),
    "UUIDs": many(lambda: f"{R.getrandbits(32):08x}-{R.getrandbits(16):04x}"),
}


@pytest.mark.parametrize("name", NONE_OF_THEM)
def test_columns_that_are_none_of_them(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        assert not isinstance(judged(as_column(pl.Series(NONE_OF_THEM[name])), None, True).type, Fields)


LABELS = {
    "Room 12": (lambda n: f"Room {n}", lambda n: n),
    "No. 7": (lambda n: f"No. {n}", lambda n: n),
    "#7": (lambda n: f"#{n % 200}", lambda n: n % 200),
    "pH 7.25": (lambda n: f"pH {n / 64}", lambda n: n / 64),
    "28:31": (lambda n: f"{10 + n % 30}:{25 + n % 20}", lambda n: 10 + n % 30),
    "3-1": (lambda n: f"{n % 5}-{n % 4}", lambda n: n % 5),
    "Lot 4,321": (lambda n: f"Lot {1000 + n:,}", lambda n: 1000 + n),
    "1,200 of 3,400": (lambda n: f"{n * 37:,} of {n * 41 + 5:,} seats", lambda n: n * 37),
}


@pytest.mark.parametrize("name", LABELS)
def test_numbers_with_the_same_words_are_numbers(name):
    write, number = LABELS[name]
    rows = [R.randrange(1000) for _ in range(N)]
    column = judged(as_column(pl.Series("x", [*map(write, rows), None])), None, True)
    first = column.type.split(column, as_column(pl.Series("x", [write(n) for n in rows])))[0]
    assert column.type.tag == "pattern" and column.parts[0].name == "x: 1" and column.missing == 1
    assert first.numbers().tolist() == [*map(number, rows)]


@pytest.mark.parametrize("label", ["Room", "Week", "FY", "Level-"])
def test_one_number_in_texts_that_repeat_is_a_label(label):
    texts = [f"{label} {R.randrange(40)}" for _ in range(N)]
    assert judged(as_column(pl.Series("x", texts)), None, True).type.tag == "category"


def test_several_words_around_numbers_are_a_category():
    forms = ["EUR {:,}.50", "USD {:,}", "{} £"]
    texts = [forms[i % 3].format(977 * i) for i in range(N)]
    with pytest.warns(DataWarning, match="'on request' in row 300 "):
        column = judged(as_column(pl.Series("x", [*texts, "on request"])), None, True)
    with pytest.warns(DataWarning, match="'YEN 5' in row 3"):
        number, words = column.type.split(column, as_column(pl.Series("x", [*texts[:3], "YEN 5", None])))
    assert (column.type.tag, column.parts[1].categories) == (
        "pattern",
        ("", "EUR", "USD"),
    )  # of the words before the numbers
    np.testing.assert_array_equal(number.numbers(), [0.5, 977, 1954, np.nan, np.nan])
    assert words.mapped(str, object).tolist() == ["EUR", "USD", "", "None", "None"]


def sets_of_tennis(count):
    """Scores as texts, and the numbers of each place: of a set the games of both, and the tie-break's points."""
    texts, numbers = [], []
    for _ in range(N):
        sets = [
            (*R.choice([(6, R.randrange(5)), (R.randrange(5), 6), (7, 6)]), R.randrange(9))
            for _ in range(R.choice([count // 2 + 1, count]))
        ]
        texts.append(" ".join(f"{a}-{b}" + (f"({tie})" if a == 7 else "") for a, b, tie in sets))
        played = [x for a, b, tie in sets for x in (a, b, tie if a == 7 else None)]
        numbers.append([*played, *[None] * (3 * count - len(played))])
    return texts, numbers


def varied(forms, count, high=400):
    """Texts in forms that have a number in the places {0}, {1}, …, and the numbers."""
    texts, numbers = [], []
    for i in range(N):
        form, row = forms[i % len(forms)], [R.randrange(1, high) for _ in range(count)]
        texts.append(form.format(*row))
        numbers.append([x if f"{{{place}}}" in form else None for place, x in enumerate(row)])
    return texts, numbers


VARIED = {
    "three sets": sets_of_tennis(3),
    "five sets": sets_of_tennis(5),
    "cricket": varied(["{0}/{1}", "{0} all out", "{0}/{1} dec"], 2),
    "results": varied(["{0} L", "{0} H", ">{0}", "{0}"], 1, 10_000),
    "rooms": varied(["{0} beds, {1} baths", "{1} bath", "{0} bed"], 2),
    "rooms before": varied(["Beds: {0}, Baths: {1}", "Beds: {0}", "Baths: {1}"], 2),
    "remarks": varied(["{0}", "{0} (renovated {1})", "{0}"], 2),
    "studios": varied(["{0} bds {1} ba {2} sqft", "Studio {1} ba {2} sqft"], 3),
    "hours": varied(["{0}:{1}-{2}:{3}", "closed"], 4),
    "sizes": varied(["{0} x {2} cm", "{0} x {1} x {2} cm"], 3),
    "wind": varied(["NE {0} km/h", "S {0} km/h", "S {0} km/h, gusts {1}"], 2),
}


@pytest.mark.parametrize("name", VARIED)
def test_a_varying_count_of_numbers_is_numbers_with_missing_ones(name):
    texts, numbers = VARIED[name]
    column = judged(as_column(pl.Series("x", [*texts, None])), None, True)
    found = column.type.split(column, as_column(pl.Series("x", texts)))
    places = [one.numbers() for part, one in zip(column.parts, found, strict=True) if part.name[3:].isdigit()]
    assert column.type.tag == "pattern" and column.missing == 1
    np.testing.assert_array_equal(np.stack(places, axis=1), np.array(numbers, float))
    assert column.type.looks_like(column.type.example(column))


@pytest.mark.parametrize("name", VARIED)
def test_streams_find_the_same_places(name):
    frame = pl.DataFrame({"x": VARIED[name][0]})
    begin, end = TableStatistics(frame.schema), TableStatistics(frame.schema, first=90)
    begin.update(frame[:90])
    end.update(frame[90:])
    begin.merge(end)
    found, expected = begin.schema()["x"], infer(frame)["x"]
    assert found.type == expected.type
    assert [(p.name, p.missing, p.low) for p in found.parts] == [
        (p.name, p.missing, p.low) for p in expected.parts
    ]


def test_places_are_the_same_after_a_file():
    column = infer(pl.DataFrame({"x": VARIED["five sets"][0]}))["x"]
    again = ColumnSchema.from_dict(json.loads(json.dumps(column.to_dict())))
    assert again.type.read("6-3 7-6(4)") == column.type.read("6-3 7-6(4)")
    assert [again.type.read("6-3 7-6(4)")[place] for place in "1245"] == [6, 3, 7, 6]


def test_the_words_of_a_varying_count_are_categories():
    texts, _ = VARIED["results"]
    column = judged(as_column(pl.Series("x", texts)), None, True)
    parts = column.type.split(column, as_column(pl.Series("x", texts)))
    found = {part.name: one for part, one in zip(column.parts, parts, strict=True)}
    assert found["x: words before"].mapped(str, object)[:4].tolist() == ["", "", ">", ""]
    assert found["x: words"].mapped(str, object)[:4].tolist() == ["L", "H", "", ""]


def test_numbers_between_words_have_signs():
    ends = [(R.randrange(-40, 10), R.randrange(-40, 10)) for _ in range(N)]
    column = judged(as_column(pl.Series("x", [f"{a} – {b}" for a, b in ends])), None, True)
    first, second = column.type.split(column, as_column(pl.Series("x", ["-22 – -17", "5 – -3"])))[:2]
    assert (first.numbers().tolist(), second.numbers().tolist()) == ([-22, 5], [-17, -3])


def test_long_texts_are_read_by_many_places_in_little_time():
    kind = judged(as_column(pl.Series("x", VARIED["five sets"][0])), None, True).type
    for text in ("6-3 " * 5000 + "x", "6-3(1) " * 5 + "]" * 20_000, " " * 9000 + "6 " * 9000, "(" * 20_000):
        assert kind.read(text) is None


PERIODS = {
    "%m/%d/%Y - %m/%d/%Y": "mdy", "%d.%m.%Y–%d.%m.%Y": "dmy", "%Y-%m-%d to %Y-%m-%d": "", "%Y-%m-%d/%Y-%m-%d": "",
    "%b %d, %Y - %b %d, %Y": "", "%d/%m/%y bis %d/%m/%y": "dmy",
}  # fmt: skip


@pytest.mark.parametrize("form", PERIODS)
def test_periods_are_a_date_and_days(form):
    begins = [datetime.date(2011, 1, 5) + datetime.timedelta(R.randrange(700)) for _ in range(N)]
    lengths = [R.randrange(1, 90) for _ in range(N)]
    first = [index for index in range(len(form)) if form.startswith("%", index)][3]
    texts = [
        begin.strftime(form[:first]) + (begin + datetime.timedelta(days)).strftime(form[first:])
        for begin, days in zip(begins, lengths, strict=True)
    ]
    with pytest.warns(DataWarning, match=r"'x' holds periods of two dates, but 'TBD' in row 300 "):
        column = judged(as_column(pl.Series("x", [*texts, "TBD", None])), None, True)
    assert (column.type.tag, column.type.order, column.missing) == ("period", PERIODS[form], 1)
    start, days, *season = column.type.split(column, as_column(pl.Series("x", texts)))
    epoch = datetime.date(1970, 1, 1)
    assert start.numbers().tolist() == [(begin - epoch).days for begin in begins]
    assert days.numbers().tolist() == lengths
    np.testing.assert_allclose(np.hypot(*(one.numbers() for one in season)), 1)


def test_single_dates_among_periods_have_no_days():
    days = [datetime.date(2011, 1, 5) + datetime.timedelta(i) for i in range(N)]
    texts = [
        f"{day:%b %d, %Y}" + (f" to {day + datetime.timedelta(9):%b %d, %Y}" if i % 3 else "")
        for i, day in enumerate(days)
    ]
    column = judged(as_column(pl.Series("x", texts)), None, True)
    found = column.type.split(column, as_column(pl.Series("x", texts)))
    assert column.type.tag == "period" and found[1].numbers().tolist() == [9 * (i % 3 > 0) for i in range(N)]
    nothing = column.type.split(column, as_column(pl.Series("x", [], dtype=pl.String)))
    assert [len(part) for part in nothing] == [0] * 4
    few = judged(as_column(pl.Series("x", [f"{day:%b %d, %Y}" for day in days])), None, True)
    assert few.type.tag == "calendar"


def test_periods_may_be_open():
    texts = [f"{2000 + i % 20}-{i % 12 + 1:02} - {'present' if i % 3 else '2021-01'}" for i in range(N)]
    column = judged(as_column(pl.Series("x", texts)), None, True)
    _, days, *_ = column.type.split(column, as_column(pl.Series("x", texts)))
    assert column.type.tag == "period" and column.parts[1].missing == sum(i % 3 > 0 for i in range(N))
    assert np.isnan(days.numbers()).tolist() == [i % 3 > 0 for i in range(N)]


@pytest.mark.parametrize(
    ("text", "start", "days"),
    [
        ("Sep 15 - Oct 14, 2018", datetime.date(2018, 9, 15), 29),
        ("15 Sep – 14 Oct 2018", datetime.date(2018, 9, 15), 29),
        ("15.09. - 14.10.2018", datetime.date(2018, 9, 15), 29),
        ("Dec 20 - Jan 5, 2019", datetime.date(2018, 12, 20), 16),
        ("1998–2004", datetime.date(1998, 1, 1), 2191),
        ("1998 - present", datetime.date(1998, 1, 1), None),
    ],
)
def test_a_date_without_its_year_has_the_second_one_and_years_are_their_first_days(text, start, days):
    found = Period(order="dmy").read(text)
    assert (found["start"], found["days"]) == ((start - datetime.date(1970, 1, 1)).days, days)


@pytest.mark.parametrize("text", ["15 - 14/10/2018", "1998-soon", "1998-2004-05", "Sep - Oct", "1234-5678"])
def test_what_is_no_period(text):
    assert Period(order="dmy").read(text) is None


@pytest.mark.parametrize("kind", ["date", "numeric"])
def test_a_kind_for_a_column_of_fields_is_an_error_that_says_what_it_is(kind):
    texts = [f"2019-03-{1 + i % 28:02} to 2020-04-{1 + i % 27:02}" for i in range(N)]
    with pytest.raises(
        DataError, match=f"'x' holds periods of two dates, .* leave out the kind '{kind}', or use"
    ):
        infer(pl.DataFrame({"x": texts}), kinds={"x": kind})


def test_hours_of_opening_are_numbers():
    texts = [f"{6 + i % 7:02}:{15 * (i % 4):02}-{16 + i % 5}:30" for i in range(N)]
    assert infer(pl.DataFrame({"x": texts}))["x"].type.tag == "pattern"


def test_training_tells_other_texts_once():
    texts = [f"{90 + 7 * i % 83}/{50 + 7 * i % 40}" for i in range(N)]
    frame = pl.DataFrame({"x": [*texts, "not taken"]})
    with pytest.warns(DataWarning) as told:
        TableEncoder(infer(frame)).fit_transform(frame)
    assert len(told) == 1


def test_types_are_pickled_after_use():
    kind = judged(as_column(pl.Series("x", [f"Room {i % 200}" for i in range(N)])), None, True).type
    assert kind.read("Room 7") == {"1": 7.0}
    assert pickle.loads(pickle.dumps(kind)) == kind and pickle.loads(pickle.dumps(kind)).read("Room 7") == {
        "1": 7.0
    }


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame])
@pytest.mark.parametrize("rows", [60, N])
def test_repeated_texts_are_categories_in_any_table(make, rows):
    texts = [f"{i % 20 * 7} of {i % 20 * 9}" for i in range(rows)]
    schema = infer(make({"x": texts, "y": [i % 7 / 8 for i in range(rows)]}))
    assert [part.type.tag for part in schema["x"].parts] == ["number", "number", "category"]


def test_patterns_of_earlier_versions_are_read_as_before():
    kind = type_from_dict({"tag": "pattern", "words": "\0,\0 of \0"})
    assert kind.read("1,200 of 3") == {"1": 1.0, "2": 200.0, "3": 3.0}


def test_few_values_stay_categories_and_repeated_ones_are_categories_too():
    urls = [f"https://example.com/{i % 30}/a" for i in range(N)]
    assert isinstance(infer(pl.DataFrame({"u": urls[:8] * 30}))["u"].type, Category)
    assert isinstance(infer(pl.DataFrame({"u": [*urls[:8] * 30, None]}))["u"].type, Category)
    parts = infer(pl.DataFrame({"u": urls}))["u"].parts
    assert parts[-1].name == "u" and len(parts[-1].categories) == 30


def test_values_of_another_form_count_as_missing():
    values = [*URLS, "unknown"]
    with pytest.warns(
        DataWarning, match=rf"'x' holds URLs, but 'unknown' in row {N} .*; it counts as missing"
    ):
        schema = infer(pl.DataFrame({"x": values}))
    encoder = TableEncoder(schema).fit(pl.DataFrame({"x": URLS}))
    with pytest.warns(DataWarning, match="'x' has 1 value that could not be read as a text such as https"):
        found = encoder.transform(pl.DataFrame({"x": ["no URL"]}))
    expected = encoder.transform(pl.DataFrame({"x": pl.Series([None], dtype=pl.String)}))
    np.testing.assert_array_equal(found.numeric, expected.numeric)
    np.testing.assert_array_equal(found.codes, expected.codes)


def test_a_text_of_another_form_is_named_once_though_the_whole_text_is_a_category_too():
    frame = pl.DataFrame({"x": [f"pH {4 + i % 23 / 10:.1f}" for i in range(50)]})
    encoder = TableEncoder(infer(frame)).fit(frame)
    assert len(encoder.schema["x"].parts) == 2
    with pytest.warns(
        DataWarning,
        match="1 value that could not be read as a text such as pH 4; .*missing: '7' in row 0",
    ):
        encoder.transform(pl.DataFrame({"x": ["7"]}))
    with pytest.warns(
        DataWarning, match="2 values that training did not have; .*missing: '7', 'pH 9.9'; '7' in row 1"
    ):
        encoder.transform(pl.DataFrame({"x": ["pH 9.9", "7"]}))


def test_the_example_of_a_pattern_is_of_that_pattern():
    texts = [f"{'EUR' if i % 3 else 'USD'} {1_234_567 + 98_765 * i:,}" for i in range(N)]
    (column,) = infer(pl.DataFrame({"x": texts})).columns
    assert isinstance(column.type, Pattern)
    assert column.type.example(column) == "EUR 1235000"
    assert column.type.read("EUR 1235000") == {"1": 1_235_000, "words": "EUR"}


def test_the_server_notes_values_of_another_form_in_tables_too():
    days = [f"2020-{R.randrange(1, 13):02}-{R.randrange(1, 28):02}" for _ in URLS]
    rows = TableRows(infer(pl.DataFrame({"x": URLS, "day": days})))
    found = rows.of_frame(pl.DataFrame({"x": [URLS[0], "no URL"], "day": ["2020-02-03", "junk"]}))
    assert sorted(found.notes) == [
        "row 1, column 'day': 'junk' is not a date; it counts as missing",
        f"row 1, column 'x': 'no URL' is not a text such as {Url.sample}; it counts as missing",
    ]


def test_what_parts_lack_is_said_of_their_column_once():
    addresses = [f"{10 + i % 2}.{i % 3}.{i % 5}.{i}" for i in range(90)]
    frame = pl.DataFrame({"ip": addresses, "y": range(90)})
    encoder = TableEncoder(infer(frame)).fit(frame)
    new = pl.DataFrame({"ip": ["172.16.0.1", *addresses[1:]], "y": range(90)})
    with pytest.warns(DataWarning) as told:
        encoder.transform(new)
    assert [str(one.message).partition(" that")[0] for one in told] == ["column 'ip' has 2 values"]
    note, *others = TableRows(encoder.schema).of_objects(new.rows(named=True)).notes
    assert note.startswith("row 0, column 'ip': training did not have '172") and not others


def test_wrong_fields_are_notes_of_a_request_and_mostly_wrong_ones_its_problem():
    objects = [{"a": i % 7 + 0.5, "b": "xy"[i % 2]} for i in range(60)]
    rows = TableRows(infer(pl.DataFrame({"at": [json.dumps(one) for one in objects], "y": range(60)})))
    given = [{"at": one, "y": 1} for one in objects]
    given[3]["at"] = {"a": "soon", "b": "x"}
    given[5]["at"] = {"a": "late", "b": "x"}
    note = "row 5, column 'at': 'late' is not a number; it counts as missing (and 1 more)"
    assert rows.of_objects(given).notes == (note,)
    with pytest.raises(RequestError, match="60 of 60 values could not be read as a number") as caught:
        rows.of_objects([{"at": {"a": "soon", "b": "x"}, "y": 1}] * 60)
    assert caught.value.status == 422


def test_messages_show_the_begin_of_long_values():
    encoder = TableEncoder(infer(frame := pl.DataFrame({"x": URLS}))).fit(frame)
    with pytest.warns(DataWarning) as found:
        encoder.transform(pl.DataFrame({"x": ["long " * 200_000]}))
    assert len(str(found[0].message)) < 1000 and "(1,000,000 characters)" in str(found[0].message)


def test_hostile_texts_are_read_in_little_time():
    for text in (
        "1234567890 " * 2000 + "x",
        ":" * 10_000,
        "+1" + " 1" * 10_000 + "x",
        "[" * 10_000,
        "a@" + "b." * 9000,
    ):
        for kind in TYPES.values():
            assert not kind.looks_like(text)


@pytest.mark.slow
def test_a_model_of_them_learns(tmp_path):
    frame = pl.DataFrame({name: values for name, (_, values) in COLUMNS.items()})
    target = np.array([float(text.split(",")[0]) for text in frame["pair"]]) / 90
    model = lamina.MLPRegressor(preset="fast", random_state=0).fit(frame, target)
    assert model.score(frame, target) > 0.9
    lamina.save(model, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(
        lamina.load(tmp_path / "model.safetensors").predict(frame), model.predict(frame)
    )
    explained = model.shap_values(frame[:2], frame[50:60])
    assert list(explained.feature_names) == frame.columns


@pytest.mark.parametrize(
    "texts",
    [
        [f"Qn{R.randrange(99)}" + (f"-{i}" if i % 2 else "") for i in range(N)],  # names with a varying count
        [f"{R.randrange(99)}-{i}" + ("-7" if i % 2 else "") for i in range(N)],
        [f"INV-{R.randrange(99)}-{i}" for i in range(N)],  # codes that differ in every row
        [f"{R.randrange(99)}/{i}" for i in range(N)],  # numbers that count the rows
        [
            f"{R.randrange(9**5)}-{R.randrange(99)}" for i in range(N)
        ],  # digits and dashes that differ in every row
        [f"{R.randrange(1000, 9999)}-{R.randrange(10, 99)}" for i in range(N)],  # as many digits everywhere
        [f"{R.randrange(1, 99):03}/{R.randrange(9, 999)}" for i in range(N)],  # zeros before numbers
        [f"V{R.randrange(1, 99)}" for i in range(N)],  # a single number without a word
        [f"{R.randrange(1, 99)}-A" for i in range(N)],
        [f"Ticket {7 * i}" for i in range(N)],  # numbers after a word that differ in every row
        [
            f"{R.choice(['AB', 'CD'])}-{R.randrange(1000, 9999)}" for i in range(N)
        ],  # as many digits everywhere
        [f"{R.randrange(1, 30)}.{R.randrange(100, 999)}.{R.randrange(100, 999)}-{i % 9}" for i in range(N)],
        [
            f"{R.randrange(99)},{R.randrange(99)} x {R.randrange(99)},{i % 10} cm" for i in range(N)
        ],  # decimals
        [
            f"{R.choice(['1.250', '987', '3.500', '64'])} von {R.randrange(9, 999)}" for i in range(N)
        ],  # thousands
        [R.choice(["1 of 2", "3 of 4"]) for _ in range(N)],  # few values
    ],
)
def test_codes_are_no_patterns(texts):
    assert judged(as_column(pl.Series(texts)), None, True).type.tag != "pattern"
