"""An agent: a model that calls tools until it can answer, as a loop in the graph.

::

    questions ─▶ begin ──▶ ask the model ──▶ route ─ answered, or out of turns ─▶ outcomes
                   ▲                           │
                   └──── run the tools ◀───────┘ tools
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from inspect import isawaitable
from typing import Any, Literal

from sage.environment import Environment
from sage.errors import GraphError
from sage.middleware.reply import Reply
from sage.operators.llm import Message, Question, Tool, ToolCall, WrongArguments, system, tool, tool_result, user
from sage.operators.numbers import is_count, is_number, seconds
from sage.services.finding import service
from sage.stream import Stream

__all__ = ["Agent", "Outcome", "Turn"]


@dataclass(frozen=True, slots=True)
class Turn:
    """An agent at work on one question.

    Attributes:
        asked: what the agent was asked.
        messages: all that was said.
        turns: how often the model was asked.
        reply: what it said the last time; `None` before the first.
    """

    asked: Any
    messages: tuple[Message, ...]
    turns: int = 0
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an agent came to.

    Attributes:
        asked: what it was asked.
        text: its answer; may be empty when it ran out of turns.
        stopped: ``"answered"``, or ``"turns"`` when it wanted to go on and might not.
        turns: how often the model was asked.
        messages: all that was said.
    """

    asked: Any
    text: str
    stopped: Literal["answered", "turns"]
    turns: int
    messages: tuple[Message, ...]


class Agent:
    """A model with tools. `answers` puts it into a program as a feedback loop, so that turns of many questions run
    beside each other, each question within its own bounds.

    A tool that fails, that does not exist, or that is called wrongly, does not fail the question: the model is told.

    ::

        agent = Agent("chat", tools=[weather], max_turns=5)
        outcomes = agent.answers(env, questions)

    Args:
        model: the name of a service such as `ChatModel`.
        tools: `Tool`s, or functions with annotations and a docstring; see `tool`. Plain ones run inline: what blocks is
            to be async.
        instructions: what the model is to keep to; a system message.
        max_turns: how often the model is asked at most for one question. The last time it may not call tools.
        tool_timeout: seconds, or a timedelta, that a tool may take.
        max_characters: how long a tool's result may be; the rest is cut off.
        options: what every request says, such as ``temperature=0``.

    Raises:
        GraphError: a value cannot be.
        InvalidOperator: a function cannot be a tool.
    """

    def __init__(
        self,
        model: str,
        tools: Sequence[Tool | Callable[..., Any]],
        *,
        instructions: str = "",
        max_turns: int = 8,
        tool_timeout: float | timedelta = 60,
        max_characters: int = 20_000,
        **options: Any,
    ) -> None:
        if not isinstance(model, str):
            raise GraphError(f"Agent({model!r}, ...): write the name of a service")
        for name, count in (("max_turns", max_turns), ("max_characters", max_characters)):
            if not is_count(count):
                raise GraphError(f"Agent({name}={count!r}): write a number, 1 or more")
        if not is_number(seconds(tool_timeout), beyond=True):
            raise GraphError(f"Agent(tool_timeout={tool_timeout!r}): write seconds, more than 0")
        made = [one if isinstance(one, Tool) else tool(one) for one in tools]
        self._tools = {one.name: one for one in made}
        if len(self._tools) < len(made):
            raise GraphError(f"Agent: two tools have the same name: {', '.join(one.name for one in made)}")
        self._model = model
        self._instructions = instructions
        self._max_turns = max_turns
        self._timeout = seconds(tool_timeout)
        self._max_characters = max_characters
        self._options = options

    def answers(
        self, env: Environment, questions: Stream[Any], *, name: str = "agent", concurrency: int = 32
    ) -> Stream[Outcome]:
        """The outcomes for a stream of questions: texts, lists of messages, or `Question`.

        Args:
            env: the program.
            questions: of that program.
            name: what its operators are called: ``"agent: ask"`` ...
            concurrency: how many questions are with the model at a time, and how many with tools.
        """
        loop = env.feedback(name=f"{name}: loop")
        turns = questions.map(self.begin, name=f"{name}: begin").union(loop.stream)
        asked = turns.map(self.ask, name=f"{name}: ask", concurrency=concurrency, ordered=False)
        parts = asked.route(lambda turn: "tools" if self.goes_on(turn) else "done", name=f"{name}: route")
        loop.close(parts["tools"].map(self.act, name=f"{name}: act", concurrency=concurrency, ordered=False))
        return parts["done"].map(self.outcome, name=f"{name}: outcome")

    def begin(self, asked: Any) -> Turn:
        """The first turn of a question."""
        first = (system(self._instructions),) if self._instructions else ()
        if isinstance(asked, str):
            return Turn(asked, (*first, user(asked)))
        messages = (asked.messages or (user(asked.text),)) if isinstance(asked, Question) else asked
        return Turn(asked, (*first, *messages))

    async def ask(self, turn: Turn) -> Turn:
        """Ask the model.

        Cancel safety: the model is stopped.

        Raises:
            ModelError: as its kind says.
        """
        options = dict(self._options)
        if self._tools:
            options["tools"] = [tool.to_dict() for tool in self._tools.values()]
            if turn.turns + 1 == self._max_turns:
                options["tool_choice"] = "none"
        reply: Reply = await service(self._model).chat(list(turn.messages), **options)
        return replace(turn, messages=(*turn.messages, reply.message), turns=turn.turns + 1, reply=reply)

    def goes_on(self, turn: Turn) -> bool:
        """Whether there are tools to run, and a turn left to tell the model what came of them."""
        return turn.reply is not None and bool(turn.reply.tool_calls) and turn.turns < self._max_turns

    async def act(self, turn: Turn) -> Turn:
        """Run the tools that the model wants, beside each other.

        Cancel safety: they are cancelled.
        """
        calls = () if turn.reply is None else turn.reply.tool_calls
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._run(call)) for call in calls]
        results = [tool_result(call, task.result()) for call, task in zip(calls, running, strict=True)]
        return replace(turn, messages=(*turn.messages, *results))

    def outcome(self, turn: Turn) -> Outcome:
        """What came of a question whose last turn this was."""
        reply = turn.reply or Reply("")
        stopped: Literal["answered", "turns"] = "turns" if reply.tool_calls else "answered"
        return Outcome(turn.asked, reply.text, stopped, turn.turns, turn.messages)

    async def _run(self, call: ToolCall) -> str:
        """What came of a call, for the model."""
        wanted = self._tools.get(call.name)
        if wanted is None:
            return f"error: there is no tool {call.name!r}; there are {', '.join(self._tools) or 'none'}"
        clock = asyncio.timeout(self._timeout)
        try:
            arguments = wanted.arguments(call.arguments)
            async with clock:
                result = wanted.function(**arguments)
                if isawaitable(result):
                    result = await result
        except WrongArguments as error:
            return f"error: {error}"
        except TimeoutError as error:
            if clock.expired():
                return f"error: {call.name} did not end within tool_timeout={self._timeout:g} s"
            return f"error: {call.name} failed: {type(error).__name__}: {error}"
        except Exception as error:  # the model can do something about it, or give up
            return f"error: {call.name} failed: {type(error).__name__}: {error}"
        text = result if isinstance(result, str) else json.dumps(result, default=str, ensure_ascii=False)
        if len(text) <= self._max_characters:
            return text
        return f"{text[: self._max_characters]}… (cut off: {len(text)} characters)"
