"""One small cluster for all tests of this folder; they are skipped where Ray is not installed."""

from collections.abc import Iterator

import pytest

from tests.ray_cluster import ray_cluster


@pytest.fixture(scope="package", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with ray_cluster(str(tmp_path_factory.mktemp("home"))):
        yield
