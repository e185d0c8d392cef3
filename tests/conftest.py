"""Settings for all tests."""

from hypothesis import settings

# No deadline for one example: on a busy machine it would fail tests that are right.
settings.register_profile("lamina", deadline=None)
settings.load_profile("lamina")
