"""The context that a task lends to its logic and to the user's functions."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sage
from sage.runtime.calls import CallDesk
from sage.runtime.context import TaskContext
from sage.runtime.mailbox import Mailbox, MailKind
from sage.testing import ManualClock, PlainEngine


def lent(clock: ManualClock, mailbox: Mailbox, name: str = "op") -> TaskContext:
    return TaskContext(
        job="job",
        name=name,
        subtask_index=1,
        parallelism=3,
        batch_size=64,
        budget=0.002,
        clock=clock,
        mailbox=mailbox,
        position=2,
        desk=CallDesk("job", (), admission=None, window=1),
    )


async def test_what_it_tells() -> None:
    context = lent(ManualClock(50.0), Mailbox())
    told = context.job, context.name, context.subtask_index, context.parallelism, context.batch_size, context.budget
    assert told == ("job", "op", 1, 3, 64, 0.002)
    assert context.now() == 50.0
    assert context.logger.name == "sage.job.job.op"
    assert context.should_stop is False


async def test_a_timer_arrives_as_mail_at_its_time() -> None:
    clock, mailbox = ManualClock(100.0), Mailbox()
    context = lent(clock, mailbox)
    context.set_timer(105.0, "tag")
    clock.advance(4)
    assert not mailbox.mail
    clock.advance(1)
    assert [tuple(mail) for mail in mailbox.mail] == [(MailKind.TIMER, "tag")]
    assert mailbox.woken


async def test_timers_are_forgotten_one_by_one_or_all() -> None:
    clock, mailbox = ManualClock(), Mailbox()
    context = lent(clock, mailbox)
    timers = [context.set_timer(float(when), when) for when in (1, 2, 3, 4)]
    timers[1].cancel()
    clock.advance(2)
    timers[0].cancel()  # was due already: harmless
    context.cancel_timers()
    context.cancel_timers()
    clock.advance(10)
    assert [mail.payload for mail in mailbox.mail] == [1]
    context.set_timer(20.0, "after")
    clock.advance(10)
    assert [mail.payload for mail in mailbox.mail] == [1, "after"]


async def test_a_logic_that_wakes_the_task_is_asked_for_what_it_has() -> None:
    mailbox = Mailbox()
    lent(ManualClock(), mailbox).wake()
    assert mailbox.collect_due
    assert mailbox.woken


async def test_what_this_version_does_not_have_says_so() -> None:
    context = lent(ManualClock(), Mailbox(), name="embed")
    with pytest.raises(sage.NotAvailable, match=r"operator 'embed': .* keeps no state"):
        _ = context.state


async def test_a_program_without_services_says_so() -> None:
    context = lent(ManualClock(), Mailbox(), name="embed")
    for call in (lambda: context.services, lambda: context.call_service("model", "ask", 1)):
        with pytest.raises(sage.UnknownService, match=r"operator 'embed': the program has no services"):
            result: Any = call()
            await result
    with pytest.raises(sage.UnknownService, match="no services"):
        await context.call_service_async("model", "ask")


async def test_the_current_context_is_that_of_the_task_and_of_those_it_starts() -> None:
    clock, mailbox = ManualClock(), Mailbox()

    async def inside(name: str) -> tuple[str, str]:
        lent(clock, mailbox, name).enter()
        await asyncio.sleep(0)
        of_child: str = await asyncio.create_task(named())
        return sage.context().name, of_child

    async def named() -> str:
        return sage.context().name

    told: Any = await asyncio.gather(inside("a"), inside("b"))
    assert told == [("a", "a"), ("b", "b")]


async def test_outside_of_a_function_there_is_none() -> None:
    with pytest.raises(LookupError, match=r"sage.context\(\) is there only inside a function"):
        sage.context()


@pytest.mark.parametrize("engine", [None, PlainEngine()], ids=["local", "plain"])
async def test_every_kind_of_function_finds_its_own_context(engine: PlainEngine | None) -> None:
    def plain(_: object) -> tuple[str, int]:
        return sage.context().name, sage.context().parallelism

    async def awaiting(seen: Any) -> Any:
        await asyncio.sleep(0)
        return seen, (sage.context().name, sage.context().parallelism)

    class Opened(sage.FlatMapFunction[Any, Any]):
        def open(self, context: Any) -> None:
            assert sage.context() is context
            self.lent = context

        async def flat_map(self, value: Any) -> AsyncIterator[Any]:
            assert sage.context() is self.lent
            yield value, (self.name, sage.context().parallelism)

        async def close(self) -> None:
            assert sage.context() is self.lent

    async def source() -> AsyncIterator[Any]:
        yield sage.context().name

    env = sage.Environment("contexts", engine=engine)
    out = await (
        env.from_iterable(source, name="read")
        .map(plain, name="one")
        .map(awaiting, name="two", parallelism=2)
        .flat_map(Opened, name="three", parallelism=3)
        .to_list()
    )
    assert out == [((("one", 1), ("two", 2)), ("three", 3))]
    with pytest.raises(LookupError):
        sage.context()


async def test_a_blocking_function_finds_its_context_in_its_thread() -> None:
    env = sage.Environment("threads")
    out = await env.from_iterable([1]).map(lambda _: sage.context().name, name="work", blocking=True).to_list()
    assert out == ["work"]
