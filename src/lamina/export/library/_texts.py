"""Strings in machine code: tables, and lookup in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lamina.compiler.cpu.standalone import OneThreadModule
from lamina.errors import LaminaError

__all__ = ["FIND_TEXT", "bytes_of", "declare_texts", "declare_words"]

FIND_TEXT = Path(__file__).with_name("find_text.ll").read_text("utf-8")
"""Binary search for the code of a string among words sorted by bytes: 0 for NULL, -1 if not found."""


def bytes_of(text: str) -> bytes:
    """A string's bytes in C, without the terminating zero.

    Raises:
        LaminaError: it contains a zero byte, which would end it in C, or an unpaired surrogate.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise LaminaError(f"the text {text!r} is not Unicode, and C programs get texts in UTF-8") from None
    if b"\0" in data:
        raise LaminaError(f"the text {text!r} has a zero inside, where texts in C end")
    return data


def declare_texts(
    module: OneThreadModule, name: str, texts: Sequence[bytes], *, is_seen: bool = False
) -> None:
    """An array of string addresses under a name."""
    linkage = "" if is_seen else "internal "
    for i, text in enumerate(texts):
        ended = text + b"\0"
        escaped = "\\" + ended.hex("\\")
        module.declare(f'@{name}_{i} = internal constant [{len(ended)} x i8] c"{escaped}"')
    places = ", ".join(f"ptr @{name}_{i}" for i in range(len(texts)))
    module.declare(f"@{name} = {linkage}constant [{len(texts)} x ptr] [{places}]")


def declare_words(module: OneThreadModule, name: str, codes: Mapping[str, int]) -> int:
    """Declare the tables NAME and NAME_codes for `find_text`; returns the number of words."""
    words = sorted((bytes_of(text), code) for text, code in codes.items())
    declare_texts(module, name, [word for word, _ in words])
    numbers = ", ".join(f"i64 {code}" for _, code in words)
    module.declare(f"@{name}_codes = internal constant [{len(words)} x i64] [{numbers}]")
    return len(words)
