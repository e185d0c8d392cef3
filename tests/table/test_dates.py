"""Dates in texts: against `datetime.strptime`, dateutil and pandas, which read them another way."""

import calendar
import datetime
import zoneinfo

import dateutil.parser
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lamina.errors import DataError
from lamina.table.dates import DateForm, day_in, found_form, is_blank, is_date, requested_form
from lamina.table.kinds import infer

DAYS = st.dates(datetime.date(1, 1, 1))
MOMENTS = st.datetimes(datetime.datetime(1, 1, 1))


def days_of(moment):
    """The days since 1970-01-01 of a date or a naive datetime."""
    return float(np.datetime64(moment, "us").astype(np.int64)) / 86_400_000_000


def written(moment, form):
    """`strftime`, whose years before 1000 lack zeros on some systems."""
    return moment.strftime(
        form.replace("%Y", f"{moment.year:04}").replace("%G", f"{moment.isocalendar().year:04}")
    )


# --- forms -------------------------------------------------------------------------------------------------------

FORMS = {
    "": ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d %B %Y", "%d-%b-%Y", "%d%b%Y", "%B %d, %Y", "%b. %d %Y", "%Y %b %d",
         "%A, %d %B %Y", "%a %b %d %Y", "%dth of %B %Y", "%Y年%m月%d日", "%G-W%V-%u"],
    "dmy": ["%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d. %m. %Y", "%d %m %Y"],
    "mdy": ["%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y"],
}  # fmt: skip
TIMES = [
    "",
    "T%H:%M",
    " %H:%M:%S",
    " %H:%M:%S.%f",
    " %I:%M:%S %p",
    ", %I:%M %p",
    " at %H:%M",
    "T%H:%M:%SZ",
    " %I %p",
]


@given(
    MOMENTS,
    st.sampled_from([(order, form) for order in FORMS for form in FORMS[order]]),
    st.sampled_from(TIMES),
)
@example(datetime.datetime(2024, 2, 29), ("", "%d %B %Y"), "")
@example(datetime.datetime(1, 1, 1), ("dmy", "%d/%m/%Y"), "")
@example(datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999), ("mdy", "%m/%d/%Y"), " %H:%M:%S.%f")
def test_a_form_is_read_as_strptime_reads_it(moment, form, time):
    order, day = form
    text = written(moment, day + time)
    expected = datetime.datetime.strptime(text, day + time) if "年" not in day else moment
    if "年" in day:
        expected = datetime.datetime.strptime(written(moment, "%Y-%m-%d" + time), "%Y-%m-%d" + time)
    (found,) = DateForm(order).days([text])
    assert found == days_of(expected), text
    (told,) = requested_form(day + time).days([text])
    assert told == found, text


@given(
    MOMENTS.filter(lambda moment: moment.year >= 1000),
    st.sampled_from(FORMS["dmy"][:3] + FORMS["mdy"][:2]),
    st.booleans(),
)
def test_dateutil_and_pandas_agree(moment, form, day_first):
    text = moment.strftime(form + " %H:%M:%S")
    order = "dmy" if day_first else "mdy"
    expected = dateutil.parser.parse(text, dayfirst=day_first)
    is_real = (moment.month <= 12 and moment.day <= 12) or form.startswith("%d") == day_first
    (found,) = DateForm(order).days([text])
    if is_real:  # else both others read it in the other order
        assert found == days_of(expected)
        if 1700 < moment.year < 2200:
            assert found == days_of(pd.to_datetime(text, dayfirst=day_first).to_pydatetime())
    else:
        assert np.isnan(found)


@given(MOMENTS, st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_zones_are_taken_to_utc(moment, minutes):
    sign, (hours, rest) = "+-"[minutes < 0], divmod(abs(minutes), 60)
    expected = days_of(moment) * 86_400_000_000 - minutes * 60_000_000
    for zone in (
        f"{sign}{hours:02}:{rest:02}",
        f" {sign}{hours:02}{rest:02}",
        f" GMT{sign}{hours:02}{rest:02}",
    ):
        (found,) = DateForm().days([moment.isoformat(sep=" ", timespec="seconds") + zone])
        seconds = (expected - moment.microsecond) / 86_400_000_000
        assert found == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    ("region", "winter", "summer"),
    [
        ("Europe/Berlin", "CET", "CEST"),
        ("Europe/Lisbon", "WET", "WEST"),
        ("Europe/Athens", "EET", "EEST"),
        ("Europe/London", "GMT", "BST"),
        ("Europe/Moscow", "MSK", ""),
        ("America/New_York", "EST", "EDT"),
        ("America/Anchorage", "AKST", "AKDT"),
        ("America/Halifax", "AST", "ADT"),
        ("America/St_Johns", "NST", "NDT"),
        ("Pacific/Honolulu", "HST", ""),
        ("Africa/Johannesburg", "SAST", ""),
        ("Africa/Nairobi", "EAT", ""),
        ("Africa/Lagos", "WAT", ""),
        ("Africa/Maputo", "CAT", ""),
        ("Asia/Karachi", "PKT", ""),
        ("Asia/Kolkata", "IST", ""),
        ("Asia/Hong_Kong", "HKT", ""),
        ("Asia/Tokyo", "JST", ""),
        ("Asia/Seoul", "KST", ""),
        ("Australia/Perth", "AWST", ""),
        ("Australia/Adelaide", "ACDT", "ACST"),
        ("Australia/Sydney", "AEDT", "AEST"),
        ("Pacific/Auckland", "NZDT", "NZST"),
    ],
)
def test_names_of_zones_mean_what_the_database_of_zones_says(region, winter, summer):
    for month, name in ((1, winter), (7, summer or winter)):
        moment = datetime.datetime(2024, month, 15, 10, 15, tzinfo=zoneinfo.ZoneInfo(region))
        assert moment.tzname() == name
        (found,) = DateForm().days([f"{moment:%Y-%m-%d %H:%M} {name}"])
        assert found == days_of(moment.astimezone(datetime.UTC).replace(tzinfo=None))


def test_offsets_of_summer_time_are_an_hour_apart():
    before, after = DateForm().days(["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00[Europe/Berlin]"])
    assert after - before == pytest.approx(1 / 24)


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "America/Port-au-Prince", "Asia/Kolkata"]
)
@pytest.mark.parametrize("written", ["{} {}", "{}[{}]", "{} [{}]"])
def test_zones_of_the_database_have_their_offsets(zone, written):
    """Times that occur twice or never are those before the change, as `fold=0` is."""
    place = zoneinfo.ZoneInfo(zone)
    moments = [
        datetime.datetime(1899, 2, 1, 10, 7),
        datetime.datetime(1, 1, 1),
        datetime.datetime(9999, 12, 31, 23, 59),
    ]
    for month, day in ((3, 10), (3, 31), (10, 27), (11, 3)):
        moments += [
            datetime.datetime(2024, month, day, hour, minute) for hour in range(5) for minute in (0, 30, 59)
        ]
    texts = [written.format(moment.isoformat(sep=" ", timespec="minutes"), zone) for moment in moments]
    expected = [days_of(moment) - place.utcoffset(moment) / datetime.timedelta(days=1) for moment in moments]
    np.testing.assert_allclose(DateForm().days(texts), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "zone",
    [
        "Z[UTC]",
        "Z[Europe/London]",
        "-00:00[America/Port-au-Prince]",
        "+00:00 [Etc/GMT-5]",
        "+00:00[GMT+05:30]",
    ],
)
def test_regions_in_brackets_follow_an_offset(zone):
    """As Java writes a ZonedDateTime: London is Z in winter."""
    plain, named = DateForm().days(["2024-01-27T02:30:00Z", f"2024-01-27T02:30:00{zone}"])
    assert plain == named


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024-05", "2024-05-01"),
        ("05/2024", "2024-05-01"),
        ("May 2024", "2024-05-01"),
        ("May-24", "2024-05-01"),
        ("2024 mai", "2024-05-01"),
        ("2024-W05", "2024-01-29"),
        ("2024W05", "2024-01-29"),
        ("2020-W53", "2020-12-28"),
        ("2024Q3", "2024-07-01"),
        ("Q1 1999", "1999-01-01"),
        ("H2 2005", "2005-07-01"),
        ("2005-H1", "2005-01-01"),
        ("20240503T101500Z", "2024-05-03T10:15"),
        ("Fri May  3 10:15:00 2024", "2024-05-03T10:15"),
        ("Fri, 03 May 2024 10:15:00 EST", "2024-05-03T15:15"),
        ("Fri May 03 2024 10:15:00 GMT+0200 (Central European Summer Time)", "2024-05-03T08:15"),
        ("2024/05/03 12:15:00 AM GMT+2", "2024-05-02T22:15"),
        ("2024-05-03T10:15+1:00", "2024-05-03T09:15"),
        ("03/May/2024:10:15:00 +0530", "2024-05-03T04:45"),
        ("2024:05:03 10:15:00", "2024-05-03T10:15"),
        ("3. März 2024", "2024-03-03"),
        ("1er août 2024", "2024-08-01"),
        ("13 października 2024", "2024-10-13"),
        ("7 mar 2024, godz. 8:51", "2024-03-07T08:51"),
        ("3 de março de 2024", "2024-03-03"),
        ("1 gennaio 2024", "2024-01-01"),
        ("2 mei 2024", "2024-05-02"),
        ("2024/03/15 08:11:00 p. m. CET", "2024-03-15T19:11"),
        ("15 mar 2024, 8:11\u00a0a.\u00a0m.", "2024-03-15T08:11"),
        ("2024-03-15, 8:11\u202fPM", "2024-03-15T20:11"),
        ("2024-03-15 um 20:11", "2024-03-15T20:11"),
        ("15 mars 2024 à 20h11", "2024-03-15T20:11"),
        ("15. März 2024, 20:11 Uhr", "2024-03-15T20:11"),
        ("3 de mayo de 2024", "2024-05-03"),
        ("3 May '24", "2024-05-03"),
        ("03-MAY-24", "2024-05-03"),
        ("May 3rd, 2024", "2024-05-03"),
        ("2011-10-02T06:00:00.123456789", "2011-10-02T06:00:00.123457"),
    ],
)  # fmt: skip
def test_other_forms(text, date):
    assert DateForm().days([text])[0] == days_of(np.datetime64(date))


@pytest.mark.parametrize(
    "text",
    ["31/04/2024", "29/02/2023", "29.2.1900", "00/00/0000", "0/1/2024", "32/1/2024", "2024-13-01", "2024-00-10",
     "2021-W53", "2024-W00", "2024Q5", "2024Q0", "0000-01-01", "2024-01-01 24:00", "2024-01-01 12:60",
     "2024-01-01 13:00 pm", "2024-01-01 0:30 am", "2024-01-01T12:00+24:00", "2024-01-01T12:00+1:0", "soon", "May",
     "", "2024", "20240503", "1.5", "1.2.3", "192.168.0.1", "3-0", "12:30", "555-1234", "2024-01-01 x", "١/٢/٢٠٢٤",
     "0" * 500],
)  # fmt: skip
def test_what_is_not_a_date(text):
    assert np.isnan(DateForm("dmy").days([text])[0])


def test_an_open_order_is_not_guessed_of_one_text():
    assert day_in("3/4/2011") is None and day_in("4 March 2011") == days_of(datetime.date(2011, 3, 4))


@given(st.text(max_size=30))
def test_any_text_is_a_date_or_not(text):
    (day,) = DateForm("dmy").days([text])
    assert np.isnan(day) or is_date(text)
    assert isinstance(is_blank(text), bool)


@given(
    st.lists(MOMENTS, min_size=1, max_size=30), st.sampled_from(["%d/%m/%Y", "%Y-%m-%d %H:%M", "%d %b %Y"])
)
def test_texts_are_read_together_as_alone(moments, form):
    texts = [written(moment, form) for moment in moments]
    found = DateForm("dmy").days(texts)
    assert found.tolist() == [DateForm("dmy").days([text])[0] for text in texts]


# --- a column ----------------------------------------------------------------------------------------------------


@given(
    st.lists(DAYS, min_size=1, max_size=20), st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m-%d-%Y"])
)
def test_a_number_above_12_decides_for_the_column(days, form):
    days = [*days, datetime.date(2024, 5, 13)]
    texts = [written(day, form) for day in days]
    found = found_form(texts, [1] * len(texts))
    assert found.form.order == ("dmy" if form.startswith("%d") else "mdy")
    assert found.days.tolist() == [*map(days_of, days)]
    assert "13" in {text[:2] for text in found.deciding} | {text[3:5] for text in found.deciding}


@pytest.mark.parametrize(
    ("texts", "order", "orders"),
    [
        (["03/04/2011", "05/06/2011"], "mdy", ("mdy", "dmy")),
        (["03.04.2011", "05.06.2011"], "dmy", ("mdy", "dmy")),
        (["03-04-11", "05-06-11"], "dmy", ("mdy", "dmy", "ymd")),
        (["31/12/11", "30/12/11"], "dmy", ("dmy", "ymd")),
        (["99/12/31", "98/12/30"], "ymd", ("ymd",)),
        (["01/02/2011", "01/07/2012", "01/11/2012"], "dmy", ("mdy", "dmy")),
        (["01/02/2011", "01/07/2011", "01/11/2011"], "mdy", ("mdy", "dmy")),
        (["13/02/2011", "02/13/2011", "14/02/2011"], "dmy", ("dmy",)),
    ],
)
def test_the_order_of_numbers(texts, order, orders):
    found = found_form(texts, [1] * len(texts))
    assert (found.form.order, found.orders) == (order, orders)


def test_two_digits_are_a_year_as_in_posix_unless_full_ones_say_otherwise():
    days = found_form(["1.1.69", "1.1.68"], [1, 1]).days
    assert days.tolist() == [days_of(datetime.date(year, 1, 1)) for year in (1969, 2068)]
    found = found_form(["1.1.69", "1.1.45", "1.1.1931", "1.1.1999"], [1] * 4)
    assert found.short_years and found.form.pivot == 1900
    assert found.days.tolist() == [days_of(datetime.date(year, 1, 1)) for year in (1969, 1945, 1931, 1999)]
    assert found_form(["1.1.69", "1.1.2045"], [1, 1]).form.pivot == 1969


def test_seasons_are_not_months():
    seasons, months = ["2009-10", "2010-11", "2011-12"] * 5, ["2009-10", "2009-11", "2010-11"] * 5
    found = infer(pl.DataFrame({"season": seasons, "month": months, "x": range(15)}))
    assert (found["season"].type.tag, found["season"].low, found["season"].high) == (
        "written number",
        2009,
        2011,
    )
    assert found["month"].type.tag == "calendar"


def test_all_days_of_two_centuries():
    days = np.arange(np.datetime64("1899-12-31"), np.datetime64("2101-01-02"))
    texts = [f"{day.day}.{day.month}.{day.year}" for day in days.tolist()]
    np.testing.assert_array_equal(found_form(texts, [1] * len(texts)).days, days.astype(np.int64))
    leap = sum(calendar.isleap(year) for year in range(1900, 2101))
    assert sum(text.startswith("29.2.") for text in texts) == leap


# --- what users say ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["day first", "%d.%m", "%Y-%Y", "%Q", "", "%", "%Y%"])
def test_what_is_no_form_is_refused(said):
    with pytest.raises(DataError, match="is not a date format: write it as for strptime, such as"):
        requested_form(said)


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)])
def test_numbers_since_1970(unit, factor):
    moment = datetime.datetime(2024, 5, 3, 10, 15)
    seconds = int((moment - datetime.datetime(1970, 1, 1)).total_seconds())
    found = requested_form(unit).days([str(int(seconds * factor)), "-1", "soon", "2024-05-03"])
    assert found[0] == days_of(moment) and found[1] < 0 and np.isnan(found[2])
    assert found[3] == days_of(datetime.date(2024, 5, 3))


def test_day_of_the_year():
    form = requested_form("%Y/%j")
    assert form.days(["2024/366", "2023/365", "2024/1"]).tolist() == [
        days_of(datetime.date(2024, 12, 31)), days_of(datetime.date(2023, 12, 31)), days_of(datetime.date(2024, 1, 1))
    ]  # fmt: skip
    assert np.isnan(form.days(["2023/366", "2024/0", "2024/367"])).all()
