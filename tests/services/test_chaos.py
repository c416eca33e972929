"""A short storm; `chaos` tells how to have a longer one."""

import logging

import pytest

from sage.testing import assert_nothing_left
from tests.services.chaos import storm


async def test_replicas_killed_under_load(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "sage.services")  # each death is told there
    async with assert_nothing_left():
        outcomes = await storm(1.5)
    assert outcomes["killed"] >= 1
    assert outcomes["answered"] > 0
