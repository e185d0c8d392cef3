"""Texts as numbers: scikit-learn's n-grams, tf-idf and SVD say the same; rows, batches and machines do not matter."""

import random
import unicodedata
from collections import Counter

import numpy as np
import pytest
from any_texts import sentences, texts_of_any_kind
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from lamina.table import ngrams
from lamina.table.ngrams import TextEncoder, folded, tokens


def counts_of(texts):
    return dict(Counter(texts))


ENCODER = TextEncoder.learned(counts_of(sentences(500)), 12)


def reference_tokens(text):
    """What a text's tokens are, written as plainly as can be."""
    words = folded(text.replace("\0", " "))
    space = "".join(map(chr, [*range(33), 0x85, 0xA0, 0x1680, 0x2028, 0x2029]))
    chunks = "".join(" " if letter in space else letter for letter in words).split(" ")
    for chunk in filter(None, chunks):
        padded = f" {chunk} "
        for size in (3, 4):
            yield from (("gram", padded[i : i + size]) for i in range(len(padded) - size + 1))
        wide = [0x2E80 <= ord(c) < 0xAC00 or 0xF900 <= ord(c) < 0xFB00 or ord(c) >= 0x1F000 for c in chunk]
        yield from (("wide", chunk[i]) for i in range(len(chunk)) if wide[i])
        yield from (("wide", chunk[i : i + 2]) for i in range(len(chunk) - 1) if wide[i] and wide[i + 1])
        word = ""
        for letter in f"{chunk} ":
            point = ord(letter)
            is_mark = (0x80 <= point < 0xC0 and letter not in "ªµº") or letter in "×÷"
            is_mark |= 0x2000 <= point < 0x2070 or 0x3000 <= point < 0x3040
            is_mark |= point < 0x80 and not letter.isalnum()
            if is_mark and word:
                yield "word", word[:32]
            word = "" if is_mark else word + letter


def reference_hash(kind, token):
    """FNV-1a over code points, and the last step of MurmurHash3."""
    found = {"gram": 2166136261, "word": 0x2545F491, "wide": 0x7FEB352D}[kind]
    for letter in token:
        found = (found ^ ord(letter)) * 16777619 % 2**32
    found = (found ^ found >> 16) * 0x85EBCA6B % 2**32
    return found ^ found >> 13


@given(st.lists(texts_of_any_kind, min_size=1, max_size=6))
def test_tokens_are_those_of_a_plain_loop(texts):
    hashes, owners = tokens(texts)
    found = [Counter(hashes[owners == i].tolist()) for i in range(len(texts))]
    assert found == [Counter(reference_hash(*token) for token in reference_tokens(text)) for text in texts]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), max_size=20))
def test_ngrams_are_scikit_learns(text):
    analyze = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), lowercase=False).build_analyzer()
    grams = Counter(gram for gram in analyze(folded(text)))
    own = Counter(token for kind, token in reference_tokens(text) if kind == "gram")
    assert own == grams


@given(st.text(max_size=20))
def test_difference_of_case_is_none(text):
    assert folded(folded(text)) == folded(text) or unicodedata.normalize("NFKC", folded(text)) != folded(text)
    assert folded(text.upper()) == folded(text.upper().lower())


def test_the_numbers_are_scikit_learns():
    """Up to the turn of the components that are alike in size."""
    texts = sentences(300)
    encoder = TextEncoder.learned(counts_of(texts), 8)
    different = sorted(set(texts))
    analyze = lambda text: [f"{kind} {token}" for kind, token in reference_tokens(text)]  # noqa: E731
    theirs = TfidfVectorizer(analyzer=analyze).fit(different)
    # Tokens of one row are left out; weights of different texts, and as many rows as the table has.
    seen = Counter(token for text in texts for token in set(analyze(text)))
    theirs = TfidfVectorizer(analyzer=lambda text: [t for t in analyze(text) if seen[t] > 1]).fit(different)
    weighted = theirs.transform(texts)
    svd = TruncatedSVD(8, algorithm="arpack", random_state=0).fit(weighted)
    ours, expected = encoder.encode(texts), svd.transform(weighted)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=0), svd.singular_values_, rtol=2e-3)
    np.testing.assert_allclose(ours @ ours.T, expected @ expected.T, atol=5e-3)
    np.testing.assert_allclose(np.abs(ours[:, :3]), np.abs(expected[:, :3]), atol=2e-3)


@given(st.lists(texts_of_any_kind, min_size=1, max_size=8))
def test_a_text_has_the_same_numbers_in_any_batch(texts):
    together = ENCODER.encode(texts)
    np.testing.assert_array_equal(together, np.vstack([ENCODER.encode([text]) for text in texts]))
    np.testing.assert_array_equal(ENCODER.encode(texts[::-1] * 2)[: len(texts)], together[::-1])
    assert np.isfinite(together).all() and (np.linalg.norm(together, axis=1) < 1.01).all()


def test_batches_of_any_size_are_the_same():
    texts = [*sentences(4000, 2), "", "x" * 50_000, "word " * 9000]
    whole = ENCODER.encode(texts)
    for step in (7, 1000):
        parts = [ENCODER.encode(texts[i : i + step]) for i in range(0, len(texts), step)]
        np.testing.assert_array_equal(np.vstack(parts), whole)


@pytest.mark.parametrize("text", ["", "   ", "\0", "!?", "qqq zzz"])
def test_what_shares_no_token_is_zero(text):
    np.testing.assert_array_equal(ENCODER.encode([text]), np.zeros((1, 12)))


def test_the_order_of_rows_does_not_count():
    counts = counts_of(sentences(500))
    shuffled = dict(random.Random(1).sample([*counts.items()], len(counts)))
    again = TextEncoder.learned(shuffled, 12)
    np.testing.assert_array_equal(again.weights, ENCODER.weights)
    np.testing.assert_array_equal(again.idf, ENCODER.idf)
    np.testing.assert_array_equal(again.hashes, ENCODER.hashes)


def test_the_same_words_are_near_and_others_far():
    near, far = (
        ENCODER.encode(["red wine", "RED  Wine.", "garden house"])[1:] @ ENCODER.encode(["red wine"])[0]
    )
    assert near > 4 * abs(far)


def test_languages_without_spaces():
    texts = ["你好世界", "世界和平", "和平鸽", "你好吗", "世界杯", "杯子", "鸽子", "吗啡"]
    encoder = TextEncoder.learned(dict.fromkeys(texts, 3), 6)
    alike, other = encoder.encode(["新世界", "鸽子汤"]) @ encoder.encode(["世界"])[0]
    assert alike > 0.3 and abs(other) < 0.1


@pytest.mark.parametrize("counts", [{"": 5, "!": 3}, {"a": 1, "b": 1}, {"ab cd": 4}])
def test_few_texts(counts):
    encoder = TextEncoder.learned(counts, 30)
    numbers = encoder.encode([*counts, "other"])
    assert numbers.shape[1] <= len(counts) and np.isfinite(numbers).all()


def test_of_many_texts_some_are_learned_from(monkeypatch):
    texts = counts_of(sentences(2000))
    monkeypatch.setattr(ngrams, "_MOST_TEXTS", 300)
    encoder = TextEncoder.learned(texts, 12)
    assert encoder.encode([*texts]).std(axis=0).min() > 0.01
    monkeypatch.setattr(ngrams, "_MOST_LEARNED", 3000)
    assert TextEncoder.learned(texts, 12).encode([*texts]).std(axis=0).min() > 0.01


@pytest.mark.slow
def test_the_state_is_small():
    many = {
        f"{a}{b} {c}ing number {i % 91}": 1
        for i, (a, b, c) in enumerate(zip(*(sentences(9000, seed) for seed in (1, 2, 3)), strict=True))
    }
    encoder = TextEncoder.learned(many, 30)
    assert encoder.weights.nbytes + encoder.idf.nbytes < 1.1e6
