"""Files of torch.save: what PyTorch wrote is read to the bit, and nothing that a file says is executed."""

import io
import os
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina import nd
from lamina.errors import DataError
from lamina.gluon import nn
from lamina.support.files.torch_file import load_torch

FIXTURES = Path(__file__).parent / "fixtures"
WEIGHTS = FIXTURES / "torch_state.pt"


def network():
    net = nn.HybridSequential()
    net.add(
        nn.Dense(5),
        nn.BatchNorm(),
        nn.Activation("relu"),
        nn.Dense(4),
        nn.LayerNorm(),
        nn.PReLU(),
        nn.Dense(2),
    )
    return net


def test_what_pytorch_saved_predicts_the_same():
    lamina.load_state_dict(net := network(), WEIGHTS)
    content = np.load(FIXTURES / "torch_state.npz")
    found = net(nd.array(content["in.input"])).asnumpy()
    np.testing.assert_allclose(found, content["peer"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["torch_kinds.pt", "torch_kinds_5.pt"])
def test_every_type_and_every_part_of_a_storage(name):
    wanted = np.load(FIXTURES / "torch_kinds.npz")
    found = load_torch(FIXTURES / name)
    assert list(found) == wanted.files
    for key, array in found.items():
        np.testing.assert_array_equal(array, wanted[key], strict=True)
        assert array.flags.c_contiguous


def test_wherever_weights_are_read(tmp_path):
    weights = nd.load(WEIGHTS)
    np.testing.assert_array_equal(weights["0.weight"].asnumpy(), load_torch(WEIGHTS)["0.weight"])
    path = tmp_path / "dense.pt"
    net = nn.Dense(2, in_units=3)
    net.initialize()
    path.write_bytes(archive({"weight": tensor("0", [2, 3], [3, 1]), "bias": tensor("1", [2], [1])}, [6, 2]))
    net.load_parameters(str(path))
    assert net.weight.data().asnumpy().tolist() == [[0, 1, 2], [3, 4, 5]]
    net.collect_params().load(str(path), restore_prefix=net.prefix)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torch_legacy.pt", r"a pickle of PyTorch's, which can execute code .* safetensors.torch.save_file"),
        (
            "torch_module.pt",
            r"reading it would call .*, which lamina refuses; .*torch.save\(net.state_dict\(\), file\)",
        ),
        ("torch_checkpoint.pt", r"more than a state_dict: 'model' is a dict, not a tensor; .*torch.save\("),
        ("torch_complex.pt", "a storage of torch ComplexFloatStorage, which NumPy lacks"),
    ],
)
def test_what_is_no_state_dict_says_what_to_do(name, message):
    for load in (lambda path: lamina.load_state_dict(network(), path), network().load_parameters, nd.load):
        with pytest.raises(DataError, match=message):
            load(FIXTURES / name)


# --- files that are made to do harm -----------------------------------------------------------------------------------


class Storage:
    """A reference to a storage, as PyTorch's pickles have it."""

    def __init__(self, key, elements, kind="FloatStorage"):
        self.key, self.elements, self.kind = key, elements, kind


class Called:
    """A call that a pickle asks for."""

    def __init__(self, module, name, *arguments):
        self.function, self.arguments = Global(module, name), arguments

    def __reduce__(self):
        return self.function, self.arguments


class Global:
    """Something of a module's, by its name."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):
        raise NotImplementedError


class Pickler(pickle._Pickler):
    """Writes names of modules that need not be there."""

    def persistent_id(self, obj):
        if isinstance(obj, Storage):
            return ("storage", Global("torch", obj.kind), obj.key, "cpu", obj.elements)
        return None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        else:
            super().save(obj, save_persistent_id)


def tensor(key, shape, strides, begin=0, elements=None, **more):
    storage = Storage(key, int(np.prod(shape)) if elements is None else elements, **more)
    return Called(
        "torch._utils", "_rebuild_tensor_v2", storage, begin, tuple(shape), tuple(strides), False, None
    )


def archive(content, storages=(), pickled=None, **more):
    """A file as PyTorch writes it: storages of so many float32."""
    if pickled is None:
        buffer = io.BytesIO()
        Pickler(buffer, 2).dump(content)
        pickled = buffer.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **more) as out:
        out.writestr("archive/data.pkl", pickled)
        for key, elements in enumerate(storages):
            out.writestr(f"archive/data/{key}", np.arange(elements, dtype="<f4").tobytes())
    return file.getvalue()


def read(path, content):
    path.write_bytes(content)
    return load_torch(path)


def test_the_pickles_made_here_are_such_as_pytorchs(tmp_path):
    found = read(tmp_path / "x.pt", archive({"w": tensor("0", [2, 2], [1, 2], begin=1, elements=6)}, [6]))
    assert found["w"].tolist() == [[1, 3], [2, 4]]


class Run:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize(
    "harm",
    [
        lambda trace: Run(os.system, f"touch {trace}"),
        lambda trace: Run(eval, f"open({str(trace)!r}, 'w')"),
        lambda trace: {"w": Run(os.mkdir, str(trace))},
        lambda trace: Called("torch._utils", "_rebuild_parameter", Run(os.mkdir, str(trace))),
        lambda trace: Called("torch.hub", "load", str(trace)),
        lambda trace: {"w": tensor(Run(os.mkdir, str(trace)), [1], [1])},
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_nothing_is_executed(tmp_path, harm, protocol):
    trace = tmp_path / "trace"
    buffer = io.BytesIO()
    Pickler(buffer, protocol).dump(harm(trace))
    with pytest.raises(DataError, match=r"it would call|its pickle"):
        read(tmp_path / "x.pt", archive(None, [1], pickled=buffer.getvalue()))
    assert not trace.exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (tensor("0", [4], [1], elements=3), "tensor 'w' reaches beyond its storage"),
        (tensor("0", [3], [1], begin=1, elements=3), "reaches beyond its storage"),
        (tensor("0", [2], [2**40], elements=3), "reaches beyond its storage"),
        (tensor("0", [2], [-1], begin=2, elements=3), "an impossible shape or offset"),
        (tensor("0", [-1], [1], elements=3), "an impossible shape or offset"),
        (tensor("0", [1], [1], begin=-1, elements=3), "an impossible shape or offset"),
        (tensor("0", [1.0], [1], elements=3), "an impossible shape or offset"),
        (tensor("0", [2**40], [0], elements=3), "unpacks to more than"),
        (tensor("0", [2**40, 2**40, 0], [0, 0, 0], elements=3), "."),
        (tensor("0", [1, 1], [1], elements=3), "a shape that NumPy can't hold"),
        (tensor("0", [1] * 65, [1] * 65, elements=3), "a shape that NumPy can't hold"),
        (tensor("0", [3], [1], elements=2**40), "12 bytes, but its 1,099,511,627,776 elements need 4,398,046,511,104"),
        (tensor("../../0", [3], [1]), "the storage '../../0' is not there"),
        (tensor("9", [3], [1]), "the storage '9' is not there"),
        (tensor("0", [3], [1], kind="QUInt8Storage"), "a storage of torch QUInt8Storage, which NumPy lacks"),
        ({"deep": 1}, "'w' is a dict, not a tensor"),
        (3.5, "'w' is something else, not a tensor"),
    ],
)  # fmt: skip
def test_what_a_pickle_says_is_checked(tmp_path, value, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path / "x.pt", archive({"w": value}, [3]))


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"", "exhausted"),
        (b"\x80\x02.", "does not end with one value"),
        (b"\x80\x02}}.", "does not end with one value"),
        (b"\x80\x02}(.", "does not end with one value"),
        (b"\x80\x02(t.", "a tuple"),
        (b"\x80\x02t.", "takes values without a mark"),
        (b"\x80\x02R.", "takes a value from an empty stack"),
        (b"\x80\x02h\x07.", "reads a memo entry that it did not write"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", None),
        (b"\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "."),
        (b"\x80\x02(I1\nI2\nl.", "the opcode INT, which no state_dict needs"),
        (b"\x80\x02cos\nsystem\nq\x00.", "something else"),
        (b"\x80\x02(ios\nsystem\n.", "the opcode INST"),
        (b"\x80\x02}cos\nsystem\nb.", "it holds|is not"),
        (b"\x80\x02}K\x01Ns.", "."),
        (rb"S'\o'" + b"\n.", "the opcode STRING"),
    ],
)  # fmt: skip
def test_damaged_pickles(tmp_path, pickled, message):
    content = archive(None, pickled=pickled)
    if message is None or b"system\nb" in pickled:  # a place far away, and attributes, cost and do nothing
        assert read(tmp_path / "x.pt", content) == {}
        return
    with pytest.raises(DataError, match=message):
        read(tmp_path / "x.pt", content)


def test_archives_that_are_none_of_pytorchs(tmp_path):
    content = archive({"w": tensor("0", [3], [1])}, [3])
    for cut in (10, len(content) // 2, len(content) - 1):
        with pytest.raises(DataError, match=r"is not a readable file of torch\.save"):
            lamina.load_state_dict(network(), write(tmp_path / "x.pt", content[:cut]))
    packed = archive({"w": tensor("0", [3], [1])}, [3], compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="is compressed, which PyTorch never does"):
        read(tmp_path / "x.pt", packed)
    flipped = content.replace(np.arange(3, dtype="<f4").tobytes(), np.ones(3, "<f4").tobytes())
    with pytest.raises(DataError, match="Bad CRC-32"):
        read(tmp_path / "x.pt", flipped)


def write(path, content):
    path.write_bytes(content)
    return path


@given(st.data())
def test_damaged_files_are_read_or_refused(data):
    content = bytearray(WEIGHTS.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    pickled = bytearray(zipfile.ZipFile(WEIGHTS).read("torch_state/data.pkl"))
    place = data.draw(st.integers(0, len(pickled) - 1))
    pickled[place] = data.draw(st.integers(0, 255))
    for one in (bytes(content), archive(None, [30, 5, 5, 5, 5], pickled=bytes(pickled))):
        with NamedTemporaryFile() as file, suppress(DataError):
            load_torch(write(Path(file.name), one))
