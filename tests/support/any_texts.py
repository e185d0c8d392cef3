"""Texts of any script, and sentences of a few words, for tests of what reads texts."""

import random

from hypothesis import strategies as st

WORDS = [
    "red",
    "white",
    "old",
    "young",
    "wine",
    "beet",
    "house",
    "garden",
    "cat",
    "dog",
    "with",
    "under",
    "the",
    "of",
    "ünlü",
    "straße",
    "Москва",
    "naïve",
]


def sentences(count, seed=0):
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 6))) for _ in range(count)]


# Latin, Greek with its two small sigmas, ligatures, wide forms, Georgian, ideographs, kana, emoji, marks, spaces.
LETTERS = "aAzßẞﬁİıΣσςͅᾳǅⅣ①Ｆ　ა Ა你好世界カナ゙😀👍🏽é́\u2028\t\n\r\x00\x1c\x85\xa0.,-_'\"°ªµº…9٣"
texts_of_any_kind = st.one_of(
    st.text(max_size=40), st.text(LETTERS, max_size=30), st.sampled_from(sentences(30, 1))
)
