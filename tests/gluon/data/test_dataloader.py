"""DataLoader: batches, dtypes, threads that prepare ahead, and errors that say what to do."""

import gc
import threading
import time
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import lamina as mx
from lamina import nd
from lamina.errors import DataError, ShapeError
from lamina.gluon.data import (
    ArrayDataset,
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    SimpleDataset,
    default_batchify_fn,
)


def numbered(length: int = 10) -> ArrayDataset:
    return ArrayDataset(nd.arange(2 * length).reshape((length, 2)), np.arange(length, dtype=np.int32))


@pytest.mark.parametrize(
    ("last_batch", "sizes"), [(None, [4, 4, 2]), ("keep", [4, 4, 2]), ("discard", [4, 4])]
)
def test_last_batch(last_batch: str | None, sizes: list[int]) -> None:
    loader = DataLoader(numbered(), 4, last_batch=last_batch)
    assert [len(label) for _, label in loader] == sizes
    assert len(loader) == len(sizes)


def test_rollover_goes_on_in_the_next_pass() -> None:
    loader = DataLoader(numbered(), 4, last_batch="rollover")
    assert [label.asnumpy().tolist() for _, label in loader] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert next(iter(loader))[1].asnumpy().tolist() == [8, 9, 0, 1]


def test_a_batch_is_a_list_of_arrays_in_the_dtype_of_the_data() -> None:
    batch = next(iter(DataLoader(numbered(), 4)))
    assert isinstance(batch, list)
    data, label = batch
    assert (data.shape, data.dtype, label.shape, label.dtype) == ((4, 2), np.float32, (4,), np.int32)


@pytest.mark.parametrize(
    ("samples", "dtype"),
    [
        ([1.5, 2.5], np.float64),
        ([1, 2], np.int64),
        ([np.float16(1), np.float16(2)], np.float16),
        ([np.zeros(3, np.uint8)] * 2, np.uint8),
        ([[1, 2], [3, 4]], np.int64),
        ([True, False], np.bool_),
    ],
)
def test_dtypes_of_what_is_stacked(samples: list[Any], dtype: type) -> None:
    batch = default_batchify_fn(samples)
    assert batch.dtype == dtype
    np.testing.assert_array_equal(batch.asnumpy(), np.asarray(samples))


def test_shuffled_batches_keep_data_and_label_together() -> None:
    mx.random.seed(1)
    labels: list[int] = []
    for data, label in DataLoader(numbered(50), 8, shuffle=True):
        np.testing.assert_array_equal(data.asnumpy()[:, 0], 2 * label.asnumpy())
        labels += label.asnumpy().tolist()
    assert labels != sorted(labels)
    assert sorted(labels) == list(range(50))


def test_samplers_and_batchify_of_ones_own() -> None:
    data = SimpleDataset(list("abcdef"))
    assert list(DataLoader(data, 4, sampler=SequentialSampler(3, 2), batchify_fn="".join)) == ["cde"]
    batches = BatchSampler(SequentialSampler(6), 3)
    assert list(DataLoader(data, batch_sampler=batches, batchify_fn="".join)) == ["abc", "def"]


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_give_the_same_batches_in_the_same_order(workers: int) -> None:
    mx.random.seed(2)
    alone = [label.asnumpy().tolist() for _, label in DataLoader(numbered(100), 7, shuffle=True)]
    mx.random.seed(2)
    names: set[str] = set()

    def transform(data: Any, label: Any) -> Any:
        names.add(threading.current_thread().name)
        return data, label

    loader = DataLoader(numbered(100).transform(transform), 7, shuffle=True, num_workers=workers)
    assert [label.asnumpy().tolist() for _, label in loader] == alone
    assert all(name.startswith("lamina-data") for name in names)


def test_threads_prepare_no_more_than_prefetch() -> None:
    made: list[int] = []
    data = SimpleDataset(range(40)).transform(lambda i: made.append(i) or i)
    batches = iter(DataLoader(data, 2, num_workers=1, prefetch=3))
    next(batches)
    time.sleep(0.05)
    assert len(made) <= 2 * (1 + 3)
    assert sum(len(b) for b in batches) == 38


def test_an_error_in_a_thread_reaches_the_loop() -> None:
    def broken(i: int) -> int:
        if i == 5:
            raise KeyError("picture 5 is missing")
        return i

    with pytest.raises(KeyError, match="picture 5"):
        list(DataLoader(SimpleDataset(range(9)).transform(broken), 2, num_workers=2))


def test_leaving_the_loop_early_stops_the_threads() -> None:
    before, started = set(threading.enumerate()), set()  # other tests may have left some that are ending
    for _ in DataLoader(numbered(100), 2, num_workers=2):
        started = {t for t in threading.enumerate() if t.name.startswith("lamina-data")} - before
        break
    assert started
    for thread in started:
        thread.join(60)
        assert not thread.is_alive()


def test_a_worker_that_hangs_is_reported() -> None:
    release = threading.Event()
    data = SimpleDataset(range(2)).transform(lambda i: release.wait(5) and i)
    with pytest.raises(DataError, match=r"more than 0.05 s"):
        list(DataLoader(data, 2, num_workers=1, timeout=0.05))
    release.set()


def test_samples_of_different_shapes() -> None:
    with pytest.raises(ShapeError, match=r"\(2,\), \(3,\) do not stack"):
        list(DataLoader(SimpleDataset([np.zeros(2), np.zeros(3)]), 2))
    with pytest.raises(ShapeError, match=r"batchify_fn"):
        list(DataLoader(SimpleDataset([nd.zeros(2), nd.zeros(3)]), 2))


def test_contradictory_arguments() -> None:
    data = SimpleDataset([1])
    with pytest.raises(ValueError, match="pass batch_size"):
        DataLoader(data)
    with pytest.raises(ValueError, match="shuffle must be False"):
        DataLoader(data, 1, shuffle=True, sampler=RandomSampler(1))
    with pytest.raises(ValueError, match="batch_sampler makes the batches"):
        DataLoader(data, 1, batch_sampler=[[0]])
    with pytest.raises(TypeError, match="no length"):
        len(DataLoader(data, batch_sampler=iter([[0]])))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_next_pass_may_begin_by_itself(workers: int) -> None:
    drawn: list[int] = []

    class Noting(Dataset):
        def __len__(self) -> int:
            return 6

        def __getitem__(self, idx: int) -> int:
            drawn.append(idx)
            return idx

    def values(loader: DataLoader) -> list[int]:
        return [x for batch in loader for x in batch.asnumpy().tolist()]

    loader = DataLoader(Noting(), 2, num_workers=workers, prefetch=2, auto_reload=True, thread_pool=True)
    assert values(loader) == values(loader) == list(range(6))
    if workers:
        deadline = time.monotonic() + 10
        while len(drawn) < 16 and time.monotonic() < deadline:  # two passes, and two batches of the third
            time.sleep(0.01)
        assert len(drawn) == 16
    loader.clean()
    assert values(loader) == list(range(6))


def test_a_pass_that_nobody_asked_for_ends() -> None:
    before = threading.active_count()
    loader = DataLoader(SimpleDataset(list(range(8))), 2, num_workers=2)
    loader.refresh()
    loader.clean()
    gc.collect()
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
    with pytest.raises(ValueError, match="timeout must be positive, given 0"):
        DataLoader([1], 1, timeout=0)


Pair = namedtuple("Pair", "x y")


def of_every_kind(i: int) -> dict[str, Any]:
    """A sample with parts of all kinds that stack, nested."""
    return {
        "image": nd.ones((2, 3)) * i,
        "number": 1.5 * i,
        "is_odd": bool(i % 2),
        "name": f"no. {i}",
        "deep": {"row": np.full(2, i, np.float32), "pair": (i, [i, i])},
        "named": Pair(i, -i),
    }


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_are_dictionaries(workers: int) -> None:
    loader = DataLoader(SimpleDataset([of_every_kind(i) for i in range(5)]), 2, num_workers=workers)
    first, _, last = loader
    assert list(first) == ["image", "number", "is_odd", "name", "deep", "named"]
    assert first["image"].asnumpy()[:, 0, 0].tolist() == [0, 1] and first["image"].shape == (2, 2, 3)
    assert first["number"].asnumpy().tolist() == [0, 1.5]
    assert first["is_odd"].asnumpy().tolist() == [False, True]
    assert first["name"] == ["no. 0", "no. 1"]
    assert first["deep"]["row"].asnumpy().tolist() == [[0, 0], [1, 1]]
    assert [x.asnumpy().tolist() for x in first["deep"]["pair"]] == [[0, 1], [[0, 0], [1, 1]]]
    assert type(first["named"]) is Pair and first["named"].y.asnumpy().tolist() == [0, -1]
    assert last["name"] == ["no. 4"] and last["image"].shape == (1, 2, 3)


def test_a_dictionary_beside_a_label() -> None:
    loader = DataLoader(ArrayDataset([{"x": i} for i in range(4)], nd.arange(4)), 2, shuffle=True)
    for batch, label in loader:
        assert batch["x"].asnumpy().tolist() == label.asnumpy().tolist()


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (
            [{"x": 1}, {"y": 1}],
            "sample 1 of a batch is {'y': 1}, but sample 0 is {'x': 1}; give all .* same keys",
        ),
        ([{"x": 1}, 3], "sample 1 of a batch is 3"),
        ([(1, 2), (1,)], r"sample 1 of a batch is \(1,\), but sample 0 is \(1, 2\); .* number of items"),
        ([(1, 2), 7], "sample 1 of a batch is 7"),
    ],
)
def test_samples_that_are_not_alike(samples: list[Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        list(DataLoader(samples, 2))
