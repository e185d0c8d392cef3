"""Pictures of digits: MNIST's own survive, disguised ones come back, damaged and hostile files are told."""

import contextlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from lamina.datasets._digits import _resampling, normalize_digit, read_digit
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.files.idx import read_idx

MNIST = Path(__file__).parents[2] / "src" / "lamina" / "support" / "datasets" / "bundled"
IMAGES = read_idx(MNIST / "t10k-images-idx3-ubyte.gz")
LABELS = read_idx(MNIST / "t10k-labels-idx1-ubyte.gz")


def enlarged(digit: np.ndarray, factor: int) -> np.ndarray:
    return np.asarray(Image.fromarray(digit).resize((28 * factor, 28 * factor), Image.Resampling.BICUBIC))


def test_mnists_own_digits_pass_through_in_either_polarity() -> None:
    for digit in IMAGES[::20]:
        np.testing.assert_array_equal(normalize_digit(digit), digit)
        np.testing.assert_array_equal(normalize_digit(255 - digit), digit)


def test_the_result_does_not_alias_the_input() -> None:
    digit = IMAGES[0].copy()
    normalize_digit(digit)[:] = 9
    np.testing.assert_array_equal(digit, IMAGES[0])


@pytest.mark.parametrize("new", [1, 7, 20, 50])
def test_resampling_against_pillow(new: int) -> None:
    line = np.random.default_rng(0).uniform(size=(1, 33)).astype(np.float32)
    pillow = np.asarray(Image.fromarray(line).resize((new, 1), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(_resampling(33, new) @ line[0], pillow[0], rtol=1e-5)


def disguises(digit: np.ndarray, random: np.random.Generator) -> Iterator[np.ndarray]:
    """The same digit as people might send it: enlarged, off centre, on other paper, noisy, shaded."""
    large = enlarged(digit, int(random.integers(2, 7))).astype(float)[..., None] / 255
    margins = random.integers(0, 100, 4)
    ink = np.pad(large, (margins[:2], margins[2:], (0, 0)))
    black, white = np.zeros(3), np.full(3, 255.0)
    yield black * (1 - ink) + white * ink
    yield (white * (1 - ink) + black * ink)[..., :1]
    yield np.array([250, 240, 200]) * (1 - ink) + np.array([20, 40, 160]) * ink
    yield np.array([30, 90, 60]) * (1 - ink) + np.array([240, 250, 230]) * ink  # a blackboard
    noisy = white * 0.8 * (1 - ink) + 30 * ink + random.normal(0, 6, ink.shape)
    yield noisy * np.linspace(0.85, 1, noisy.shape[1])[:, None]  # a photograph
    yield np.concatenate([np.full_like(ink, 10), 255 * ink], -1)  # black on nothing
    yield np.concatenate([np.full_like(ink, 250).repeat(3, -1), 255 * ink], -1)  # white on nothing


def nearest_labels(digits: list[np.ndarray]) -> np.ndarray:
    """1-nearest neighbour among test digits that are not themselves disguised here."""
    references = IMAGES[100:5100].reshape(-1, 784).astype(np.float32)
    queries = np.reshape(digits, (-1, 784)).astype(np.float32)
    return LABELS[100 + np.argmin((references**2).sum(1) - 2 * queries @ references.T, axis=1)]


@pytest.mark.slow
def test_disguised_digits_are_recognised_as_the_original_is() -> None:
    random = np.random.default_rng(1)
    originals: list[np.ndarray] = []
    restored: list[np.ndarray] = []
    for digit in IMAGES[:40]:
        for picture in disguises(digit, random):
            originals.append(digit)
            restored.append(normalize_digit(np.clip(picture, 0, 255).astype(np.uint8)))
    difference = np.abs(np.array(restored, float) - np.array(originals)).mean(axis=(1, 2))
    assert difference.max() < 30
    assert difference.mean() < 10
    agree = nearest_labels(restored) == nearest_labels(originals)
    assert agree.mean() > 0.95


@pytest.mark.slow
@given(
    hnp.arrays(st.sampled_from([np.uint8, np.bool_]), hnp.array_shapes(min_dims=2, max_dims=2, max_side=40))
)
def test_any_image_is_blank_or_takes_mnists_form(image: np.ndarray) -> None:
    try:
        digit = normalize_digit(image)
    except DataError as error:
        assert "blank" in str(error)
        return
    assert digit.shape == (28, 28)
    assert digit.dtype == np.uint8
    rows, columns = np.nonzero(digit)
    assert max(np.ptp(rows), np.ptp(columns)) < 20
    if image.shape != (28, 28):
        assert digit.max() == 255


def test_element_types_agree() -> None:
    picture = enlarged(IMAGES[3], 3)
    expected = normalize_digit(picture)
    for same in (
        picture.astype(np.int64),
        picture / 255,
        picture.astype(np.uint16) * 257,
        picture[..., None],
    ):
        np.testing.assert_array_equal(normalize_digit(same), expected)


def test_what_is_no_image() -> None:
    for shape in ((28,), (2, 28, 28, 1), (28, 28, 5), (0, 28), (28, 28, 0), (1, 100_001)):
        with pytest.raises(ShapeError, match="found shape"):
            normalize_digit(np.zeros(shape))
    with pytest.raises(DTypeError, match="complex128"):
        normalize_digit(np.zeros((28, 28), complex))
    for value in (-1.0, 3.0, np.nan):
        with pytest.raises(DataError, match="expected pixels from 0 to 1; found"):
            normalize_digit(np.array([[0, value]]))
    with pytest.raises(DataError, match="from 0 to 255; found 0 to 300"):
        normalize_digit(np.array([[0, 300]]))


def test_blank_pictures(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(240, 250, (50, 50, 3)).astype(np.uint8)
    for blank in (
        np.zeros((28, 28), np.uint8),
        np.full((9, 9, 4), 255, np.uint8),
        np.zeros((9, 9, 4), np.uint8),
        noise,
    ):
        with pytest.raises(DataError, match="blank"):
            normalize_digit(blank)
    Image.new("RGB", (40, 40), "white").save(tmp_path / "white.png")
    with pytest.raises(DataError, match=r"white\.png: the picture is blank"):
        read_digit(tmp_path / "white.png")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK", "YCbCr"])
def test_every_kind_of_picture_file(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(np.pad(enlarged(IMAGES[4], 6), 30))
    if mode in ("I;16", "I", "F"):
        scale = {"I;16": 257, "I": 1000, "F": 0.01}[mode]
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        picture = Image.fromarray((np.asarray(picture).astype(float) * scale).astype(kind))
    else:
        picture = picture.convert(mode)
    picture.save(
        tmp_path / "digit", {"CMYK": "JPEG", "YCbCr": "JPEG", "F": "TIFF", "I": "TIFF"}.get(mode, "PNG")
    )
    digit = read_digit(tmp_path / "digit")
    assert np.abs(digit.astype(float) - IMAGES[4]).mean() < 12


@pytest.mark.slow
def test_orientation_and_reduction_of_a_photograph(tmp_path: Path) -> None:
    picture = Image.fromarray(255 - np.pad(enlarged(IMAGES[2], 100), ((700, 100), (50, 400))))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "photo.jpg", exif=exif)
    assert np.abs(read_digit(tmp_path / "photo.jpg").astype(float) - IMAGES[2]).mean() < 12


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("size", [(10_000, 10_000), (100_000, 100_000), (1, 60_000_000)])
def test_decompression_bombs(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "bomb.png").write_bytes(png_header(*size) + bytes(100))
    with pytest.raises(DataError, match=r"bomb\.png"):
        read_digit(tmp_path / "bomb.png")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        read_digit(tmp_path / "missing.png")
    Image.fromarray(enlarged(IMAGES[0], 10)).save(tmp_path / "good.png")
    good = (tmp_path / "good.png").read_bytes()
    for content in (b"", b"no picture", good[:-200], good[:50]):
        (tmp_path / "bad.png").write_bytes(content)
        with pytest.raises(DataError, match=r"bad\.png is not a readable picture"):
            read_digit(tmp_path / "bad.png")


@settings(max_examples=50)
@given(st.data())
def test_changed_bytes_load_or_raise_data_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("digits") / "digit"
    Image.fromarray(enlarged(IMAGES[1], 2)).save(
        path, data.draw(st.sampled_from(["PNG", "JPEG", "BMP", "GIF"]))
    )
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        assert read_digit(path).shape == (28, 28)
