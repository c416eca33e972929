"""What all tests share. Helpers that users may want as well belong in `sage.testing`."""

import gc

import pytest
from hypothesis import HealthCheck, settings

# A shared machine may stand still for seconds at any point, also while examples are drawn.
settings.register_profile("sage", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sage")


@pytest.fixture(scope="module", autouse=True)
def _quick_collections() -> None:
    """What is there before the tests of a module stays for good: whoever collects garbage need not look through it."""
    gc.collect()
    gc.freeze()
