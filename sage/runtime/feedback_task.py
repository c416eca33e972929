"""The task at the head of a feedback loop."""

from sage.operators.contract import Logic
from sage.runtime.feedback import LoopWatch, Probe
from sage.runtime.gate import Gate
from sage.runtime.mailbox import Mail, MailKind
from sage.runtime.operator_task import OperatorTask
from sage.runtime.task import Fittings

__all__ = ["FeedbackTask"]


class FeedbackTask(OperatorTask):
    """Passes records back into the loop, and ends the loop when the watch says so.

    Args:
        fittings: as for `Task`.
        gate: as for `OperatorTask`.
        logic: as for `OperatorTask`.
        watch: decides when the loop is empty.
    """

    def __init__(self, fittings: Fittings, gate: Gate, logic: Logic, watch: LoopWatch) -> None:
        super().__init__(fittings, gate, logic)
        self._watch = watch
        # How many records had passed when the last probe went out.
        self._passed = 0
        self._loop_ended = False

    def send_probe(self, probe: Probe) -> None:
        """See `LoopHead.send_probe`."""
        self.mailbox.post(MailKind.PROBE, probe)

    def end_loop(self) -> None:
        """See `LoopHead.end_loop`."""
        self.mailbox.post(MailKind.LOOP_ENDED)

    async def work(self) -> None:
        """See `Task.work`.

        Cancel safety: `close` is called.
        """
        self._watch.join(self)
        await super().work()
        if not self._loop_ended:
            self._watch.leave(self)

    async def on_probe(self, probe: Probe) -> None:
        """The probe is back.

        Cancel safety: nothing is awaited.
        """
        self._watch.returned(self, moved=self.meter.records_in > self._passed)

    async def on_mail(self, mail: Mail) -> None:
        """See `OperatorTask.on_mail`.

        Cancel safety: the task is done for.
        """
        if mail.kind is MailKind.PROBE:
            self._passed = self.meter.records_in
            self.router.mark(mail.payload, loop=mail.payload.loop)
        elif mail.kind is MailKind.LOOP_ENDED:
            self._loop_ended = True
            await self.router.end()  # the end goes around once, and then ends this task as any other
