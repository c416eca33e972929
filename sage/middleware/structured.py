"""Answers that are JSON, checked, and given back once when they are wrong."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from sage.errors import GraphError
from sage.middleware.errors import AnswerInvalid
from sage.operators.llm import Message, Question, assistant, check_schema, json_in, user, violations
from sage.operators.numbers import is_count
from sage.services.finding import service

__all__ = ["Structured"]

T = TypeVar("T")


class Structured(Generic[T]):
    """Has a chat model answer in JSON: ``.map(Structured("chat", schema), concurrency=16)``.

    The schema goes to the server, which may or may not keep to it. An answer that is not as it should be is given back
    to the model, with what is wrong about it.

    Args:
        model: the name of a service such as `ChatModel`.
        schema: JSON Schema of the answer.
        check: makes the result of the JSON value, such as ``Invoice.model_validate`` or ``lambda v: Invoice(**v)``; a
            `ValueError`, `TypeError` or `LookupError` that it raises tells the model what is wrong. By default the
            value is the result.
        repairs: how often an answer is given back.
        options: what every request says, such as ``temperature=0``.

    Raises:
        GraphError: a value cannot be.
        InvalidOperator: the schema says what cannot be checked.
    """

    def __init__(
        self,
        model: str,
        schema: Mapping[str, Any],
        *,
        check: Callable[[Any], T] = lambda value: value,
        repairs: int = 1,
        **options: Any,
    ) -> None:
        if not isinstance(model, str):
            raise GraphError(f"Structured({model!r}, ...): write the name of a service")
        if not is_count(repairs, 0):
            raise GraphError(f"Structured(repairs={repairs!r}): write a number, 0 or more")
        check_schema(schema)
        self._model = model
        self._schema = schema
        self._check = check
        self._repairs = repairs
        self._options = options

    async def __call__(self, asked: Question | Sequence[Message] | str) -> T:
        """The result.

        Cancel safety: the model is stopped.

        Args:
            asked: a question with its messages, messages, or a text for a message of a user.

        Raises:
            AnswerInvalid: the answer was wrong to the last.
            ModelError: as its kind says.
        """
        messages = _messages(asked)
        answer, wrong = "", ""
        for _ in range(1 + self._repairs):
            reply = await service(self._model).chat(messages, schema=self._schema, **self._options)
            answer = reply.text
            try:
                return self._checked(json_in(answer))
            except (ValueError, TypeError, LookupError) as error:
                wrong = str(error) or type(error).__name__
            messages = [
                *messages,
                assistant(answer),
                user(_COMPLAINT.format(wrong=wrong, schema=json.dumps(self._schema))),
            ]
        raise AnswerInvalid(f"{self._model} did not answer as asked: {wrong}", answer=answer)

    def _checked(self, value: Any) -> T:
        wrong = violations(value, self._schema)
        if wrong:
            raise ValueError("; ".join(wrong))
        return self._check(value)


_COMPLAINT = "That is not what I need: {wrong}. Answer again, with nothing but JSON that follows this schema: {schema}"


def _messages(asked: Question | Sequence[Message] | str) -> list[Message]:
    if isinstance(asked, str):
        return [user(asked)]
    if isinstance(asked, Question):
        return list(asked.messages) or [user(asked.text)]
    return list(asked)
