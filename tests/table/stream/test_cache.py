"""Encoded rows come back from the disk as they were written, in any order of groups."""

from types import SimpleNamespace

import numpy as np
import pytest

from lamina.errors import DataError
from lamina.table.stream import cache
from lamina.table.stream.cache import CacheWriter, Layout, ShuffledWriter
from lamina.table.stream.sample import row_keys

rng = np.random.default_rng(0)
ROWS = 1000


@pytest.fixture(params=[0, 2])
def layout(request, monkeypatch):
    """Groups of 16 rows, windows of 64."""
    layout = Layout(inputs=3, codes=2, outputs=request.param)
    monkeypatch.setattr(cache, "_FEWEST_ROWS", 16)
    monkeypatch.setattr(cache, "_GROUP_BYTES", 16 * layout.row_bytes)
    monkeypatch.setattr(cache, "_WINDOW_BYTES", 64 * layout.row_bytes)
    return layout


def rows_of(layout):
    target = (ROWS, layout.outputs) if layout.outputs else (ROWS,)
    return [
        rng.normal(size=(ROWS, 3)).astype(np.float32),
        np.stack([np.arange(ROWS), rng.integers(0, 9, ROWS)], axis=1).astype(np.int32),
        rng.normal(size=target).astype(np.float32),
    ]


def written(writer, arrays, keys=None):
    keys = row_keys(np.arange(ROWS), 0) if keys is None else keys
    with writer:
        for begin in range(0, ROWS, 37):
            writer.append(*(x[begin : begin + 37] for x in (*arrays, keys)))
        return writer.finish()


def test_groups_come_back_in_any_order(layout, tmp_path):
    arrays = rows_of(layout)
    found = written(CacheWriter(tmp_path, layout), arrays)
    assert (found.rows, found.groups, layout.group, layout.window) == (ROWS, 63, 16, 64)
    read = layout.arrays(64)
    order = [62, 5, 0]
    count = found.read(order, read)
    numbers = np.concatenate([np.arange(group * 16, min(group * 16 + 16, ROWS)) for group in order])
    assert count == len(numbers) == 40
    for own, array in zip(read, arrays, strict=True):
        np.testing.assert_array_equal(own[:count], array[numbers])


def test_shuffled_on_disk_they_are_the_same_rows_in_another_order(layout, tmp_path):
    arrays = rows_of(layout)
    plain = written(CacheWriter(tmp_path, layout), arrays)
    division = SimpleNamespace(training=ROWS)
    digests = set()
    for cut in (1, 2):  # the order does not depend on the blocks
        folder = tmp_path / str(cut)
        folder.mkdir()
        writer = ShuffledWriter(folder, layout, division)
        with writer:
            keys = row_keys(np.arange(ROWS), 0)
            for begin in range(0, ROWS, 100 * cut):
                writer.append(*(x[begin : begin + 100 * cut] for x in (*arrays, keys)))
            found = writer.finish()
        assert [path.name for path in folder.iterdir()] == ["rows"]
        digests.add(found.digest)
    assert len(digests) == 1 and plain.digest not in digests
    read = layout.arrays(ROWS)
    assert found.read(range(found.groups), read) == ROWS
    order = read[1][:, 0]
    assert sorted(order) == list(range(ROWS))
    assert abs(np.corrcoef(order, np.arange(ROWS))[0, 1]) < 0.1
    for own, array in zip(read, arrays, strict=True):
        np.testing.assert_array_equal(own, array[order])


def test_a_file_that_became_shorter_is_told(layout, tmp_path):
    found = written(CacheWriter(tmp_path, layout), rows_of(layout))
    with found.path.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(DataError, match="has been truncated since it was written"):
        found.read([3], layout.arrays(64))


def test_the_digest_is_of_every_row(layout, tmp_path):
    arrays = rows_of(layout)
    digests = {written(CacheWriter(tmp_path, layout), arrays).digest for _ in range(2)}
    arrays[1][500, 1] += 1
    assert len(digests | {written(CacheWriter(tmp_path, layout), arrays).digest}) == 2
