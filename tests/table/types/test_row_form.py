"""The form of rows: an object with a value per column, unless all columns have one type with a form of its own."""

import io
from dataclasses import replace

import numpy as np
import pytest
from idx_files import write_idx
from PIL import Image

from lamina.datasets import mnist
from lamina.errors import DataError
from lamina.table.schema import Schema
from lamina.table.types import ColumnSchema, Number, Pixel
from lamina.table.types.base import RowForm
from lamina.table.types.pixel import PictureForm, pixel_columns

AGE = ColumnSchema("age", Number(), "Int64", low=17.0, high=90.0, mean=38.5)
PICTURES = Schema(pixel_columns(), 0, False)


@pytest.mark.parametrize(
    ("columns", "form"),
    [
        (pixel_columns(), PictureForm),
        ((AGE, *pixel_columns()), RowForm),
        ((AGE,), RowForm),
        ((), RowForm),
    ],
)
def test_a_form_of_its_own_is_for_tables_of_one_type(columns, form):
    assert type(Schema(columns, 0, True).row_form) is form


def test_rows_of_a_table_are_objects_or_without_names_also_arrays():
    named = Schema((AGE, replace(AGE, name="hours")), 0, True).row_form
    assert [*named.example()] == ["age", "hours"] == named.json_schema()["required"]
    unnamed = Schema(named.schema.columns, 0, False).row_form
    by_name, in_order = unnamed.json_schema()["oneOf"]
    assert by_name == named.json_schema()
    assert (in_order["minItems"], in_order["maxItems"], len(in_order["prefixItems"])) == (2, 2, 2)
    assert (
        named.columns == named.schema.used
        and not named.whole
        and not named.media
        and named.named_rows(["a.csv"]) is None
    )


def test_rows_of_pictures_are_arrays_of_pixels():
    form = PICTURES.row_form
    example, described = form.example(), form.json_schema()
    assert len(example) == described["minItems"] == described["maxItems"] == 784
    assert set(example) == {0, 255} and described["items"]["maximum"] == 255
    assert not any(map(Pixel().refusal, example))


def test_pictures_are_files_and_bodies(tmp_path):
    image = mnist().test_images[0]
    Image.fromarray(image).save(tmp_path / "seven.png")
    write_idx(tmp_path / "two.idx", mnist().test_images[:2])
    names, pixels = PICTURES.row_form.named_rows([str(tmp_path / "seven.png"), str(tmp_path / "two.idx")])
    assert [name.rpartition("/")[2] for name in names] == ["seven.png", "two.idx[0]", "two.idx[1]"]
    np.testing.assert_array_equal(pixels[0], pixels[1])
    read = PICTURES.row_form.media["image/png"].read
    np.testing.assert_array_equal(read((tmp_path / "seven.png").read_bytes()), pixels[:1])


def _wide():
    content = io.BytesIO()
    Image.new("L", (3000, 3000)).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"GIF89a", "not a PNG picture"),
        (b"\x89PNG\r\n\x1a\n", "not a readable picture"),
        (_wide(), "at most 4,194,304"),
    ],
)
def test_a_body_that_is_no_picture_is_refused(body, message):
    with pytest.raises(DataError, match=message):
        PICTURES.row_form.media["image/png"].read(body)
