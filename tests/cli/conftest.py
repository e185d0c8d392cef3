"""What the tests of the command line share."""

import pytest
from command_line import cli, without_pictures

__all__ = ["cli", "few_pictures"]


@pytest.fixture(autouse=True)
def few_pictures(request):
    """Only tests that are marked so draw the figures of their reports, which takes longer than their trainings."""
    if request.node.get_closest_marker("pictures"):
        yield
        return
    with without_pictures():
        yield
