"""Models that are saved, and loaded as users load theirs. Tests that need them are skipped where torch is missing."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.middleware.engine.models import KINDS, save


@pytest.fixture(scope="session")
def torch_threads() -> Iterator[None]:
    """One thread: small models are slower with more, and the machine is shared."""
    torch = pytest.importorskip("torch", reason="needs torch: pip install torch")
    pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def folders(torch_threads: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The folders of the models, by kind."""
    return {kind: save(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@pytest.fixture(scope="session")
def models(folders: dict[str, str]) -> dict[str, Any]:
    """The models, through the real loading code."""
    from sage.middleware.engine.loading import load_model

    return {kind: load_model(folder, device="cpu", local_files_only=True) for kind, folder in folders.items()}


@pytest.fixture(params=KINDS)
def each_kind(request: pytest.FixtureRequest, models: dict[str, Any]) -> Any:
    """A model of each kind."""
    return models[request.param]


@pytest.fixture
def loaded(models: dict[str, Any]) -> Any:
    """One model."""
    return models["gpt2"]
