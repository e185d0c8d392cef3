"""Files of other libraries in the place of weights: what is said of them."""

import io
import pickle
import zipfile

import joblib
import numpy as np
import pytest

import lamina
from lamina import nd
from lamina.errors import DataError
from lamina.gluon import nn


def zipped(*names):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return content.getvalue()


def written(write):
    content = io.BytesIO()
    write(content)
    return content.getvalue()


# What torch.save writes begins with this number as a pickle of protocol 2, since 1.6 it is a zip archive
LEGACY = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2) + pickle.dumps({"weight": 1}, protocol=2)
FILES = {
    "w.pt": (zipped("w/data.pkl", "w/data/0", "w/version"), "file of torch.save"),
    "old.pth": (LEGACY, "a pickle of PyTorch's, which can execute code .* safetensors.torch.save_file"),
    "m.ckpt": (zipped("archive/data.pkl"), "file of torch.save"),
    "m.h5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file, as Keras writes: .* h5py"),
    "m.keras": (zipped("metadata.json", "config.json", "model.weights.h5"), "a model of Keras: .* h5py"),
    "m.npz": (written(lambda file: np.savez(file, a=np.ones(3))), "archive of NumPy's arrays .*numpy.load"),
    "m.npy": (written(lambda file: np.save(file, np.ones(30))), "an array of NumPy's: .*numpy"),
    "m.pkl": (pickle.dumps(list(range(9))), "a pickle, as pickle and joblib .* execute code"),
    "m.joblib": (written(lambda file: joblib.dump({"a": np.ones(3)}, file)), "a pickle, as pickle and joblib"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_of_others_are_named_wherever_weights_are_expected(tmp_path, name):
    content, said = FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    net = nn.Dense(2, in_units=3)
    net.initialize()
    for load in (
        lambda: lamina.load_state_dict(net, path),
        lambda: net.load_parameters(str(path)),
        lambda: lamina.load(path),
        lambda: nd.load(str(path)),
        lambda: lamina.import_onnx(path),
    ):
        with pytest.raises(DataError, match=f"{name}.*{said}") as caught:
            load()
        assert "…" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_archive_is_told_as_before(tmp_path):
    path = tmp_path / "w.pt"
    path.write_bytes(FILES["w.pt"][0][:40])
    with pytest.raises(DataError, match="its first 8 bytes announce a header of"):
        lamina.load(path)
