"""Deformed digits: where they look pixels up, how far that is from where they were, and that a seed repeats it."""

import numpy as np
import pytest
from scipy import ndimage

from lamina import nd
from lamina.compiler import compile
from lamina.runs.recipes._networks import SIDE, Deformation, looked_up

STILL = Deformation(bend=0, turn=0, scale=0, slant=0, shift=0)


def made(count):
    return np.random.default_rng(0).integers(0, 256, (count, SIDE**2), np.uint8)


def with_seed(deformation, images, seed):
    nd.random.seed(seed)
    return deformation(nd.array(images, dtype=np.uint8)).asnumpy()


def ramps(deformation, count):
    """Where `count` pictures look up: rows and columns, of what lies far enough from the edge to move freely."""
    rows, columns = np.divmod(np.arange(SIDE**2), SIDE)
    inner = (rows >= 10) & (rows < 18) & (columns >= 10) & (columns < 18)
    found = [with_seed(deformation, np.tile(x.astype(np.uint8), (count, 1)), 5) for x in (rows, columns)]
    return [x[:, inner] - where[inner] for x, where in zip(found, (rows, columns), strict=True)]


def test_places_between_pixels_are_as_scipy_has_them():
    images, source = made(3), np.random.default_rng(1)
    rows, columns = source.uniform(-3, SIDE + 2, (2, 3, SIDE**2)).astype(np.float32)
    found = looked_up(nd.array(images, dtype=np.uint8), nd.array(rows), nd.array(columns)).asnumpy()
    for picture, row, column, result in zip(images, rows, columns, found, strict=True):
        expected = ndimage.map_coordinates(
            picture.reshape(SIDE, SIDE).astype(float), [row, column], order=1, mode="nearest"
        )
        np.testing.assert_allclose(
            result, expected, atol=0.3
        )  # the last pixel is looked up at 26.999, not at 27


def test_nothing_drawn_leaves_digits_as_they_are():
    images = made(4)
    np.testing.assert_allclose(with_seed(STILL, images, 0), images, atol=0.3)


def test_a_shift_moves_whole_pictures_by_no_more_than_that():
    down, right = ramps(Deformation(bend=0, turn=0, scale=0, slant=0, shift=2.0), 200)
    for moved in (down, right):
        assert np.ptp(moved, axis=1).max() < 1e-3
        assert 1.8 < np.abs(moved).max() <= 2.001
    assert np.abs(down - right).max() > 1


@pytest.mark.slow
@pytest.mark.parametrize("bend", [0.5, 1.2])
def test_the_field_bends_as_far_as_it_says(bend):
    down, right = ramps(Deformation(bend=bend, turn=0, scale=0, slant=0, shift=0), 400)
    for moved in (down, right):
        assert moved.std() == pytest.approx(bend, rel=0.1)
        assert np.ptp(moved, axis=1).mean() > bend / 2


def test_a_turn_keeps_distances():
    down, right = ramps(Deformation(bend=0, turn=20, scale=0, slant=0, shift=0), 50)
    steps = np.diff(np.stack([down, right]).reshape(2, 50, 8, 8) + np.mgrid[:8, :8][:, None], axis=3)
    np.testing.assert_allclose(np.hypot(*steps), 1, atol=1e-3)


@pytest.mark.slow
def test_a_seed_repeats_it_compiled_or_not():
    images = made(5)
    first, again, other = (with_seed(Deformation(), images, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 5
    np.testing.assert_allclose(with_seed(compile(Deformation()), images, 1), first, atol=0.5)
