"""Arrays and images as tables."""

import gzip
import pickle
import sys
import zipfile
import zlib

import numpy as np
import polars as pl
import pytest
from idx_files import write_idx
from PIL import Image

from lamina.datasets import read_digit
from lamina.errors import DataError, MissingPackageError
from lamina.table.read import iter_batches, read

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 3, 4)).astype(np.uint8)


def test_npz(tmp_path):
    np.savez(tmp_path / "a.npz", images=PIXELS, y=np.arange(5), name=np.array(list("abcde")))
    frame = read(tmp_path / "a.npz")
    assert frame.columns == [*(f"pixel_{i}" for i in range(12)), "y", "name"]
    np.testing.assert_array_equal(
        frame.select(pl.selectors.starts_with("pixel")).to_numpy(), PIXELS.reshape(5, 12)
    )
    assert frame["name"].to_list() == list("abcde") and frame["pixel_0"].dtype == pl.UInt8
    np.savez(tmp_path / "b.npz", u=np.ones((2, 2)), v=np.zeros((2, 1)))
    assert read(tmp_path / "b.npz").columns == ["u_0", "u_1", "v_0"]


def test_npz_that_is_no_table(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=PIXELS, x_test=PIXELS[:2])
    with pytest.raises(DataError, match=r"shapes are x_train \(5, 3, 4\), x_test \(2, 3, 4\)"):
        read(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.array([{}], object))
    with pytest.raises(DataError, match=r"not a readable \.npz"):
        read(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes(pickle.dumps(1))
    with pytest.raises(DataError, match=r"not a readable \.npz"):
        read(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz")
    with pytest.raises(DataError, match="no arrays"):
        read(tmp_path / "d.npz")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_with_the_labels_beside_it(tmp_path, suffix):
    write_idx(tmp_path / f"t-images-idx3-ubyte{suffix}", PIXELS)
    assert read(tmp_path / f"t-images-idx3-ubyte{suffix}").columns == [f"pixel_{i}" for i in range(12)]
    write_idx(tmp_path / "t-labels-idx1-ubyte", np.arange(5, dtype=np.uint8))
    frame = read(tmp_path / f"t-images-idx3-ubyte{suffix}")
    assert frame["label"].to_list() == [0, 1, 2, 3, 4] and frame.width == 13
    assert read(tmp_path / "t-labels-idx1-ubyte").columns == ["label"]
    write_idx(tmp_path / "t-labels-idx1-ubyte", np.arange(4, dtype=np.uint8))
    with pytest.raises(DataError, match=r"5 images, but .* labels of shape \(4,\)"):
        read(tmp_path / f"t-images-idx3-ubyte{suffix}")


def test_a_single_number_is_no_table(tmp_path):
    (tmp_path / "a.idx").write_bytes(bytes([0, 0, 8, 0, 7]))
    np.savez(tmp_path / "a.npz", x=np.float32(7))
    for name in ("a.idx", "a.npz"):
        with pytest.raises(DataError, match=rf"{name} is a single number, not the rows of a table"):
            read(tmp_path / name)


def test_a_truncated_idx_file(tmp_path):
    write_idx(tmp_path / "a.idx", PIXELS)
    (tmp_path / "a.idx").write_bytes((tmp_path / "a.idx").read_bytes()[:-1])
    with pytest.raises(DataError, match=r"a\.idx"):
        read(tmp_path / "a.idx")
    (tmp_path / "b.idx.gz").write_bytes(gzip.compress(b"abc"))
    with pytest.raises(DataError):
        read(tmp_path / "b.idx.gz")


def image_folder(folder, mode="L"):
    for i, pixels in enumerate(PIXELS):
        target = folder / ("cat" if i % 2 else "dog") / f"{i}.png"
        target.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(pixels).convert(mode).save(target)
    return folder


def test_a_folder_of_images(tmp_path):
    frame = read(image_folder(tmp_path / "pets"))
    assert frame["label"].to_list() == ["cat", "cat", "dog", "dog", "dog"]
    np.testing.assert_array_equal(frame.drop("label").to_numpy(), PIXELS[[1, 3, 0, 2, 4]].reshape(5, 12))
    assert [len(batch) for batch in iter_batches(tmp_path / "pets", rows=2)] == [2, 2, 1]
    colour = read(image_folder(tmp_path / "colour", "RGB"))
    assert colour.width == 37 and colour["pixel_0"].to_list() == colour["pixel_2"].to_list()


def test_images_without_classes(tmp_path):
    flat = image_folder(tmp_path / "pets") / "cat"
    assert read(flat)["file"].to_list() == ["1.png", "3.png"]


def test_an_image_is_a_table_of_one_row(tmp_path):
    flat = image_folder(tmp_path / "pets") / "cat"
    assert read(flat / "3.png").rows() == [(*PIXELS[3].ravel().tolist(), "3.png")]
    assert read(flat / "*.png").equals(read(flat))


def test_folders_that_are_no_table(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="has no images"):
        read(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/model.safetensors").write_bytes(b"")
    with pytest.raises(
        DataError, match="run has a model, and no table; name the model first, then the table"
    ):
        read(tmp_path / "run")
    folder = image_folder(tmp_path / "pets")
    Image.new("L", (9, 9)).save(folder / "dog" / "6.png")
    with pytest.raises(DataError, match=r"6\.png is 9×9 pixels, but .*1\.png is 4×3"):
        read(folder)
    (folder / "dog" / "6.png").write_bytes((folder / "dog" / "0.png").read_bytes()[:50])
    with pytest.raises(DataError, match=r"6\.png"):
        read(folder)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'lamina\[plot\]'"):
        read(folder)


def test_npz_files_that_claim_what_they_do_not_have(tmp_path):
    def reason_of(header, version=b"\x01\x00"):
        header = header.encode() + b"\n"
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            content = b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + bytes(800)
            archive.writestr("x.npy", content)
        with pytest.raises(DataError, match=r"not a readable \.npz file of numbers and text") as caught:
            read(tmp_path / "a.npz")
        return str(caught.value)

    def described(dtype, shape):
        return f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}}}"

    assert "too few for float64 of shape (1000000000000,)" in reason_of(described("<f8", "(1000000000000,)"))
    assert "values of type" in reason_of(described("|S0", "(1000000000000,)"))
    assert "values of type" in reason_of(described("|V8", "(100,)"))
    assert "has version (3, 0)" in reason_of(described("<f8", "(100,)"), b"\x03\x00")
    reason_of("{'descr': '<f8', 'fortran_order': (((((")
    reason_of("[" * 5000)


def test_npz_files_that_unpack_to_far_more(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(20_000_000))
    with pytest.raises(DataError, match="256 times its size"):
        read(tmp_path / "a.npz")


def test_too_many_columns(tmp_path):
    write_idx(tmp_path / "a.idx", np.zeros((2, 300_000), np.uint8))
    np.savez(tmp_path / "b.npz", np.zeros((2, 300_000), np.uint8))
    Image.new("RGB", (200, 200)).save(tmp_path / "c.png")
    for name, columns, most in (
        ("a.idx", "300,000", "262,144"),
        ("b.npz", "300,000", "262,144"),
        ("c.png", "120,000", "65,536"),
    ):
        with pytest.raises(
            DataError, match=rf"{name} would give a table of {columns} columns; at most {most}"
        ):
            read(tmp_path / name)


def test_pictures_are_refused_by_the_size_that_they_claim(tmp_path):
    Image.new("1", (3, 3)).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = (9000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a.png has 9000 × 9000 pixels; at most 65,536 are read"):
        read(tmp_path / "a.png")


def test_a_picture_that_pillow_would_run_as_a_program(tmp_path, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", lambda *_args, **_options: pytest.fail("a program was started"))
    program = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "a.png").write_text(program)
    with pytest.raises(DataError, match=r"a\.png is not a readable picture"):
        read(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png is not a readable picture"):
        read_digit(tmp_path / "a.png")


def test_a_file_of_another_kind_is_said_to_be_none_of_pictures(tmp_path):
    """Pillow's own message has the file's object, not its name."""
    (tmp_path / "a.png").write_text("a,b\n1,2\n")
    with pytest.raises(
        DataError, match=r"a\.png is not a readable picture: its format .* \(.*JPEG"
    ) as raised:
        read(tmp_path / "a.png")
    assert "<" not in str(raised.value)
