"""The mailbox of a task: nothing that comes is lost, whenever the task looks."""

import asyncio

from sage.runtime.mailbox import Mail, Mailbox, MailKind


async def test_mail_is_kept_in_order() -> None:
    mailbox = Mailbox()
    mailbox.post(MailKind.TIMER, "first")
    mailbox.post(MailKind.PROBE)
    assert list(mailbox.mail) == [Mail(MailKind.TIMER, "first"), Mail(MailKind.PROBE)]
    assert mailbox.woken


async def test_whoever_waits_is_woken_by_mail() -> None:
    mailbox = Mailbox()
    waiting = mailbox.arrival()
    assert not waiting.done()
    mailbox.post(MailKind.TIMER, 1)
    await waiting
    assert mailbox.woken
    assert mailbox.mail.popleft().payload == 1


async def test_whoever_waits_is_woken_by_data_and_to_collect() -> None:
    for wake in (Mailbox.wake, Mailbox.request_collect):
        mailbox = Mailbox()
        waiting = mailbox.arrival()
        wake(mailbox)
        await waiting
        assert mailbox.woken
        assert mailbox.collect_due is (wake is Mailbox.request_collect)


async def test_to_be_woken_twice_is_harmless() -> None:
    mailbox = Mailbox()
    waiting = mailbox.arrival()
    mailbox.wake()
    mailbox.wake()
    mailbox.request_collect()
    await waiting
    assert mailbox.collect_due


async def test_what_comes_while_nobody_waits_is_told_by_woken() -> None:
    mailbox = Mailbox()
    seen = [mailbox.woken]
    mailbox.request_collect()
    seen.append(mailbox.woken)
    mailbox.woken = False
    assert seen == [False, True]
    assert not mailbox.arrival().done()


async def test_a_wait_that_was_cancelled_loses_nothing() -> None:
    mailbox = Mailbox()
    waiting = mailbox.arrival()
    waiting.cancel()
    mailbox.post(MailKind.TIMER, "kept")
    assert mailbox.woken
    assert [mail.payload for mail in mailbox.mail] == ["kept"]
    mailbox.woken = False
    again = mailbox.arrival()
    mailbox.wake()
    await again


async def test_many_wake_ups_between_two_looks_are_one() -> None:
    mailbox = Mailbox()
    looks = 0

    async def task() -> None:
        nonlocal looks
        while len(mailbox.mail) < 30:
            mailbox.woken = False
            looks += 1
            if not mailbox.woken:
                await mailbox.arrival()

    running = asyncio.create_task(task())
    for turn in range(3):
        await asyncio.sleep(0)
        for number in range(10):
            mailbox.post(MailKind.TIMER, 10 * turn + number)
    await running
    assert [mail.payload for mail in mailbox.mail] == list(range(30))
    assert looks <= 4
