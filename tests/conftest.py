"""What all tests share. Helpers that users may want as well belong in `sage.testing`."""

from hypothesis import settings

# A shared machine may stand still for a second at any point.
settings.register_profile("sage", deadline=None)
settings.load_profile("sage")
