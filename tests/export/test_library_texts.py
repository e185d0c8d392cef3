"""Libraries read texts as Python does: every letter, and the whole prediction."""

import ctypes
import itertools
import unicodedata

import numpy as np
import polars as pl
import pytest
from any_texts import sentences, texts_of_any_kind
from c_library import TableLibrary, needs_linker
from guarded_memory import guarded
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from lamina.compiler.cpu.machine import host_machine
from lamina.compiler.cpu.standalone import OneThreadModule
from lamina.compiler.llvm import FLOAT64, INDEX
from lamina.compiler.llvm.jit import compile_linkable
from lamina.export.library._texts import emit_text_reader, scratch_bytes
from lamina.export.library._write import linked
from lamina.table.ngrams import TextEncoder, tokens

pytestmark = needs_linker
N = 300
FRAME = pl.DataFrame(
    {
        "k": ["a", "b", "c"] * (N // 3),
        "said": [None if i % 23 == 7 else text for i, text in enumerate(sentences(N, 5))],
        "x": np.random.default_rng(0).normal(size=N),
        "name": sentences(N, 6),
        "z": np.random.default_rng(1).normal(size=N),
    }
)
PRICE = FRAME["said"].fill_null("").str.contains("wine").cast(pl.Float64) + FRAME["x"] / 5


class Reader:
    """A library of nothing but a reader of texts."""

    def __init__(self, encoder, path):
        module, self.encoder = OneThreadModule(host_machine().in_order), encoder
        emit_text_reader(module, "text", encoder)
        arguments = {"texts": None, "numbers": None, "scratch": None, "count": INDEX}
        with module.function("read_texts", arguments) as b, b.loop(0, b.argument("count")) as i:
            text = b.load_pointer(b.pointer_argument("texts"), i)
            numbers = b.offset(b.pointer_argument("numbers"), i * encoder.weights.shape[1], FLOAT64)
            b.call("text", text, numbers, b.pointer_argument("scratch"))
        code = compile_linkable(module.machine, [(module.ir(), ["read_texts"])], ["read_texts"])
        path.write_bytes(linked(code, module.machine, []))
        self.function = ctypes.CDLL(str(path)).read_texts
        self.function.argtypes = [*[ctypes.c_void_p] * 3, ctypes.c_size_t]
        self.function.restype = None

    def read(self, texts):
        """The numbers of texts (or bytes; None: missing), beside memory that stays as it was."""
        texts = [text.replace("\0", " ").encode() if isinstance(text, str) else text for text in texts]
        held = [text if text is None else guarded(np.frombuffer(text + b"\0", np.uint8)) for text in texts]
        places = (ctypes.c_void_p * len(texts))(
            *(text if text is None else text.ctypes.data for text in held)
        )
        numbers = np.full((len(texts), self.encoder.weights.shape[1]), -7.0)
        size = scratch_bytes(len(self.encoder.hashes))
        scratch = np.full(size + 64, 77, np.uint8)
        self.function(ctypes.addressof(places), numbers.ctypes.data, scratch.ctypes.data, len(texts))
        assert (scratch[size:] == 77).all()
        return numbers


def encoder_of(texts, numbers=3):
    """An encoder that knows tokens of these texts, with random numbers."""
    hashes = np.unique(tokens(texts)[0])
    _, first = np.unique(hashes >> 14, return_index=True)
    hashes = np.random.default_rng(0).permutation(hashes[first])[: 1 << 14]
    weights = np.random.default_rng(1).normal(size=(len(hashes), numbers)).astype(np.float16)
    return TextEncoder(hashes, np.linspace(1, 3, len(hashes), dtype=np.float32), weights)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    counts = dict.fromkeys(sentences(N, 5), 2)
    return Reader(TextEncoder.learned(counts, 10), tmp_path_factory.mktemp("texts") / "reader.so")


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(texts_of_any_kind, min_size=1, max_size=40))
def test_numbers_are_the_same(reader, texts):
    np.testing.assert_allclose(reader.read(texts), reader.encoder.encode(texts), rtol=1e-13, atol=1e-15)


@pytest.mark.slow
def test_every_letter_is_folded_alike(tmp_path):
    """Alone, before marks that compose with it or do not, and in Hangul's parts."""
    letters = [
        chr(c) for c in [*range(1, 0xD800), *range(0xE000, 0x10000), *range(0x1D000, 0x20100), 0x2F800]
    ]
    letters += [chr(c) for c in (0x30000, 0xE0100, 0xF0000, 0x10FFFF)]
    texts = ["".join(letters[i : i + 4]) for i in range(0, len(letters), 4)]
    marks = ["\u0301", "\u0323\u0302", "\u0302\u0323", "\u0308\u0301\u0327", "\u0345", "\u3099", "\u0338"]
    texts += [f"{letter}{mark}x" for letter in letters if letter.isalpha() for mark in marks[:2]]
    texts += [f"{letter}{mark}x" for letter in letters[:0x600] + letters[0x1E00:0x2000] for mark in marks]
    hangul = itertools.product(
        "\u1100\u1112\u1113\uac00\uac01", "\u1161\u1175\u1176\u11a8", "\u11a7\u11a8\u11c2\u11c3"
    )
    texts += map("".join, hangul)
    for name, part in enumerate(np.array_split(np.array(texts, object), 8)):
        found = Reader(encoder_of(list(part)), tmp_path / f"{name}.so")
        np.testing.assert_allclose(
            found.read(list(part)), found.encoder.encode(list(part)), rtol=1e-12, atol=1e-14
        )


def test_memory_does_not_grow_with_a_text(reader):
    texts = ["red wine " * 5000, "ﷺ" * 20_000, "x" * 100_000, "⁗" * 30_000, "你好" * 20_000]
    np.testing.assert_allclose(reader.read(texts), reader.encoder.encode(texts), rtol=1e-12)
    assert np.isfinite(reader.read(["a" + "\u0301\u0323" * 10_000])).all()


def test_what_is_no_text(reader):
    assert np.isnan(reader.read([None])).all()
    assert (reader.read(["", " ", "\n"]) == 0).all()
    odd = [
        b"red \xff wine",
        b"red \xe4\xbd wine",
        b"\x80red wine",
        b"red wine\xf0",
        b"red wine \xf7\xbf\xbf\xbf",
    ]
    texts = ["red \ufffd wine", "red \ufffd wine", "\ufffdred wine", "red wine\ufffd", "red wine \ufffd"]
    np.testing.assert_allclose(reader.read(odd), reader.encoder.encode(texts), rtol=1e-13)


@pytest.mark.filterwarnings("ignore:the optimizer reached max_iter")
def test_predictions_are_the_same(tmp_path):
    model = lamina.MLPRegressor(preset="fast", random_state=0, max_iter=3).fit(FRAME, PRICE)
    library = TableLibrary(model, tmp_path / "said.so")
    assert [column.name for column in library.columns] == FRAME.columns
    new = FRAME.with_columns(said=pl.Series([*sentences(N - 3, 9), "straße", None, ""]))
    for frame in (FRAME, new):
        np.testing.assert_allclose(library.predict(frame)[0][:, 0], model.predict(frame), rtol=1e-6)
    header = (tmp_path / "said.h").read_text()
    assert "const char *said; /* a text in UTF-8; NULL: missing */" in header
    tokens_of = max(
        len(column.arrays["hashes"]) for column in model.fitted_.encoder.schema.columns if column.arrays
    )
    stack = int(header.split("#define SAID_STACK_BYTES ")[1].split()[0])
    assert stack >= scratch_bytes(tokens_of)
    assert library.call(library.rows(FRAME[:1].with_columns(x=np.inf)))[0] == 3  # the row's third column


@pytest.mark.slow
def test_unicode_data_of_python_have_no_marks_beyond_the_tables():
    """Code points that the tables leave out stay as they are, and are wide."""
    for point in range(0x30000, 0x110000):
        letter = chr(point)
        assert not unicodedata.combining(letter)
        assert unicodedata.normalize("NFKD", letter) == letter == letter.upper().lower()
