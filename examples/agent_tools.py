"""A model with a tool, as a loop in the graph: it asks for the tool until it knows enough, then it answers.

The model here follows a rule, so that the example needs none; any service with `chat` can take its place, such as
`ChatModel`. It prints::

    flour and sugar: 4.40 (3 turns)
    milk: 1.10 (2 turns)
    saffron: I cannot tell, there is no saffron (2 turns)
"""

import json
from typing import Any

import sage
from sage.middleware import Agent, Outcome, Reply
from sage.operators.llm import Message, ToolCall, text_of

PRICES = {"flour": 1.90, "sugar": 2.50, "milk": 1.10}


async def price(article: str) -> float:
    """What an article costs."""
    if article not in PRICES:
        raise LookupError(f"there is no {article}")
    return PRICES[article]


class Shopkeeper(sage.Service):
    """Stands for a model: asks for the price of each article, then adds up."""

    async def chat(self, messages: list[Message], **options: Any) -> Reply:
        """The next thing to say."""
        articles = text_of(messages[0]).split(" and ")
        prices = [text_of(message) for message in messages if message["role"] == "tool"]
        if prices and prices[-1].startswith("error"):
            return Reply(f"I cannot tell,{prices[-1].rpartition(':')[2]}")
        if len(prices) < len(articles):
            wanted = json.dumps({"article": articles[len(prices)]})
            return Reply("", (ToolCall(f"call {len(prices)}", "price", wanted),), "tool_calls")
        return Reply(f"{sum(map(float, prices)):.2f}")


def told(outcomes: list[Outcome]) -> list[str]:
    """The outcomes in the order of their questions: turns of several questions run beside each other."""
    ordered = sorted(outcomes, key=lambda outcome: str(outcome.asked))
    return [f"{outcome.asked}: {outcome.text} ({outcome.turns} turns)" for outcome in ordered]


def build() -> sage.Environment:
    """Write the program; nothing runs yet."""
    env = sage.Environment("shop")
    env.register_service("chat", Shopkeeper)
    agent = Agent("chat", tools=[price], max_turns=5)
    questions = env.from_iterable(["milk", "flour and sugar", "saffron"])
    agent.answers(env, questions).batch(max_size=1_000).flat_map(told).sink(print)
    return env


if __name__ == "__main__":
    sage.run(build())
