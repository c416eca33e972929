"""The timers of a task: those that are over leave nothing behind."""

from sage.runtime.mailbox import Mailbox, MailKind
from sage.runtime.timers import Timers
from sage.testing import ManualClock


async def test_a_timer_is_forgotten_when_it_is_due_or_cancelled() -> None:
    clock, mailbox = ManualClock(), Mailbox()
    timers = Timers(clock, mailbox)
    first, second, third = (timers.set(float(at), at) for at in (1, 2, 3))
    second.cancel()
    clock.advance(1)
    assert timers.waiting == {third}
    for over in (first, second):
        over.cancel()
    assert timers.waiting == {third}
    timers.cancel_all()
    clock.advance(10)
    assert not timers.waiting
    assert [tuple(mail) for mail in mailbox.mail] == [(MailKind.TIMER, 1)]
