"""Recognition of other libraries' files that are passed as a model or weights, with advice on conversion."""

from __future__ import annotations

import os
import zipfile
from io import BufferedReader
from typing import IO

from lamina.errors import MissingFileError

_SAFETENSORS = (
    'in PyTorch, safetensors.torch.save_file(net.state_dict(), "net.safetensors") writes what lamina.load_state_dict '
    "reads"
)
_EXECUTES = "which can execute code when it is loaded, so lamina does not load it"
_ARRAYS = "read its arrays with {}, and set parameters by net.collect_params()[name].set_data(array)"


def opened(path: str | os.PathLike[str], kind: str) -> BufferedReader:
    """The file `path` opened for reading; errors say that it is missing, or a folder and not `kind`."""
    name = os.fspath(path)
    if os.path.isdir(name):
        raise IsADirectoryError(f"{name} is a folder, not {kind}")
    try:
        return open(name, "rb")
    except FileNotFoundError as error:
        raise MissingFileError(f"there is no file {name}") from error


def what_else(file: IO[bytes]) -> str | None:
    """A description, with advice, of another library's file that lamina can't load as a model.

    Returns None if the kind of the file is unknown. Nothing in the file is executed or unpacked.

    >>> import io, pickle
    >>> what_else(io.BytesIO(pickle.dumps([1])))[:47]
    'it is a pickle, as pickle and joblib write them'
    """
    file.seek(0)
    start = file.read(16)
    if start.startswith(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46"):  # PyTorch's magic number, until 1.6
        return f"it is a pickle of PyTorch's, {_EXECUTES}: {_SAFETENSORS}"
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return (
            f"it is a pickle, as pickle and joblib write them, {_EXECUTES}: load it where it was written, and convert "
            "the model by lamina.from_sklearn, or save lamina's own by lamina.save"
        )
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return f"it is an HDF5 file, as Keras writes: {_ARRAYS.format('h5py')}"
    if start.startswith(b"\x93NUMPY"):
        return f"it is an array of NumPy's: {_ARRAYS.format('numpy.load')}"
    return _archive(file) if start.startswith(b"PK\x03\x04") else None


def _archive(file: IO[bytes]) -> str | None:
    try:
        names = zipfile.ZipFile(file).namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return None
    if any(name.endswith("data.pkl") for name in names):
        return "it is a file of torch.save, with weights but no network: lamina.load_state_dict loads them into one"
    if "model.weights.h5" in names:
        return f"it is a model of Keras: {_ARRAYS.format('h5py from its model.weights.h5')}"
    if names and all(name.endswith(".npy") for name in names):
        return f"it is an archive of NumPy's arrays (.npz): {_ARRAYS.format('numpy.load')}"
    return None
