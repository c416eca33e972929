"""What operators share."""

import datetime

import sage
from sage.operators import Fail
from sage.stream.options import split_options


def test_options_are_of_the_place_in_the_graph_or_of_the_calls() -> None:
    placed, calling = split_options(
        {"name": "step", "parallelism": 2, "concurrency": 3, "ordered": False, "timeout": 4, "on_error": Fail()}
    )
    assert placed == {"name": "step", "parallelism": 2}
    assert calling == {"concurrency": 3, "ordered": False, "timeout": 4, "on_error": Fail()}


def test_what_is_left_out_is_left_to_the_operator() -> None:
    assert split_options({}) == ({"name": None, "parallelism": 1}, {})


def test_a_timeout_is_told_in_seconds() -> None:
    assert split_options({"timeout": datetime.timedelta(minutes=1)})[1] == {"timeout": 60.0}
    assert split_options({"timeout": None})[1] == {"timeout": None}


def test_so_are_other_durations() -> None:
    minute = datetime.timedelta(minutes=1)
    assert sage.Retry(delay=minute, max_delay=minute) == sage.Retry(delay=60.0, max_delay=60.0)
    assert sage.sources.ticker(minute) == sage.sources.ticker(60.0)
