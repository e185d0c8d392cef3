"""Strings in machine code: tables, and lookup in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lamina.compiler.cpu.standalone import OneThreadModule
from lamina.errors import LaminaError

__all__ = ["FIND_TEXT", "bytes_of", "declare_texts", "declare_words"]

FIND_TEXT = """
define internal i64 @find_text(ptr %text, ptr %words, ptr %codes, i64 %count) nounwind {
entry:
  %missing = icmp eq ptr %text, null
  br i1 %missing, label %none, label %search
search:
  %low = phi i64 [0, %entry], [%next_low, %narrow]
  %high = phi i64 [%count, %entry], [%next_high, %narrow]
  %more = icmp slt i64 %low, %high
  br i1 %more, label %look, label %unknown
look:
  %sum = add i64 %low, %high
  %middle = lshr i64 %sum, 1
  %place = getelementptr ptr, ptr %words, i64 %middle
  %word = load ptr, ptr %place
  br label %compare
compare:
  %i = phi i64 [0, %look], [%following, %same]
  %here = getelementptr i8, ptr %text, i64 %i
  %there = getelementptr i8, ptr %word, i64 %i
  %byte = load i8, ptr %here
  %other = load i8, ptr %there
  %differ = icmp ne i8 %byte, %other
  br i1 %differ, label %narrow, label %end
end:
  %over = icmp eq i8 %byte, 0
  br i1 %over, label %found, label %same
same:
  %following = add i64 %i, 1
  br label %compare
narrow:
  %before = icmp ult i8 %byte, %other
  %behind = add i64 %middle, 1
  %next_low = select i1 %before, i64 %low, i64 %behind
  %next_high = select i1 %before, i64 %middle, i64 %high
  br label %search
found:
  %entry_of = getelementptr i64, ptr %codes, i64 %middle
  %code = load i64, ptr %entry_of
  ret i64 %code
none:
  ret i64 0
unknown:
  ret i64 -1
}
"""
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
