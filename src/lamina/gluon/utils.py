"""Helpers for training loops, to split batches among devices and to clip gradients."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.array import Facade
from lamina.core.state import state
from lamina.device.context import Context
from lamina.errors import ShapeError
from lamina.gluon.block import HookHandle
from lamina.nd import NDArray, array, maximum, slice_axis, sqrt
from lamina.nd import sum as sum_of
from lamina.nd.facade import mapped, plain, presented, shown
from lamina.support.messages import warn
from lamina.support.unsupported import names_of_others

__all__ = [
    "HookHandle", "check_sha1", "clip_global_norm", "download", "shape_is_known", "split_and_load", "split_data",
]  # fmt: skip


def split_data(data: NDArray, num_slice: int, batch_axis: int = 0, even_split: bool = True) -> list[NDArray]:
    """Split `data` along `batch_axis` into `num_slice` equal slices.

    With ``even_split=False`` the first slices may be one larger.

    >>> from lamina import nd
    >>> [part.shape for part in split_data(nd.zeros((5, 2)), 2, even_split=False)]
    [(3, 2), (2, 2)]
    """
    if isinstance(data, Facade):
        return mapped(split_data(plain(data), num_slice, batch_axis, even_split), shown)
    size = data.shape[batch_axis]
    if even_split and size % num_slice:
        raise ShapeError(
            f"split_data: {size} samples (axis {batch_axis} of shape {data.shape}) are not divisible into {num_slice} "
            f"equal parts; use a batch size that is a multiple of {num_slice}, or pass even_split=False"
        )
    each, larger = divmod(size, num_slice)
    ends = [each * (i + 1) + min(i + 1, larger) for i in range(num_slice)]
    bounds = list(zip([0, *ends], ends, strict=False))
    if batch_axis == 0:  # as in MXNet, these share memory
        return [data[begin:end] for begin, end in bounds]
    return [slice_axis(data, axis=batch_axis, begin=begin, end=end) for begin, end in bounds]


def split_and_load(
    data: Any, ctx_list: Sequence[Context] | Context, batch_axis: int = 0, even_split: bool = True
) -> list[NDArray]:
    """Split `data` by `split_data`, and copy a slice to each context; `data` is anything that `nd.array` accepts.

    >>> import lamina as mx
    >>> from lamina import gluon
    >>> parts = gluon.utils.split_and_load([[1, 2], [3, 4]], [mx.cpu(0), mx.cpu(1)])
    >>> [(part.shape, part.context) for part in parts]
    [((1, 2), cpu(0)), ((1, 2), cpu(1))]
    """
    contexts = [ctx_list] if isinstance(ctx_list, Context) else list(ctx_list)
    whole: Any = data if isinstance(data, NDArray | Facade) else presented(array(data, ctx=contexts[0]))
    parts = [whole] if len(contexts) == 1 else split_data(whole, len(contexts), batch_axis, even_split)
    return [part.as_in_context(ctx) for part, ctx in zip(parts, contexts, strict=True)]


def clip_global_norm(arrays: Sequence[NDArray], max_norm: float, check_isfinite: bool = True) -> Any:
    """Scale all arrays in place by one factor if their global norm √(Σx²) exceeds `max_norm`.

    Args:
        arrays: usually gradients.
        max_norm: the largest permitted norm.
        check_isfinite: whether to return the norm as a NumPy scalar, and warn if it is not finite. Otherwise the norm
            is an array of shape (1,), as it always is inside `lamina.compile`.

    Returns:
        The norm of all arrays together before scaling.

    >>> from lamina import nd
    >>> x = nd.array([3.0, 4.0])
    >>> clip_global_norm([x], 1.0).item()
    5.0
    >>> x.asnumpy()
    array([0.6, 0.8], dtype=float32)
    """
    if len(arrays) == 0:
        raise ShapeError("clip_global_norm: there are no arrays")
    arrays = [plain(x) for x in arrays]
    context = arrays[0].context
    squares = [sum_of(x.astype(np.float32, copy=False) ** 2).as_in_context(context) for x in arrays]
    norm = sqrt(sum(squares[1:], squares[0]))
    if check_isfinite and state.trace is None and not math.isfinite(norm.item()):
        warn("clip_global_norm: the norm is not finite, so the arrays become NaN or 0")
    scale = max_norm / maximum(norm + 1e-8, max_norm)
    for x in arrays:
        factor = scale.as_in_context(x.context).astype(x.dtype, copy=False)
        x *= factor.reshape((1,) * x.ndim)
    return norm.asscalar() if check_isfinite and state.trace is None else norm


def check_sha1(filename: str | os.PathLike[str], sha1_hash: str) -> bool:
    """Whether a file has the SHA-1 digest `sha1_hash`, in hexadecimal."""
    with open(filename, "rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest() == sha1_hash


def download(
    url: str,
    path: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    sha1_hash: str | None = None,
    retries: int = 5,
    verify_ssl: bool = True,
) -> str:
    """Download a file, unless it is there already, and return its path.

    Args:
        url: its address.
        path: the file to write, or a folder for a file of the name in `url`; by default the current folder.
        overwrite: whether to download a file that is there.
        sha1_hash: its SHA-1 digest; a file that has another one is downloaded again.
        retries: how often a download that failed is tried again.
        verify_ssl: whether to check the server's certificate.

    Raises:
        requests.RequestException: the download failed; it is an `OSError`.
        ValueError: the downloaded file has another digest.
    """
    import pooch

    name = url.rpartition("/")[2]
    target = os.path.expanduser(name if path is None else path)
    target = os.path.join(target, name) if os.path.isdir(target) else target
    if overwrite or not os.path.exists(target) or (sha1_hash and not check_sha1(target, sha1_hash)):
        folder, new = os.path.dirname(os.path.abspath(target)), f"{os.path.basename(target)}.new"
        known = {new: f"sha1:{sha1_hash}" if sha1_hash else None}
        source = pooch.create(folder, "", registry=known, urls={new: url}, retry_if_failed=retries)
        # Any: pooch annotates the argument more narrowly than it documents it.
        downloader: Any = pooch.HTTPDownloader(verify=verify_ssl)
        os.replace(source.fetch(new, downloader=downloader), target)
    return target


def shape_is_known(shape: Sequence[int] | None) -> bool:
    """Whether a shape has no unknown sizes, which are written 0 or -1.

    >>> shape_is_known((2, 3)), shape_is_known((2, 0)), shape_is_known(None)
    (True, False, False)
    """
    return shape is not None and all(size > 0 for size in shape)


__getattr__ = names_of_others("lamina.gluon.utils")
