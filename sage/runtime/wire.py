"""How what flows between tasks becomes bytes: a batch as its columns, a mark as its one number.

The error of a dead letter is told by name, text and plain values, and made again from those.
"""

from typing import Any

from sage.operators.elements import Barrier, Batch, EndOfStream, Watermark
from sage.operators.policies import Letter
from sage.runtime.calls.running import call_of
from sage.runtime.feedback import Probe
from sage.services.described import Described, as_described, made_again
from sage.transports import register_type

__all__ = ["register_elements"]


def register_elements() -> None:
    """Let the codec carry batches and marks; a second time is harmless."""
    register_type(Batch, name="sage.Batch", encode=_columns, decode=_batch)
    register_type(Letter, name="sage.Letter", encode=_fields, decode=_letter)
    for mark in (Barrier, EndOfStream, Probe, Watermark):
        register_type(mark, name=f"sage.{mark.__name__}")


def _columns(batch: Batch[Any]) -> list[Any]:
    calls = None if batch.calls is None else [call.number for call in batch.calls]
    return [batch.values, batch.keys, batch.timestamps, calls]


def _batch(columns: list[Any]) -> Batch[Any]:
    values, keys, timestamps, calls = columns
    return Batch(values, keys, timestamps, None if calls is None else [call_of(number) for number in calls])


def _fields(letter: Letter) -> list[Any]:
    told = as_described(letter.error)
    notes = list(getattr(told, "__notes__", ()))
    return [letter.value, list(told.args), notes, letter.operator, letter.subtask, letter.attempts]


def _letter(fields: list[Any]) -> Letter:
    value, told, notes, operator, subtask, attempts = fields
    sent = Described(*told)
    for note in notes:
        sent.add_note(note)
    return Letter(value, made_again(sent, operator, {}), operator, subtask, attempts)
