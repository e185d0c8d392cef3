"""Libraries read dates, times, written numbers and ordered categories as Python does, or say that they can't."""

import ctypes
import datetime
import re

import numpy as np
import polars as pl
import pytest
from c_library import TableLibrary, needs_linker
from guarded_memory import guarded
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from lamina.compiler.cpu.machine import host_machine
from lamina.compiler.cpu.standalone import OneThreadModule
from lamina.compiler.llvm import FLOAT64, INDEX
from lamina.compiler.llvm.jit import compile_linkable
from lamina.export.library._patterns import SCRATCH_BYTES
from lamina.export.library._readers import emit_number_reader, is_read
from lamina.export.library._write import linked
from lamina.table.types import Calendar, ColumnSchema, TimeOfDay
from lamina.table.types.written_number import WrittenNumber
from lamina.table.values import MISSING_TOKENS
from lamina.table.written_numbers import form_of

pytestmark = needs_linker


class Readers:
    """A library of nothing but readers, by name."""

    def __init__(self, schemas, path):
        module = OneThreadModule(host_machine().in_order)
        arguments = {"texts": None, "numbers": None, "unread": None, "scratch": None, "count": INDEX}
        for name, schema in schemas.items():
            emit_number_reader(module, name, schema)
            with module.function(f"all_{name}", arguments) as b, b.loop(0, b.argument("count")) as i:
                texts, numbers, unread, scratch = map(b.pointer_argument, [*arguments][:4])
                b.call(name, b.load_pointer(texts, i), b.offset(numbers, i, FLOAT64), scratch)
                b.store(unread, b.load(scratch, INDEX), i)
        names = [f"all_{name}" for name in schemas]
        code = compile_linkable(module.machine, [(module.ir(), names)], names)
        path.write_bytes(linked(code, module.machine, []))
        self.library = ctypes.CDLL(str(path))

    def read(self, name, texts):
        """The numbers of texts (None: missing), and which of them can't be read."""
        held = [
            text if text is None else guarded(np.frombuffer(f"{text}\0".encode(), np.uint8)) for text in texts
        ]
        places = (ctypes.c_void_p * len(texts))(
            *(text if text is None else text.ctypes.data for text in held)
        )
        numbers, unread = np.full(len(texts), -7.0), np.full(len(texts), 7)
        scratch = np.full(SCRATCH_BYTES + 64, 77, np.uint8)
        function = self.library[f"all_{name}"]
        function.argtypes, function.restype = [*[ctypes.c_void_p] * 4, ctypes.c_size_t], None
        arrays = (numbers, unread, scratch)
        function(ctypes.addressof(places), *(array.ctypes.data for array in arrays), len(texts))
        assert (scratch[SCRATCH_BYTES:] == 77).all() and np.isin(unread, [0, 1]).all()
        return numbers, unread == 1


FORMS = {
    "any": Calendar(),
    "day_first": Calendar(order="dmy"),
    "month_first": Calendar(order="mdy"),
    "year_first": Calendar(order="ymd", pivot=1930),
    "own": Calendar(order="dmy", form="%d.%m.%Y %H:%M"),
    "day_of_year": Calendar(form="%Y/%j"),
    "seconds": Calendar(form="s"),
    "nanoseconds": Calendar(form="ns"),
    "excel": Calendar(form="excel"),
}
NUMBERS = {
    "dollars": [("$1,234.50", 3), ("$12", 2), ("$3M", 1)],
    "euros": [("1.234,50 €", 3), ("12 €", 1), ("3 Mio. €", 1)],
    "mass": [("12 kg", 2), ("1.5 kg", 1), ("3 g", 1)],
    "percent": [("7%", 2), ("12.5%", 3)],
    "commas": [("1,5", 3), ("1.000,25", 1)],
    "shares": [("12%", 3), ("7.5 %", 1), ("0.5", 2)],
    "lakhs": [("45 L", 3), ("1.2 Cr", 1), ("7.5 lakh", 1)],
}
SCHEMAS = {
    **{name: ColumnSchema(name, kind, "String") for name, kind in FORMS.items()},
    **{name: ColumnSchema(name, WrittenNumber(**vars(form_of(counts)))) for name, counts in NUMBERS.items()},
    "clock": ColumnSchema("clock", TimeOfDay(), "String"),
    "clock_with_gaps": ColumnSchema("clock", TimeOfDay(gaps=True), "String"),
}


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    return Readers(SCHEMAS, tmp_path_factory.mktemp("readers") / "readers.so")


def in_python(name, text):
    """The number of a text, NaN if it is missing; None if it is no value of the column."""
    kind = SCHEMAS[name].type
    if text is None or text.strip() in MISSING_TOKENS:
        return np.nan
    if isinstance(kind, Calendar):
        (found,) = kind.split(
            ColumnSchema(name, kind, parts=(ColumnSchema(name, lamina.table.types.Date()),)), _column(text)
        )
        return float(found.numbers()[0])
    found = kind.parse(text)
    return np.nan if found is None or np.isinf(found) else found  # both are missing in predict


def _column(text):
    from lamina.table.columns import ArrayColumn

    return ArrayColumn("when", np.array([text], object))


@pytest.mark.filterwarnings("ignore::lamina.errors.DataWarning")
def compare(readers, name, texts, all_read=False):
    found, unread = readers.read(name, texts)
    for text, number, is_unread in zip(texts, found, unread, strict=True):
        if is_unread:
            assert not all_read, text
        else:
            wanted = in_python(name, text)
            assert wanted is not None and (number == wanted or (np.isnan(number) and np.isnan(wanted))), (
                text,
                number,
                wanted,
            )


DATES = [
    "2024-02-29", "2023-02-29", "2024/2/9", "1.2.2024", "31.12.1999", "12/31/99", "31/12/99", "99-12-31",
    "1/2/03 10:30", "3 May 2024", "May 3rd, 2024", "Fri, 3 May 2024 10:15:30 GMT", "3. März 2024",
    "3. MÄRZ 2024", "2024-05-03T10:15:30.123456789Z", "2024-05-03 10:15:30.5+05:30", "2024-05-03 10:15 PM",
    "2024-05-03 12:15 am", "2024-05-03 13:15 am", "2024-W05-3", "2024w05", "2020-W53", "2021-W53",
    "2024Q3", "H2 2024", "2024H1", "H3 2024", "Q3 2024", "2024-05", "05/2024", "Jan-68", "Jan-69",
    "2024年5月3日", "20240503T101530", "0001-01-01",
    "9999-12-31", "0000-00-00", "2024-05-03 10:15 EST", "2024-05-03 10:15 +02", "  2024-05-03  ", "soon",
    "", "2024-05-03 24:00", "1700000000", "1700000000.5", "-86400", "1700000000123456789", "15249.5",
    "2024/366", "2023/366", "9999/100", "29.02.2024 10:30", "2.13.2024", "13.2024",
    "2024-05-03 10:15:30 [x", "x" * 400, "12 o'clock", "1900-02-29", "2000-02-29",
]  # fmt: skip


OTHER_WORDS = [
    "20 maggio 2024", "3 de março de 2024 à 20h11", "1 września 2024", "20 SET 2024", "3 maj 2024 20:11 Uhr",
    "3.5.2024 um 20:11", "5/3/24, 10:15\u202fPM", "3 mayo 2024 4:05 p.\u00a0m.", "3\u00a0mei\u00a02024",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:column")
@pytest.mark.parametrize("name", FORMS)
def test_dates(readers, name):
    compare(readers, name, [*DATES, *OTHER_WORDS, None])


@pytest.mark.filterwarnings("ignore:column")
def test_usual_dates_are_read(readers):
    assert not readers.read("day_first", DATES[:-8])[1].any()
    assert readers.read("any", ["2024-05-03 10:15 America/New_York", "２０２４-05-03", "x" * 400])[1].all()


moments = st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30))
formats = st.lists(
    st.sampled_from(["%Y", "%m", "%d", "%b", "%B", "%y", "%H:%M", "%H:%M:%S.%f", "%I:%M %p", "%j", "%G-W%V-%u"]),
    min_size=1, max_size=6,
).flatmap(lambda parts: st.sampled_from(["-", "/", ".", " ", ", ", ""]).map(lambda sign: sign.join(parts)))  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:column")
@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(
        st.builds(lambda moment, form: moment.strftime(form), moments, formats), min_size=1, max_size=20
    ),
)
def test_dates_in_any_format(readers, name, texts):
    compare(readers, name, texts)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:column")
@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(SCHEMAS)),
    st.lists(st.text("0123456789.,:-/+ apmeETZkM$€%g\t\u00e4", max_size=14), min_size=1, max_size=30),
)
def test_any_text(readers, name, texts):
    compare(readers, name, texts)


@pytest.mark.parametrize("name", NUMBERS)
def test_written_numbers(readers, name):
    texts = [text for text, _ in NUMBERS[name]]
    compare(
        readers,
        name,
        [*texts, *(f"-{text}" for text in texts), "0", "1e3", "-2.5E-3", ".5", "5."],
        all_read=True,
    )
    more = "1.234|1,234|12 €|$ 5|5k|5 K|2 Mio €|$2.5b|(5)|3 lbs|007|inf|nan|NA||?|5 mg|5 t|-$5|$-5|-$-5"
    more = [*more.split("|"), "12345678901234567890", "0.1234567890123456789", "1 000", "1e999", "€5"]
    compare(readers, name, more)


def test_integers_beyond_int64_are_rounded_as_in_python(readers):
    rng = np.random.default_rng(0)
    texts = ["1" + "".join(map(str, rng.integers(0, 10, size))) for size in rng.integers(15, 30, 2000)]
    ties = [str((2**53 + odd) * 2**power + add) for odd in (1, 3) for power in (11, 30) for add in (-1, 0, 1)]
    ties += [str(2 * (2**53 + odd) * 2**power + 2**power) for odd in (0, 1) for power in (10, 30)]
    numbers, unread = readers.read("dollars", [*texts, *ties, f"-${2**64 - 1}", "1" * 32])
    assert unread.tolist() == [False] * (len(numbers) - 1) + [True]
    np.testing.assert_array_equal(numbers[:-1], [*map(float, (*texts, *ties)), -float(2**64 - 1)])


def test_times(readers):
    texts = [
        "00:01",
        "13:45:10",
        "1:45:10.5 pm",
        "12:00 am",
        "12:30 P.M.",
        "24:00",
        "13:00 pm",
        "1.5",
        "86400",
        "86401",
        "NA",
        "noon",
    ]
    compare(readers, "clock", [*texts, " 9:05 ", None])
    more = [
        "4 pm",
        "11AM",
        "0 am",
        "13 pm",
        "4",
        "0.1234567890123456789",
        "12345678901234567890",
        "9:05\u00a0",
        "9:05\u202fpm",
        "9:05 p.\u00a0m.",
        "9:05 p. m.",
        "n\u00f6n",
    ]
    compare(readers, "clock_with_gaps", [*texts, *more, None])
    compare(readers, "clock", more)
    assert readers.read("clock_with_gaps", [*texts, *more])[1].sum() <= 6
    assert not readers.read("clock", texts)[1].any()


def test_columns_that_were_numbers_stay_numbers():
    assert not is_read(ColumnSchema("when", Calendar(), "Datetime(time_unit='us', time_zone=None)"))
    assert not is_read(ColumnSchema("when", Calendar(form="s"), "Int64"))
    assert not is_read(
        ColumnSchema("age", WrittenNumber(**vars(form_of([("18-24", 3), ("25-34", 2), ("65+", 1)]))))
    )


N = 240
START = datetime.date(2020, 1, 1)
R = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "x": R.normal(size=N),
        "when": [f"{START + datetime.timedelta(int(i))} {i % 24:02}:30" for i in R.integers(0, 900, N)],
        "at": [f"{i % 24}:{i % 60:02}" for i in R.integers(0, 1440, N)],
        "price": [f"${i:,}.50" for i in R.integers(0, 90_000, N)],
        "size": R.choice(["Small", "medium", "LARGE"], N),
        "day": R.choice(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], N),
        "born": [f"{i % 28 + 1}.{i % 12 + 1}.{1950 + i % 50}" for i in R.integers(0, 9000, N)],
    }
)  # fmt: skip
KINDS = {"size": "ordered", "day": "ordered"}


@pytest.mark.filterwarnings("ignore:the optimizer reached max_iter")
def test_predictions_are_the_same(tmp_path, recwarn):
    target = FRAME["x"] + (FRAME["size"] == "LARGE").cast(pl.Float64)
    model = lamina.MLPRegressor(preset="fast", random_state=0, max_iter=3, column_kinds=KINDS).fit(
        FRAME, target
    )
    library = TableLibrary(model, tmp_path / "shop.so")
    assert not [one for one in recwarn if "does not read all columns" in str(one.message)]
    new = FRAME.with_columns(
        when=pl.Series([None, "2021-03-04", "soon", *FRAME["when"][3:]]),
        price=pl.Series(["$5k", "12", None, *FRAME["price"][3:]]),
        size=pl.Series(["SMALL", "huge", None, *FRAME["size"][3:]]),
        day=pl.Series([None, "MON", "Tue", *FRAME["day"][3:]]),
    )
    for frame in (FRAME, new):
        with pytest.warns(Warning) if frame is new else pytest.MonkeyPatch.context():
            wanted = model.predict(frame)
        np.testing.assert_array_equal(library.predict(frame)[0][:, 0], wanted)
    header = (tmp_path / "shop.h").read_text()
    assert re.search(
        r"const char \*price; /\* a text as in training, such as \"\$[\d,]+\.50\"; NULL: missing \*/", header
    )
    assert library.call(library.rows(FRAME[:1].with_columns(price=pl.lit("about $5"))))[0] == 4
