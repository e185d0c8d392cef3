"""Warnings of the exports."""

from __future__ import annotations

__all__ = ["NotLinkedWarning"]


class NotLinkedWarning(UserWarning):
    """There is no linker for a library's processor, so that only its object file was written."""

    @property
    def subjects(self) -> frozenset[str]:
        """The subjects, for the command line, which reports each once."""
        return frozenset({str(self)})
