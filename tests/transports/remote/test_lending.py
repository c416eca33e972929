"""How free places are divided among the senders elsewhere, and asked back."""

import asyncio

import pytest

from sage.transports.credit import Credit
from sage.transports.remote.lending import Lender


class Sender:
    """Notes what it is told."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log = log
        self.name = name

    def settle(self) -> None:
        self.log.append(f"{self.name} settles")

    def recall(self) -> None:
        self.log.append(f"{self.name} is recalled")


class Lending:
    """A lender with two senders, and what they are told."""

    def __init__(self, capacity: int | None) -> None:
        self.credit: Credit[object] = Credit(capacity)
        self.lender: Lender[Sender] = Lender(self.credit)
        self.log: list[str] = []
        self.first, self.second = self.lender.borrowers[:] = [Sender(self.log, "first"), Sender(self.log, "second")]

    async def told(self) -> list[str]:
        """What was told at the end of this turn of the loop."""
        self.log.clear()
        await asyncio.sleep(0)
        return self.log


@pytest.mark.parametrize(("capacity", "share", "portion"), [(17, 9, 2), (3, 2, 1), (None, 8_192, 1)])
async def test_what_is_free_is_shared_by_all(capacity: int | None, share: int, portion: int) -> None:
    lending = Lending(capacity)
    assert (lending.lender.share, lending.lender.portion) == (share, portion)


async def test_there_is_nothing_to_lend_while_somebody_waits() -> None:
    lending = Lending(4)
    assert lending.credit.try_acquire(3)
    assert lending.lender.share == 1
    lending.credit.stand_in_line("large", 4)
    assert lending.lender.share == 0


async def test_all_that_is_granted_and_freed_in_a_turn_is_told_once() -> None:
    lending = Lending(8)
    lender = lending.lender
    lender.spare_soon(1)
    assert await lending.told() == []  # nobody hopes for it
    lender.hopes(lending.second, True)
    lender.settle_soon(lending.first)
    for _ in range(3):
        lender.spare_soon(1)
        lender.settle_soon(lending.first)
    assert await lending.told() == ["first settles", "second settles"]
    assert await lending.told() == []
    lender.spare_soon(0)
    assert await lending.told() == []
    lender.hopes(lending.second, False)
    lender.spare_soon(1)
    assert await lending.told() == []


async def test_a_recall_comes_behind_what_was_granted_and_only_while_somebody_waits() -> None:
    lending = Lending(8)
    lending.lender.recall_soon()
    assert await lending.told() == []
    lending.credit.stand_in_line("large", 9)
    lending.lender.settle_soon(lending.second)
    lending.lender.recall_soon()
    lending.lender.recall_soon()
    assert await lending.told() == ["second settles", "first is recalled", "second is recalled"]


async def test_one_at_the_host_that_was_refused_has_places_asked_back_once() -> None:
    lending = Lending(8)
    lending.lender.recall_soon(refused=True)
    assert await lending.told() == ["first is recalled", "second is recalled"]
    lending.lender.recall_soon()
    assert await lending.told() == []


async def test_a_sender_that_is_gone_is_told_nothing() -> None:
    lending = Lending(8)
    lender = lending.lender
    lender.hopes(lending.first, True)
    lender.settle_soon(lending.first)
    lender.spare_soon(1)
    lender.recall_soon(refused=True)
    lender.forget(lending.first)
    assert await lending.told() == ["second is recalled"]
    assert lender.share == 8
