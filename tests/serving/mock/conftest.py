"""A synthetic server on loopback, one for each file of tests."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sage.serving.mock import EngineOptions, MockOptions, MockServer, serving


@pytest.fixture(scope="module")
def app() -> MockServer:
    """The application that is served; two requests at a time, one waits."""
    return MockServer(MockOptions(("mock", "a/b"), EngineOptions(2, 1, 10_000, step=0.001), tokens=8, dimensions=16))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(app: MockServer) -> AsyncIterator[str]:
    """Where it is."""
    pytest.importorskip("uvicorn")
    async with serving(app) as address:
        yield address
