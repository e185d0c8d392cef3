"""Spreadsheets: a sheet is the same table as in CSV, and damaged ones harm nothing."""

import datetime
import zipfile

import numpy as np
import openpyxl
import polars as pl
import pytest

from lamina.errors import DataError
from lamina.table.places import Places
from lamina.table.read import read
from lamina.table.source import ReadOptions

HEADER = ["nr", "when", "day", "took", "ok", "price", "zip", "note"]
DAY = datetime.datetime(2024, 3, 1)
ROWS = [
    [
        1,
        DAY.replace(hour=10, minute=5, second=3),
        DAY,
        datetime.timedelta(hours=26, minutes=3),
        True,
        1.5,
        "01234",
        "a, b",
    ],
    [
        2,
        DAY.replace(hour=9, minute=0, second=1),
        DAY,
        datetime.timedelta(minutes=3),
        False,
        2,
        "00034",
        "#N/A",
    ],
    [3.0, None, DAY, datetime.timedelta(seconds=5), False, -0.1, None, '"quoted"\nnew line'],
]


@pytest.fixture
def book(tmp_path):
    """A function that writes a workbook of the sheets in its arguments, and returns the file."""

    def written(**sheets):
        whole = openpyxl.Workbook()
        whole.remove(whole.active)
        for name, rows in sheets.items():
            sheet = whole.create_sheet(name)
            for row in rows:
                sheet.append(row)
        whole.save(tmp_path / "book.xlsx")
        return tmp_path / "book.xlsx"

    return written


def test_cells_are_read_as_in_csv(book):
    frame = read(book(Data=[HEADER, *ROWS]))
    assert frame.schema == {
        "nr": pl.Int64, "when": pl.String, "day": pl.String, "took": pl.String, "ok": pl.String,
        "price": pl.Float64, "zip": pl.String, "note": pl.String,
    }  # fmt: skip
    assert frame.rows() == [
        (1, "2024-03-01 10:05:03", "2024-03-01", "26:03:00", "true", 1.5, "01234", "a, b"),
        (2, "2024-03-01 09:00:01", "2024-03-01", "0:03:00", "false", 2.0, "00034", None),
        (3, None, "2024-03-01", "0:00:05", "false", -0.1, None, '"quoted"\nnew line'),
    ]


def test_titles_and_empty_rows_are_left_out_and_rows_keep_their_numbers(book):
    """A person looks for row 7 in the sheet, and not in what was written of it."""
    sheet = [[], [None, "Report"], [None, None], [None, "a", "b"], [None, 1, 2], [None, None], [None, 3, 4]]
    places = Places()
    with pytest.warns(UserWarning, match="above the column names left out, 'Report'"):
        frame = read(book(Data=sheet), places=places)
    assert frame.select("a", "b").rows() == [(1, 2), (3, 4)]
    assert [places.of(row).split(" of ")[0] for row in range(2)] == ["line 5", "line 7"]


def test_merged_cells_have_their_value_in_each_row(book):
    file = book(Data=[["region", "n"], ["North", 1], [None, 2], [None, 3], ["South", 4], [None, 5]])
    whole = openpyxl.load_workbook(file)
    for cells in ("A2:A4", "A5:A6"):
        whole["Data"].merge_cells(cells)
    whole.save(file)
    assert read(file).rows() == [("North", 1), ("North", 2), ("North", 3), ("South", 4), ("South", 5)]


def test_numbers_among_dates_are_dates(book):
    """Excel stores a date as its days since 1899-12-30; cells without the format of dates are such numbers."""
    rows = [[DAY, DAY, 1], [45352, 45352, 2], [DAY, 7, 3], [45351.5, 45352, 4], [DAY, "soon", 5]]
    frame = read(book(data=[["day", "other", "nr"], *rows]))
    assert frame["day"].to_list() == [
        "2024-03-01", "2024-03-01", "2024-03-01", "2024-02-29 12:00:00", "2024-03-01"
    ]  # fmt: skip
    assert frame["other"].to_list() == [
        "2024-03-01",
        "45352",
        "7",
        "45352",
        "soon",
    ]  # more numbers than dates
    assert frame["nr"].to_list() == [1, 2, 3, 4, 5]
    frame = read(book(data=[["day"], [DAY], [DAY], [DAY], [12], [-3], [10**7], [True]]))
    assert frame["day"].to_list()[3:] == ["12", "-3", "10000000", "true"]
    frame = read(book(data=[["until"], [DAY], [datetime.datetime(9999, 12, 31)], [DAY], [2_958_470]]))
    assert frame["until"].to_list() == ["2024-03-01", "9999-12-31", "2024-03-01", "2958470"]


def test_a_merged_title_is_one(book):
    file = book(
        Data=[
            [None, "Sales"],
            [],
            [None, "region", None, "n"],
            [None, "North", None, 1],
            [None, "South", None, 4],
        ]
    )
    whole = openpyxl.load_workbook(file)
    whole["Data"].merge_cells("B1:D1")
    whole.save(file)
    with (
        pytest.warns(UserWarning, match="1 column without a name"),
        pytest.warns(UserWarning, match="2 lines above the column names left out, 'Sales'"),
    ):
        assert read(file).columns == ["region", "unnamed_2", "n"]


def test_the_sheet(book):
    file = book(Empty=[], Title=[["Sales"]], First=[["a"], [1]], Second=[["a"], [2]], hidden=[["a"], [3]])
    whole = openpyxl.load_workbook(file)
    whole["hidden"].sheet_state = "hidden"
    whole.save(file)
    with pytest.warns(UserWarning, match=r"'First' is read, not 'Second'; --sheet"):
        assert read(file)["a"].to_list() == [1]
    assert read(file, ReadOptions(sheet="Second"))["a"].to_list() == [2]
    with pytest.raises(DataError, match=r"no sheet 'Secnd', but 'Empty', .*Did you mean 'Second'"):
        read(file, ReadOptions(sheet="Secnd"))
    with pytest.raises(DataError, match="has no sheet with column names and a row"):
        read(book(Empty=[], Title=[["Sales"]]))


def test_open_documents_are_read(tmp_path):
    cells = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    number = '<table:table-cell office:value-type="float" office:value="{0}"><text:p>{0}</text:p></table:table-cell>'
    rows = [cells.format("a") + cells.format("b"), number.format(1) + cells.format("x")]
    uses = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    table = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    content = (
        f'<office:document-content{uses}><office:body><office:spreadsheet><table:table table:name="T">{table}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("content.xml", content)
    assert read(tmp_path / "a.ods").rows() == [(1, "x")]


def test_numbers_are_exact(book):
    numbers = [0.1, 1 / 3, 1e-300, 2.0**53, 123456789012, -5.0, 1e15]
    values = read(book(Data=[["x"], *([number] for number in numbers)]))["x"].to_numpy()
    np.testing.assert_array_equal(values, numbers)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PK\x03\x04 and more"])
def test_what_is_no_spreadsheet(tmp_path, content):
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.xlsx is not a readable spreadsheet"):
        read(tmp_path / "a.xlsx")


def test_a_sheet_that_claims_to_be_huge_harms_nothing(tmp_path, book):
    """A reader that takes the memory for all cells between the first and the last would abort the process."""
    whole = openpyxl.Workbook()
    whole.active["A1"], whole.active["A2"], whole.active["XFD1048576"] = "x", 1, 5
    whole.save(tmp_path / "huge.xlsx")
    with pytest.raises(DataError, match=r"huge\.xlsx is not a readable spreadsheet: it is damaged"):
        read(tmp_path / "huge.xlsx")
    assert read(book(Data=[["a"], [1]])).rows() == [(1,)]
