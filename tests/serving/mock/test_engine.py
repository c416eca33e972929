"""The schedule of the synthetic engine, by a clock that the tests move."""

import pytest
from hypothesis import given, strategies

from sage.errors import GraphError, Overloaded
from sage.serving.mock import EngineOptions, MockEngine, Run, RunState, Token
from sage.testing import ManualClock


class Client:
    """Collects the tokens of its requests, with the moment at which each came."""

    def __init__(self, engine: MockEngine, clock: ManualClock) -> None:
        self.engine = engine
        self.clock = clock
        self.got: list[Token] = []
        self.came: list[float] = []

    def ask(self, prompt_tokens: int, tokens: int, pauses: dict[int, float] | None = None) -> Run:
        return self.engine.submit(prompt_tokens, tokens, self.take, pauses)

    def take(self, token: Token) -> None:
        self.got.append(token)
        self.came.append(self.clock.now())

    @property
    def due(self) -> list[float]:
        return [token.due for token in self.got]


def made(**options: float) -> tuple[ManualClock, MockEngine]:
    clock = ManualClock()
    return clock, MockEngine(clock, EngineOptions(**{"step": 1.0, **options}))  # type: ignore[arg-type]  # numbers


def test_each_step_gives_each_request_a_token() -> None:
    clock, engine = made()
    first, second = Client(engine, clock), Client(engine, clock)
    first.ask(1, 3)
    clock.advance(0.5)
    second.ask(1, 2)  # takes part from the second step on
    clock.advance(10)
    assert first.got == [Token(0, 1.0), Token(1, 2.0), Token(2, 3.0)]
    assert second.got == [Token(0, 2.0), Token(1, 3.0)]
    assert first.came == first.due


def test_a_step_takes_longer_with_more_requests_and_with_new_prompts() -> None:
    clock, engine = made(per_sequence=0.25, per_prompt_token=0.125)
    first, second = Client(engine, clock), Client(engine, clock)
    first.ask(8, 3)
    second.ask(4, 1)
    clock.advance(20)
    # The first request finds the engine idle: a step begins at once. The second comes into the next.
    assert first.due == [2.25, 2.25 + 2.0, 4.25 + 1.25]
    assert second.due == [4.25]


def test_a_late_timer_does_not_move_the_schedule() -> None:
    class LateClock(ManualClock):
        def call_at(self, when: float, callback):  # type: ignore[no-untyped-def]  # as it is there
            return super().call_at(when + 0.7, callback)

    clock = LateClock()
    engine = MockEngine(clock, EngineOptions(step=1.0))
    client = Client(engine, clock)
    client.ask(1, 4)
    clock.advance(10)
    assert client.due == [1.0, 2.0, 3.0, 4.0]
    assert client.came == pytest.approx([1.7, 2.7, 3.7, 4.7])


def test_steps_that_were_missed_are_caught_up_with() -> None:
    clock, engine = made()
    first, second = Client(engine, clock), Client(engine, clock)
    first.ask(1, 3)
    clock.call_at(2.5, lambda: clock.advance(4))  # nothing else gets a turn meanwhile
    clock.advance(2.2)
    second.ask(1, 2)
    clock.advance(10)
    assert first.due == [1.0, 2.0, 3.0]
    assert second.due == [4.0, 5.0]


def test_an_idle_engine_starts_at_once() -> None:
    clock, engine = made()
    client = Client(engine, clock)
    client.ask(1, 1)
    clock.advance(7.25)
    client.ask(1, 1)
    clock.advance(5)
    assert client.due == [1.0, 8.25]


def test_who_finds_no_place_waits_in_order_of_arrival() -> None:
    clock, engine = made(max_num_seqs=1)
    clients = [Client(engine, clock) for _ in range(3)]
    for client in clients:
        client.ask(1, 2)
    assert (engine.running, engine.waiting) == (1, 2)
    clock.advance(10)
    assert [client.due for client in clients] == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert (engine.started, engine.finished, engine.tokens) == (3, 3, 6)


def test_too_many_are_refused_by_name() -> None:
    clock, engine = made(max_num_seqs=1, max_waiting=1)
    client = Client(engine, clock)
    client.ask(1, 1)
    client.ask(1, 1)
    with pytest.raises(Overloaded, match="max_waiting=1"):
        client.ask(1, 1)
    assert engine.refused == 1
    clock.advance(1)
    client.ask(1, 1)  # there is room again


def test_the_budget_of_tokens_holds_requests_back() -> None:
    clock, engine = made(kv_tokens=10)
    first, second = Client(engine, clock), Client(engine, clock)
    first.ask(4, 2)
    second.ask(3, 2)  # 6 + 5 are more than 10
    clock.advance(1.5)
    assert (engine.running, engine.waiting, engine.held) == (1, 1, 6)
    clock.advance(10)
    assert second.due == [3.0, 4.0]
    with pytest.raises(ValueError, match="kv_tokens"):
        first.ask(9, 2)
    assert engine.held == 0


def test_a_cancelled_request_leaves_its_place_at_once() -> None:
    clock, engine = made(max_num_seqs=1)
    first, second = Client(engine, clock), Client(engine, clock)
    run = first.ask(1, 100)
    second.ask(1, 1)
    clock.advance(1.5)
    engine.cancel(run)
    assert (engine.running, run.state) == (0, RunState.CANCELLED)
    engine.cancel(run)
    clock.advance(10)
    assert (first.due, second.due) == ([1.0], [3.0])  # the step that had begun is gone through
    assert engine.cancelled == 1


def test_one_that_waits_can_be_cancelled() -> None:
    clock, engine = made(max_num_seqs=1)
    client = Client(engine, clock)
    client.ask(1, 2)
    engine.cancel(client.ask(1, 2))
    assert engine.waiting == 0
    clock.advance(10)
    assert client.due == [1.0, 2.0]


def test_pauses_keep_the_place_and_nothing_else() -> None:
    clock, engine = made(per_sequence=0.5)
    client, other = Client(engine, clock), Client(engine, clock)
    client.ask(1, 3, {0: 0.5, 2: 4.0})
    other.ask(1, 2)
    clock.advance(20)
    assert other.due == [1.5, 3.5]
    # It came at 0, rested until 0.5, found a step under way and took part from 1.5 on; it rested again from 5 to 9.
    assert client.due == [3.5, 5.0, 10.5]


def test_a_pause_without_end_ends_when_it_is_cancelled() -> None:
    clock, engine = made(max_num_seqs=1)
    client, other = Client(engine, clock), Client(engine, clock)
    run = client.ask(1, 3, {1: float("inf")})
    other.ask(1, 1)
    clock.advance(50)
    assert (client.due, other.due, engine.running) == ([1.0], [], 1)
    engine.cancel(run)
    clock.advance(5)
    assert other.due == [51.0]


def test_a_closed_engine_makes_no_more_tokens() -> None:
    clock, engine = made(max_num_seqs=1)
    client = Client(engine, clock)
    client.ask(1, 3)
    client.ask(1, 3)
    engine.close()
    clock.advance(10)
    assert (client.got, engine.running, engine.waiting, engine.cancelled) == ([], 0, 0, 2)


@pytest.mark.parametrize(
    "options", [{"max_num_seqs": 0}, {"max_waiting": -1}, {"kv_tokens": 0}, {"step": 0.0}, {"step": -1.0}]
)
def test_what_cannot_be_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(GraphError, match=next(iter(options))):
        EngineOptions(**options)  # type: ignore[arg-type]  # numbers


requests = strategies.lists(
    strategies.tuples(
        strategies.integers(0, 20), strategies.integers(0, 6), strategies.integers(1, 6), strategies.booleans()
    ),
    max_size=12,
)


@given(requests=requests, places=strategies.integers(1, 4), budget=strategies.integers(12, 40))
def test_nothing_is_lost_and_no_limit_is_passed(
    requests: list[tuple[int, int, int, bool]], places: int, budget: int
) -> None:
    clock, engine = made(max_num_seqs=places, kv_tokens=budget, per_sequence=0.125)
    clients: list[tuple[Client, Run, int, bool]] = []
    for at, prompt, tokens, leaves in sorted(requests):
        clock.advance(max(0.0, at - clock.now()))
        client = Client(engine, clock)
        run = client.ask(prompt, tokens)
        clients.append((client, run, tokens, leaves))
        if leaves:
            clock.advance(0.75)
            engine.cancel(run)
        assert engine.running <= places
        assert engine.held <= budget
    clock.advance(1_000)
    for client, run, tokens, leaves in clients:
        assert [token.number for token in client.got] == list(range(run.made))
        assert client.came == client.due == sorted(set(client.due))
        assert leaves or run.made == tokens
    assert (engine.running, engine.waiting, engine.held) == (0, 0, 0)
    assert engine.started >= engine.finished
    assert engine.finished + engine.cancelled == len(clients)
