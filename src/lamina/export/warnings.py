"""What ways out warn of."""

from __future__ import annotations

__all__ = ["NotLinkedWarning"]


class NotLinkedWarning(UserWarning):
    """There is no linker for a library's processor, so that only its object file was written."""

    @property
    def subjects(self) -> frozenset[str]:
        """What it is about, for the command line, which says each thing once."""
        return frozenset({str(self)})
