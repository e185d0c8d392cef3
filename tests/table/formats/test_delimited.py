"""Text files: dialects, encodings, ragged and quoted records, blocks; against Python's csv module."""

import csv
import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import DataError
from lamina.table.formats import _dialect as dialect
from lamina.table.formats import delimited
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.read import iter_batches, read
from lamina.table.source import ReadOptions


@pytest.fixture
def read_text(tmp_path):
    def read_text(content, name="a.csv", **options):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return read(tmp_path / name, ReadOptions(**options))

    return read_text


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~"])
def test_the_delimiter_is_found(read_text, delimiter):
    text = 'a,"b;x",c\n1,"x,y",2.5\n3,z,4\n'.replace(",", delimiter)
    assert read_text(text).rows() == [(1, f"x{delimiter}y", 2.5), (3, "z", 4.0)]


@pytest.mark.parametrize("divider", ["::", "  ", "     "])
def test_several_signs_divide_values(read_text, divider):
    lines = [["town", "size", "sold"], *[["New York", str(i), f"{i}.5"] for i in range(6)]]
    frame = read_text("".join(divider.join(line) + "\n" for line in lines))
    assert frame.columns == lines[0] and frame.rows() == [("New York", i, i + 0.5) for i in range(6)]


@pytest.mark.parametrize("divider", ["::", "  "])
def test_several_signs_in_quotes_divide_no_values(read_text, divider):
    town = f"New{divider}York"
    lines = [["town", "size", "sold"], *[[f'"{town}"', str(i), f"{i}.5"] for i in range(6)]]
    frame = read_text("".join(divider.join(line) + "\n" for line in lines))
    assert frame.rows() == [(town, i, i + 0.5) for i in range(6)]


def test_values_that_begin_as_zlib_data_are_texts(read_text):
    for end in ("", ",b"):
        frame = read_text(f"a{end}\n" + "".join(f"x^{i}{end}\n" for i in range(9)))
        assert frame["a"].to_list() == [f"x^{i}" for i in range(9)]


def test_joined_files_with_byte_order_marks_are_one_table(tmp_path):
    (tmp_path / "a.csv").write_text(2 * "\ufeffa,b\n1,é\n2,y\n", "utf-8")
    with pytest.warns(DataWarning, match="line 4: the column names again"):
        frame = read(tmp_path / "a.csv")
    assert frame.rows() == [(1, "é"), (2, "y")] * 2


def test_ranges_are_not_divided(read_text):
    frame = read_text("range\n" + "".join(f"{i}~{i + 3}\n" for i in range(9)))
    assert frame.rows() == [(f"{i}~{i + 3}",) for i in range(9)]


def test_the_delimiter_with_decimal_commas_and_given_ones(read_text):
    assert read_text("a;b\n1,5;2,5\n3,5;4\n", decimal=",").rows() == [(1.5, 2.5), (3.5, 4.0)]
    assert read_text("a:b\n1:2\n", delimiter=":").rows() == [(1, 2)]
    assert read_text("a b\tc,d\n1\t2\n", name="a.tsv").columns == ["a b", "c,d"]
    assert read_text("a;b\n1,5;2\n").rows() == [("1,5", 2)]
    assert read_text("a;b\n1.5;2,0\n", decimal=",").rows() == [("1.5", 2.0)]
    with pytest.raises(DataError, match=r"delimiter .* is one ASCII character, not '::'"):
        read_text("a::b\n", delimiter="::")


@pytest.mark.parametrize(
    "text, values",
    [
        ('a,b\n"1,234,567",2\n"-567,123",3\n12,4\n', [1234567, -567123, 12]),
        ("a;b\n1,234;2\n1,5;3\n", [1.234, 1.5]),
        ("a,b\n12%,2\n-3.5 %,3\n", [12, -3.5]),
        ("a,b,c\n€1.50,$2,x\n€2,$3.1,y\n", [1.5, 2]),
    ],
)
def test_numbers_as_people_write_them_stay_text_for_their_column_to_tell(read_text, text, values):
    frame = read_text(text)
    assert frame["a"].dtype == pl.String
    kind = infer(frame)["a"].type
    assert [kind.read(text) for text in frame["a"]] == values


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_that_say_themselves(read_text, encoding):
    assert read_text("naïve,日本\nçé,1\n".encode(encoding)).rows(named=True) == [{"naïve": "çé", "日本": 1}]


def test_windows_1252_is_read_with_a_warning(read_text):
    content = "name,x\nAda,1\nRené €,2\n".encode("cp1252")
    with pytest.warns(DataWarning, match="not UTF-8.*line 3 has the byte 0xe9.*windows-1252"):
        assert read_text(content)["name"].to_list() == ["Ada", "René €"]
    with pytest.warns(DataWarning, match="latin-1"):
        assert read_text(b"name,x\n\xe9\x81,1\n")["name"].to_list() == ["é\x81"]
    assert read_text(content, encoding="cp1252")["name"].to_list() == ["Ada", "René €"]


@pytest.mark.parametrize("end", ["", "\n"])
def test_joined_files_of_two_encodings_are_read_byte_by_byte(read_text, end):
    names = ["Jörg", "Zoë €", "Åse", "Ada"] * 20
    lines = [name.encode("cp1252" if i % 3 else "utf-8") for i, name in enumerate(names)]
    with pytest.warns(DataWarning, match=r"line 3 has the byte 0xeb\); such bytes are read as windows-1252"):
        assert read_text(b"\n".join([b"name", *lines]) + end.encode())["name"].to_list() == names
    one = [name.encode() for name in names] + [b"caf\xe9 \x81", b"\xc3"]
    with pytest.warns(DataWarning, match="line 82 has the byte 0xe9"):
        found = read_text(b"\n".join([b"name", *one]) + end.encode())["name"].to_list()
    assert found == [*names, "café \x81", "Ã"]


def test_repeated_names_get_numbers(read_text):
    with pytest.warns(DataWarning, match="names are repeated: 'a'; later ones are called 'a_3', 'a_4'"):
        frame = read_text("a,b,a,a_2,a\n1,2,3,4,5\n")
    assert frame.row(0, named=True) == {"a": 1, "b": 2, "a_3": 3, "a_2": 4, "a_4": 5}


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a,b\n1,2\n".encode("utf-16-le"), {}, "UTF-16 without a byte order mark.*encoding='utf-16-le'"),
        ("a,b\n1,2\n".encode("utf-16-be"), {}, "encoding='utf-16-be'"),
        (b"\x89PNG\r\n\x00\x00\x01\x02\x03\x00", {}, "not a text file"),
        (b"a\n\xff\n", {"encoding": "utf-8"}, "is not in utf-8: it has the byte 0xff"),
        (b"a\n", {"encoding": "utf-9"}, "no encoding 'utf-9'"),
        (b"", {}, "is empty"),
        (b"\n \n\n", {}, "is empty"),
    ],
)
def test_files_that_cannot_be_read(read_text, content, options, message):
    with pytest.raises(DataError, match=message):
        read_text(content, **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", "line 3: 1 field instead of 2 .commas between them.: '3'"),
        ("a,b\n1,2,3\n", "line 2: 3 fields instead of 2"),
        ('a,b\n"x\ny",2\n\n1,2,\n', "line 5: 3 fields"),
        ("a;b\n1;2\n3;4;5\n", "line 3: 3 fields instead of 2 .semicolons"),
        ('a,b\n1,2\n3,"x\n4,5\n', "line 3: a quote is opened that is never closed"),
        ('a,b\n1,2\n3,"x"y\n', "lines 2 to 4"),
    ],
)
def test_malformed_records_name_their_line(read_text, text, message):
    with pytest.raises(DataError, match=r"a\.csv, " + message):
        read_text(text)
    with pytest.raises(DataError, match=r"a\.csv, line"):
        read_text(text.replace("\n", "\r\n"))


def test_header_only_no_header_and_unnamed_columns(read_text):
    frame = read_text("a,b\n")
    assert frame.shape == (0, 2) and frame.columns == ["a", "b"]
    assert read_text("1,x\n2,y\n", header=False).to_dict(as_series=False) == {
        "column_1": [1, 2], "column_2": ["x", "y"]
    }  # fmt: skip
    with pytest.warns(DataWarning, match="1 column without a name, called 'unnamed_1'"):
        assert read_text(",x\n0,1\n").columns == ["unnamed_1", "x"]


def test_line_ends_blank_lines_and_a_missing_last_one(read_text):
    for end in ("\n", "\r\n", "\r"):
        text = end.join(["", "a,b", "1,x", "", "2,y", "", ""])
        assert read_text(text).rows() == [(1, "x"), (2, "y")]
    assert read_text("a,b\n1,x").rows() == [(1, "x")]
    assert read_text("a\n1\n\n2\n")["a"].to_list() == [1, None, 2]  # one column: a missing value


def test_missing_values(read_text):
    tokens = ["", "NA", " n/a ", "?", "null", '"NaN"', "-", "#N/A", "None"]
    text = "a,b\n" + "".join(f"{token},{i}\n" for i, token in enumerate(tokens)) + "1.5,9\n"
    assert read_text(text)["a"].to_list() == [None] * len(tokens) + [1.5]
    texts = ["NaN" if token == '"NaN"' else None for token in tokens]  # beside texts, quotes make it one
    assert read_text(text.replace("1.5", "x"))["a"].to_list() == [*texts, "x"]
    assert read_text("a,b\nNA,1\n.,2\n", missing=["."])["a"].to_list() == ["NA", None]
    assert read_text("a,b\n?,1\n,2\n").schema == {"a": pl.String, "b": pl.Int64}
    assert read_text("a\nnone\n")["a"].to_list() == ["none"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", " 2 ", "-3", "+4"], [1, 2, -3, 4]),
        (["1", "2.5", "1e3", ".5", ""], [1, 2.5, 1000, 0.5, None]),
        (["1", "inf"], [1, float("inf")]),
        (["007", "12"], ["007", "12"]),
        (["0", "0.5", "-0"], [0, 0.5, 0]),
        (["12345678901234567890", "1"], ["12345678901234567890", "1"]),
        (["1", "1.0", "one"], ["1", "1.0", "one"]),
        (["1,5", "2"], ["1,5", "2"]),
        (["true", "false"], ["true", "false"]),
        (["2024-01-31", "2024-02-01"], ["2024-01-31", "2024-02-01"]),
    ],
)
def test_types_of_columns(read_text, values, expected):
    text = "x|y\n" + "".join(f"{value}|0\n" for value in values)
    assert read_text(text)["x"].to_list() == expected
    assert read_text(text, as_text=["x"])["x"].to_list() == [value.strip() or None for value in values]


def test_spaces_after_commas(read_text):
    assert read_text("age, job\n39, State-gov\n 50, ?\n").rows() == [(39, "State-gov"), (50, None)]


def test_quotes_switched_off(read_text):
    text = 'size,n\n5" pipe,1\n6" pipe,2\n'
    assert read_text(text, quote=None)["size"].to_list() == ['5" pipe', '6" pipe']
    assert read_text("a,b\n'x,y',1\n", quote="'").rows() == [("x,y", 1)]


@pytest.mark.slow
def test_types_do_not_depend_on_where_blocks_end(read_text, monkeypatch):
    monkeypatch.setattr(dialect, "CHUNK", 64)
    rows = [f'{i},{i / 2 if i > 50 else i},"say ""{i}""\n{i}",{" z" if i == 90 else i}' for i in range(100)]
    frame = read_text("i,x,quoted,late\n" + "\n\n".join(rows))
    assert frame.schema == {"i": pl.Int64, "x": pl.Float64, "quoted": pl.String, "late": pl.String}
    assert frame["i"].to_list() == list(range(100))
    assert frame["quoted"].to_list() == [f'say "{i}"\n{i}' for i in range(100)]
    assert frame["late"].to_list() == ["z" if i == 90 else str(i) for i in range(100)]


def test_lines_are_counted_across_blocks(read_text, monkeypatch):
    monkeypatch.setattr(dialect, "CHUNK", 64)
    rows = ['1,"x\ny"'] * 50
    with pytest.raises(DataError, match=r"line 102: 1 field "):
        read_text("\n".join(["a,b", *rows, "7"]))
    with pytest.warns(DataWarning, match=r"line 52 has the byte 0xe9"):
        read_text("\n".join(["a,b", *["1,2"] * 50, "1,é"]).encode("cp1252"))


def test_a_padded_number_in_a_late_block(tmp_path, monkeypatch):
    monkeypatch.setattr(dialect, "CHUNK", 64)
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * 50 + " 3 , NA\n")
    for parts in ([read(tmp_path / "a.csv")], [*iter_batches(tmp_path / "a.csv")]):
        assert parts[-1].rows()[-1] == (3, None)


@pytest.mark.slow
def test_thousands_of_columns(read_text):
    names = [f"column number {i}" for i in range(2500)]
    frame = read_text(",".join(names) + "\n" + ",".join(["1"] * 2500) + "\n")
    assert frame.columns == names and frame.row(0) == (1,) * 2500


fields = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=6)


@pytest.mark.slow
@given(
    st.lists(st.lists(fields, min_size=3, max_size=3), min_size=1, max_size=20),
    st.sampled_from([16, 1 << 24]),
)
@settings(max_examples=40, deadline=None)
def test_what_pythons_csv_writes_comes_back(tmp_path_factory, rows, chunk):
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["a", "b", "c"], *rows])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(text.getvalue().encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialect, "CHUNK", chunk)
        frame = read(path, ReadOptions(missing=(), as_text=["a", "b", "c"], delimiter=",", encoding="utf-8"))
    assert frame.rows() == [tuple(row) for row in rows]


def test_a_column_that_is_to_be_text_has_no_decimal_commas(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('code;x\n"1,5";1\n"2,5";2\n')
    assert read(path, ReadOptions(as_text=["code"]))["code"].to_list() == ["1,5", "2,5"]  # and no warning


def test_a_field_that_is_too_long_for_pythons_reader(tmp_path):
    long = "a word " * 30_000
    (tmp_path / "a.csv").write_text(f'text;x\n"{long}";1\nb;2\n')
    assert read(tmp_path / "a.csv").rows() == [(long, 1), ("b", 2)]


def test_a_carriage_return_within_a_line(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a,b\n1\r2,3\n4,5\n")
    assert read(tmp_path / "a.csv").rows() == [("1\r2", 3), ("4", 5)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"quote": ""}, "the quote of a text file is one ASCII character, not ''"),
        ({"quote": "ab"}, "the quote of a text file is one ASCII character, not 'ab'"),
        ({"quote": "\n"}, "the quote of a text file is one ASCII character"),
        ({"delimiter": "\r"}, "the delimiter of a text file is one ASCII character"),
        ({"delimiter": '"'}, "both the delimiter and the quote"),
        ({"encoding": "base64"}, "'base64' is not an encoding of text files"),
        ({"encoding": "rot13"}, "'rot13' is not an encoding of text files"),
        ({"encoding": "utf\0"}, "there is no encoding"),
    ],
)
def test_options_that_no_text_file_has(read_text, options, reason):
    with pytest.raises(DataError, match=reason):
        read_text("a,b\n1,2\n", **options)


@pytest.mark.slow
def test_many_repeated_names_make_no_endless_message(read_text):
    with pytest.warns(DataWarning, match=r"names are repeated: 'a'; later .* 'a_6' and 4994 more$"):
        assert read_text(",".join(["a"] * 5000) + "\n" + ",".join(["1"] * 5000)).width == 5000


def test_more_columns_than_are_read(read_text):
    with pytest.raises(DataError, match=r"a table of 70,001 columns; at most 65,536 are read"):
        read_text("," * 70_000 + "\n")


def test_errors_of_spreadsheets_are_missing(read_text):
    errors = ["#DIV/0!", "#REF!", "#VALUE!", "#NUM!", "#NAME?", "#NV", "#WERT!", "Err:512"]
    frame = read_text("a,b\n" + "".join(f"{error},1\n" for error in errors) + "1.5,2\n")
    assert frame["a"].to_list() == [None] * len(errors) + [1.5]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["900", "1.500", "12.300", "75"], [900, 1500, 12_300, 75]),
        (["900", "-1.500", "", "1.234"], [900, -1500, None, 1234]),
        (["900", "1.500", "12.300", "0.5"], [900, 1.5, 12.3, 0.5]),
        (["9", "1.234"], [9, 1.234]),
        (["1000", "1.500"], [1000, 1.5]),
    ],
)
def test_points_between_thousands_are_not_decimal_points(read_text, values, expected):
    # without a number below 1,000 they may be fractions
    assert read_text("a;b\n1.500;0\n2.250;0\n")["a"].to_list() == [1.5, 2.25]
    values, expected = [*values, *map(str, range(100, 125))], [*expected, *range(100, 125)]
    frame = read_text("a;b\n" + "".join(f"{value};0\n" for value in values))
    kind = infer(frame.select("a"))["a"].type
    found = [kind.read(value) if isinstance(value, str) else value for value in frame["a"]]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "names", "left_out"),
    [
        ("Sales 2024;;\n\n;;\nname;town;sold\nA;B;1\n", ["name", "town", "sold"], "3 lines .* 'Sales 2024'"),
        ("# by a tool\n# unit: m\na,b\n1,2\n", ["a", "b"], "2 lines .* '# by a tool'"),
        ("sep=;\na;b\n1;2\n", ["a", "b"], "1 line .* 'sep='"),
        ("Account:;DE12\nBalance:;5,00 EUR\n\nd;a;b;c\n1;2;3;4\n", [*"dabc"], "3 lines .* 'Account:;DE12'"),
        (
            "Sales;;;;\n;;;;\nname;;town;sold;\nA;;B;1;\n",
            ["name", "unnamed_2", "town", "sold", "unnamed_5"],
            "2 lines",
        ),
        ("a,b\nr1,x,y,z\n", None, None),  # as R writes row names, or of missing names
        (",x\n0,1\n1,2\n", ["unnamed_1", "x"], None),  # row numbers
        ("id,\n1,5\n2,6\n", ["id", "unnamed_2"], None),
        ("name,\nAnna,Rome\nBob,Paris\n", ["name", "unnamed_2"], None),
        ("name\nAnna\nBob\n", ["name"], None),
        ("a,,\n1,2,3\n", ["a", "unnamed_2", "unnamed_3"], None),
    ],
)
def test_titles_and_comments_above_the_names_are_left_out(read_text, recwarn, text, names, left_out):
    if left_out:
        with pytest.warns(DataWarning, match=left_out):
            frame = read_text(text)
    elif names is None:
        with pytest.raises(DataError, match="fields instead of 2"):
            read_text(text)
        return
    else:
        frame = read_text(text)
        recwarn.clear()
    assert frame.columns == names
    assert len(frame) == (2 if left_out is None and len(names) < 3 else 1)


_ROWS = "".join(f"2024-05-{day},{day / 4},{day},s{day}\n" for day in range(10, 20))


@pytest.mark.parametrize(
    ("below", "lines"),
    [
        ("yyyy-mm-dd,degC,hPa,site\n", 1),
        (
            'When was it?,"How warm,\nin all?",How much?,\n{""Id"":1},{""Id"":2},{""Id"":3},x\n'.replace(
                '{""', '"{""'
            ).replace("},", '}",'),
            3,
        ),
        ("date,float,int,str\n", 1),
        (",degC,hPa,\n", 1),
        ("-,degC,hPa,-\n", 1),
        (",degC,hPa,s10\n", 0),  # a place that occurs below
        ("unknown,unknown,unknown,s1\n", 0),  # a row in which all is missing
        ("unknown,1.5,unknown,s1\n", 0),
        (",m,,s1\n", 0),
        ("", 0),
    ],
)
def test_units_and_questions_below_the_names_are_left_out(read_text, recwarn, below, lines):
    frame = read_text("day,t,p,site\n" + below + _ROWS)
    said = [str(one.message) for one in recwarn if "below the column names left out" in str(one.message)]
    assert bool(said) == bool(lines)
    assert len(frame) == 10 + (bool(below) and not lines)
    if lines:
        assert f"{lines} line" in said[0]
        assert frame.dtypes == [pl.String, pl.Float64, pl.Int64, pl.String]


def test_a_line_of_merged_cells_above_the_names_is_left_out(read_text, recwarn):
    frame = read_text(
        "\ufeff,Bought,,Sold,\nday,t,p,t,p\n"
        + "".join(f"2024-05-{i},{i},1,{i / 4},7\n" for i in range(10, 20))
    )
    assert frame.columns == ["day", "t", "p", "t_2", "p_2"] and len(frame) == 10
    assert "1 line above the column names left out, 'Bought,,Sold'" in str(recwarn[0].message)


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ("\nConfidential\nCopyright 2024\n", "2 lines below the rows left out, 'Confidential' …"),
        ("\n\nConfidential", "1 line below the rows left out, 'Confidential' …"),
    ],
)
def test_notes_below_the_rows_are_left_out(read_text, recwarn, notes, said):
    assert read_text("day,t,p,site\n" + _ROWS + notes).height == 10
    assert [said in str(one.message) for one in recwarn] == [True]


@pytest.mark.parametrize("notes", ["Confidential\n", "\nConfidential\n2024-05-20,1,2,s20\n", "\nNo,comma\n"])
@pytest.mark.parametrize("size", [1 << 20, *range(40, 260)])  # blocks that end anywhere
@pytest.mark.filterwarnings("ignore:.*1 line below the rows left out")
def test_what_may_be_a_broken_row_is_an_error(read_text, monkeypatch, notes, size):
    monkeypatch.setattr(dialect, "CHUNK", size)
    with pytest.raises(DataError, match=r"line 1\d: \d fields? instead of 4"):
        read_text("day,t,p,site\n" + _ROWS + notes)


@pytest.mark.parametrize(
    ("first", "names"),
    [
        ("  town   size   sold", ["town", "size", "sold"]),
        ('"town" "size" "sold"', ["unnamed_1", "town", "size", "sold"]),  # as R writes row names
    ],
)
def test_values_with_spaces_between_them(tmp_path, recwarn, first, names):
    rows = [["New York", "12", "1.5"], ["Rome", "345", "20.25"], ["", "7", "NA"]] * 20
    is_of_r = len(names) > 3
    lines = [
        " ".join([f'"{i}"'] * is_of_r + [f'"{town}"', f"{size:>5}", f"{sold:<9}"])
        for i, (town, size, sold) in enumerate(rows)
    ]
    (tmp_path / "a.txt").write_bytes("\r\n".join([first, *lines, "", lines[0]]).encode("utf-16"))
    frame = read(tmp_path / "a.txt")
    assert frame.columns == names
    assert frame.rows()[-1][-3:] == ("New York", 12, 1.5)
    assert frame["sold"].to_list() == [1.5, 20.25, None] * 20 + [1.5]
    with pytest.raises(DataError, match=rf"line 63: {len(names) - 1} fields"):
        (tmp_path / "b.txt").write_text("\n".join([first, *lines, "", lines[0].rsplit(maxsplit=1)[0]]))
        read(tmp_path / "b.txt")


@pytest.mark.parametrize("text", ["Ann Lee\nBob Ray\n", "a b 1\nc d 2\n", "one two three\nfour five six\n"])
def test_names_and_sentences_are_not_divided(read_text, text):
    assert read_text("who\n" + 5 * text).width == 1 or text.startswith("a b")


def test_an_error_below_units_names_its_line(read_text):
    with pytest.warns(DataWarning, match="1 line below"), pytest.raises(DataError, match="line 13: 1 field "):
        read_text("day,t,p,site\nd,degC,hPa,name\n" + _ROWS + "1\n")


def test_an_error_below_titles_names_its_line(read_text):
    with pytest.warns(DataWarning, match="2 lines"), pytest.raises(DataError, match="line 5: 3 fields"):
        read_text("Title\n\na;b\n1;2\n1;2;3\n")


def test_column_names_within_the_rows_are_left_out(read_text, monkeypatch):
    text = "kind,y\na,1\nb,0\nkind,y\nb,1\n\nkind,y\na,x\n".replace("\n", "\r\n")
    for size in (1 << 24, 12):
        monkeypatch.setattr(dialect, "CHUNK", size)
        with pytest.warns(DataWarning, match="line 4: the column names again") as told:
            assert read_text(text).rows() == [("a", "1"), ("b", "0"), ("b", "1"), ("a", "x")]
        assert len(told) == 1
    assert read_text("0,1\n0,1\n2,3\n").rows() == [(0, 1), (2, 3)]  # numbers may be values, too
    assert read_text("y\ny\nn\n")["y"].to_list() == ["y", "n"]


def test_lines_are_counted_beyond_repeated_column_names(read_text):
    with pytest.raises(DataError, match="line 4: 3 fields"):
        read_text("a,b\n1,2\na,b\n1,2,3\n")


_VALUES = ["5", "-.5", "007", "-07", "+5", "0", "1.500", "1e3", "1234567890123456789", "x", "", "NA", "nan"]


@pytest.mark.parametrize(("size", "part"), [(1 << 23, 1 << 18), (1 << 15, 1 << 18), (1 << 15, 1009)])
def test_plain_blocks_are_read_like_quoted_ones(tmp_path, monkeypatch, size, part):
    # Plain blocks are checked and parsed quickly: their types must not depend on it. Each column has one value for more
    # rows than types are guessed from, then another.
    monkeypatch.setattr(dialect, "CHUNK", size)
    monkeypatch.setattr(delimited, "_PART", part)
    columns = [[a] * 230 + [b] * 20 for a in _VALUES for b in _VALUES]
    names = ",".join(f"c{i}" for i in range(len(columns)))
    plain = [",".join(row) for row in zip(*columns, strict=True)]
    quoted = [
        ",".join(v if v in ("", "NA", "nan") else f'"{v}"' for v in row) for row in zip(*columns, strict=True)
    ]
    (tmp_path / "quoted.csv").write_text("\n".join([names, *quoted]))
    expected = read(tmp_path / "quoted.csv")
    for end in ("\n", "\r\n"):
        (tmp_path / "plain.csv").write_bytes(end.join([names, *plain]).encode())
        found = read(tmp_path / "plain.csv")
        assert found.schema == expected.schema
        assert found.equals(expected)
        parts = list(iter_batches(tmp_path / "plain.csv", rows=100))  # which parses each block twice
        assert pl.concat(parts).equals(expected)


@pytest.mark.parametrize("part", [1, 2, 3, 4, 5, 17, 1 << 18])
def test_codes_are_found_wherever_they_are(read_text, monkeypatch, part):
    monkeypatch.setattr(delimited, "_PART", part)
    for value in ("05", "+05", "-00", "0", "10", "0.5", "-0", "5"):
        for place in range(9):
            cells = ["1"] * 9
            cells[place] = value
            rows = [cells[i : i + 3] for i in range(0, 9, 3)]
            kinds = read_text("a,b,c\n" + "".join(",".join(row) + "\n" for row in rows)).dtypes
            is_code = value in ("05", "+05", "-00")
            other = pl.String if is_code else pl.Float64 if value == "0.5" else pl.Int64
            assert kinds == [other if j == place % 3 else pl.Int64 for j in range(3)]


def test_a_missing_value_among_integers_is_parsed_once_more(read_text, monkeypatch):
    parsed: list[list[str]] = []
    frame = delimited.DelimitedFile._frame

    def count(self, records, types, missing):
        parsed.append(sorted(missing))
        return frame(self, records, types, missing)

    monkeypatch.setattr(delimited.DelimitedFile, "_frame", count)
    monkeypatch.setattr(dialect, "CHUNK", 1 << 12)
    rows = [f"{i},{'NA' if i % 1000 == 999 else i},{'-' if i % 7 == 0 else 'x'}" for i in range(3000)]
    assert read_text("a,b,c\n" + "\n".join(rows) + "\n").null_count().row(0) == (0, 3, 429)
    assert {*map(tuple, parsed)} == {(), ("NA",)}  # polars compares each value with each of these texts


def test_a_column_that_turns_out_to_be_text_in_a_later_block(tmp_path, monkeypatch):
    monkeypatch.setattr(dialect, "CHUNK", 64)
    rows = [(f"{i}.50", str(i), f"{i}") for i in range(50)] + [("x", "2.5", "01")]
    (tmp_path / "a.csv").write_text("a,b,c\n" + "".join(",".join(row) + "\n" for row in rows))
    frame = read(tmp_path / "a.csv")
    assert frame["a"].to_list() == [row[0] for row in rows]
    assert frame["b"].to_list() == [float(row[1]) for row in rows]
    assert frame["c"].to_list() == [row[2] for row in rows]


def test_numbers_that_stand_for_missing_values(read_text):
    text = "a,b\n1.5,-999\n-999,2\n-999.0,x\n"
    assert read_text(text, missing=("-999",)).rows() == [(1.5, None), (None, "2"), (-999.0, "x")]


def test_a_line_with_more_fields_beside_one_with_fewer(read_text):
    with pytest.raises(DataError, match="line 3: 1 field instead of 2"):
        read_text("a,b\n1,2\n3\n4,5,6\n")
    with pytest.raises(DataError, match="line 2: 3 fields instead of 2"):
        read_text("a,b\n4.5,5,6\n3\n1.5,2\n")


def test_first_lines_that_are_hardly_names_are_told(read_text):
    with pytest.warns(DataWarning, match="'5.1' became a column's name; if the first line has values"):
        read_text("5.1,3,setosa\n4.9,3,setosa\n")
    with pytest.warns(DataWarning, match='in single quotes; quote="\'" removes these'):
        assert read_text("'a','b'\n'1','x'\n").columns == ["'a'", "'b'"]
    assert read_text("'a','b'\n'1','x'\n", quote="'").rows() == [(1, "x")]
    assert read_text("2021,2022\n1.5,2\n").columns == ["2021", "2022"]
