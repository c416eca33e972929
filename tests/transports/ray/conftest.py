"""One small cluster for all tests of this folder; they are skipped where Ray is not installed."""

from collections.abc import Iterator

import pytest

from sage.transports.ray import ensure_ray_initialized


@pytest.fixture(scope="package", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'sage-streams[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.delenv("RAY_ADDRESS", raising=False)
        ensure_ray_initialized(num_cpus=2)
        yield
        ray.shutdown()
