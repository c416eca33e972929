"""Answers without a model."""

from sage.operators.llm import Found, Passage, cited_sentences

PASSAGES = [
    Found(Passage(text), 1)
    for text in (
        "An event loop runs tasks. It is the core of every program.",
        "A queue holds items. A queue may be bounded.\nThen putting waits. The event loop runs the tasks.",
    )
]


def told(question: str, limit: int = 3) -> list[tuple[str, int]]:
    return [(citation.text, citation.number) for citation in cited_sentences(question, PASSAGES, limit)]


def test_rare_words_count_most_and_the_order_is_that_of_the_passages() -> None:
    assert told("Is a queue bounded?", 1) == [("A queue may be bounded.", 2)]
    assert told("the core and a bounded queue", 2) == [
        ("It is the core of every program.", 1),
        ("A queue may be bounded.", 2),
    ]


def test_what_says_the_same_is_told_once() -> None:
    assert told("What runs tasks?") == [("An event loop runs tasks.", 1)]


def test_nothing_is_told_about_something_else() -> None:
    assert told("Where is Oslo?") == told("") == []
    assert cited_sentences("anything", []) == []


def test_scores_fall_with_the_place_of_the_passage() -> None:
    same = [Found(Passage(f"Cats sleep in {place}."), 1) for place in ("Rome", "Oslo")]
    first, second = cited_sentences("cats sleep", same, 2)
    assert first.score > second.score
