"""Answers questions from a few texts, without a model: with the sentences that tell most, and where they are from.

With `Prompt()` and `Generate("chat")` in the place of `Extract`, a model writes the answers. It prints::

    What does a queue hold?
      A queue holds items until somebody takes them. [1]
      [1] queues.txt, characters 0 to 100
    Who runs the tasks?
      The event loop runs tasks, one at a time. [1]
      [1] loops.txt, characters 0 to 84
    Where is Oslo?
      The passages do not tell.
"""

import sage
from sage.middleware import Extract, Retrieve
from sage.operators.llm import Collection, Document, Question, TextSplitter

DOCUMENTS = [
    Document(
        "A queue holds items until somebody takes them. A bounded queue makes who puts wait while it is full.\n\n"
        "Closing a queue wakes everyone who waits.",
        "queues.txt",
    ),
    Document("The event loop runs tasks, one at a time. A task that waits gives way to the others.", "loops.txt"),
]
QUESTIONS = ["What does a queue hold?", "Who runs the tasks?", "Where is Oslo?"]


def library() -> Collection:
    """The documents, cut into passages that can be found by their words."""
    made = Collection()
    split = TextSplitter(max_tokens=25)
    for document in DOCUMENTS:
        made.add(split(document))
    return made


def answered(question: Question) -> str:
    """The question, its answer, and the passages that the answer names."""
    answer = "".join(Extract(limit=1)(question))
    lines = [question.text, f"  {answer}"]
    for number, found in enumerate(question.passages, 1):
        passage = found.passage
        if f"[{number}]" in answer:
            lines.append(f"  [{number}] {passage.source}, characters {passage.start} to {passage.end}")
    return "\n".join(lines)


def build() -> sage.Environment:
    """Write the program; nothing runs yet."""
    env = sage.Environment("answers")
    env.from_iterable(QUESTIONS).map(Retrieve(library(), limit=2)).map(answered).sink(print)
    return env


if __name__ == "__main__":
    sage.run(build())
