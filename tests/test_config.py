"""The settings of an environment."""

from typing import Any

import pytest

from sage.config import Config
from sage.environment import Environment
from sage.errors import GraphError, NotAvailable


@pytest.fixture(autouse=True)
def no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGE_ENGINE", raising=False)


def test_what_is_left_out() -> None:
    config = Config()
    assert (config.engine, config.transport) == ("local", "memory")
    assert 1 <= config.batch_size <= config.channel_capacity
    assert Environment("defaults").config == config


@pytest.mark.parametrize(("size", "capacity", "records"), [(4, 8, 4), (8, 4, 4), (1, 1, 1)])
def test_no_batch_is_larger_than_a_channel(size: int, capacity: int, records: int) -> None:
    assert Config(batch_size=size, channel_capacity=capacity).records_per_batch == records


def test_the_default_engine_is_set_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGE_ENGINE", "auto")
    assert Config().engine == "auto"
    assert Config(engine="local").engine == "local"
    monkeypatch.setenv("SAGE_ENGINE", "")
    assert Config().engine == "local"


def test_a_wrong_default_is_told_by_the_name_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGE_ENGINE", "flink")
    with pytest.raises(
        GraphError, match=r"^SAGE_ENGINE='flink' is not known; write one of 'local', 'processes', 'ray', 'auto'$"
    ):
        Config()
    monkeypatch.setenv("SAGE_ENGINE", "ray")
    with pytest.raises(NotAvailable, match=r"^SAGE_ENGINE='ray' is not in this version; write 'local' or 'auto'$"):
        Config()


@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_engines_that_are_not_there_yet(engine: str) -> None:
    with pytest.raises(NotAvailable, match=f"^engine='{engine}' is not in this version; write 'local' or 'auto'$"):
        Config(engine=engine)


def test_a_transport_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sage.config.find_spec", {"ray": None}.get)
    with pytest.raises(NotAvailable, match=r"^transport='ray' needs Ray: pip install 'sage-streams\[ray\]'$"):
        Config(transport="ray")


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("engine", "flink", "engine='flink' is not known; write one of 'local'"),
        ("transport", "tcp", "transport='tcp' is not known; write one of 'memory'"),
        ("transport", None, "transport=None is not known; write one of 'memory'"),
        ("batch_size", 0, "batch_size=0: write a number of records, 1 or more"),
        ("batch_size", "64", "batch_size='64': write a number of records"),
        ("batch_size", 1.5, "batch_size=1.5: write a number of records"),
        ("channel_capacity", -1, "channel_capacity=-1: write a number of records"),
        ("channel_capacity", True, "channel_capacity=True: write a number of records"),
        ("budget", 0, "budget=0: write the seconds an operator may work"),
        ("budget", "1", "budget='1': write the seconds"),
        ("budget", float("nan"), "budget=nan: write the seconds"),
        ("budget", True, "budget=True: write the seconds"),
    ],
)
def test_what_cannot_be_is_refused(option: str, value: Any, text: str) -> None:
    with pytest.raises(GraphError, match=f"^{text}"):
        Config(**{option: value})
