"""What a model is told about a question: the passages, numbered, and what to do with them."""

from collections.abc import Callable
from dataclasses import dataclass

from sage.operators.errors import InvalidOperator
from sage.operators.llm.messages import Message, system, user
from sage.operators.llm.passages import Found, Question, question_of
from sage.operators.llm.template import Template
from sage.operators.llm.text import token_spans
from sage.operators.numbers import is_count

__all__ = ["Prompt", "count_tokens"]

SYSTEM = (
    "Answer the question from the numbered passages alone. Name the passages that you use, as in [1]. "
    "If they do not tell, say so.\n\n{passages}"
)


def count_tokens(text: str) -> int:
    """About how many tokens a text has: words and marks."""
    return len(token_spans(text))


@dataclass(frozen=True)
class Prompt:
    """Writes the messages for a question with its passages: ``questions.map(Prompt(max_tokens=2_000))``.

    The system message has the passages. Behind it come the messages of the conversation, if the question is from a
    chat; else the question alone.

    Args:
        system: a template with ``{passages}``.
        passage: a template for each passage, with ``{number}``, ``{text}``, ``{title}`` and ``{source}``, each of which
            may be left out.
        max_tokens: how many tokens all passages together may have; the last ones are left out, but never the first.
        count: how many tokens a text has.

    Raises:
        InvalidOperator: a template has other places, or a number cannot be.
    """

    system: str = SYSTEM
    passage: str = "[{number}] {text}"
    max_tokens: int = 3_000
    count: Callable[[str], int] = count_tokens

    def __post_init__(self) -> None:
        if not is_count(self.max_tokens):
            raise InvalidOperator(f"Prompt(max_tokens={self.max_tokens!r}): write a number of tokens, 1 or more")
        if Template(self.system).names != ("passages",):
            raise InvalidOperator("Prompt(system=...): write a text with the one place {passages}")
        others = set(Template(self.passage).names) - {"number", "text", "title", "source"}
        if others:
            raise InvalidOperator(f"Prompt(passage=...): there is no {', '.join(sorted(others))} of a passage")

    def __call__(self, question: Question | str) -> Question:
        """The question with its messages."""
        question = question_of(question)
        told = Template(self.system).render(passages=self._passages(question.passages))
        conversation = question.messages or (user(question.text),)
        return question.told([system(told), *(message for message in conversation if not _is_system(message))])

    def _passages(self, passages: tuple[Found, ...]) -> str:
        template = Template(self.passage)
        written: list[str] = []
        left = self.max_tokens
        for number, found in enumerate(passages, 1):
            passage = found.passage
            values = {"number": number, "text": passage.text, "title": passage.title, "source": passage.source}
            text = template.render(**{name: values[name] for name in template.names})
            left -= self.count(text)
            if left < 0 and written:
                break
            written.append(text)
        return "\n\n".join(written) or "(There are no passages.)"


def _is_system(message: Message) -> bool:
    # Its place is taken: models expect one, in front.
    return message["role"] in ("system", "developer")
