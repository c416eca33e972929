"""Assertions in the suite that the implementations share tell as much as those in test files."""

import pytest

pytest.register_assert_rewrite("tests.transports.contract_ends", "tests.transports.contract_flow")
