"""Random histories of a queue whose senders sit near and far: the bound holds, and everything arrives."""

import asyncio
from typing import Any

from hypothesis import given, settings, strategies as st

from tests.transports.remote.world import Player, World, turns

CAPACITY = 5

players = st.integers(0, 3)
sizes = st.sampled_from([0, 1, 1, 1, 2, 3, CAPACITY, CAPACITY + 1, 3 * CAPACITY])
anything = st.one_of(
    st.tuples(st.just("send"), players, sizes),
    st.tuples(st.just("send"), players, sizes),
    st.tuples(st.just("try"), players, sizes),
    st.tuples(st.just("cancel"), players, st.integers(0, 5)),
    st.tuples(st.just("turns"), st.integers(1, 12)),
    st.tuples(st.just("turns"), st.integers(1, 12)),
    st.tuples(st.just("drain")),
    st.tuples(st.just("release"), st.integers(1, 2 * CAPACITY)),
    st.tuples(st.just("rest")),
    st.tuples(st.just("congest"), players, st.booleans()),
    st.tuples(st.just("hold"), players, st.booleans()),
    st.tuples(st.just("let go"), players),
    st.tuples(st.just("close"), players),
    st.tuples(st.just("cut"), players),
)
few = st.integers(0, 2)
contention = st.one_of(
    st.tuples(st.just("send"), few, st.sampled_from([1, 1, 1, 2, 4])),
    st.tuples(st.just("try"), few, st.just(1)),
    st.tuples(st.just("cancel"), few, st.integers(0, 1)),
    st.tuples(st.just("turns"), st.integers(1, 3)),
    st.tuples(st.just("flow")),
    st.tuples(st.just("rest")),
)


def play(world: World, step: tuple[Any, ...]) -> None:
    """One step of a history that takes no time."""
    match step:
        case ("drain",):
            world.drain()
        case ("flow",):
            world.drain()
            world.release(world.places_held)
        case ("release", most):
            world.release(most)
        case (action, number, *arguments):
            play_as(world.players[number % len(world.players)], action, *arguments)


def play_as(player: Player, action: str, *arguments: Any) -> None:
    connection = None if player.link is None else player.link.connection
    match action:
        case "send":
            player.start_send(*arguments)
        case "try":
            player.try_send(*arguments)
        case "cancel":
            player.cancel(*arguments)
        case "close":
            player.start_close()
        case "cut":
            player.cut()
        case "congest" if player.link is not None and connection is not None and connection.alive:
            player.link.congest(*arguments)
        case "hold" if connection is not None:
            (connection.there if arguments[0] else connection.back).held = True
        case "let go" if connection is not None:
            connection.there.let_go()
            connection.back.let_go()


async def history(capacity: int | None, delays: list[int], steps: list[tuple[Any, ...]]) -> None:
    world = World(capacity, delays)
    for step in steps:
        if step[0] == "rest":
            await world.rest()
        elif step[0] == "turns":
            for _ in range(step[1]):
                await turns(1)
                world.check()
        else:
            play(world, step)
        world.check()
    await world.finish()
    world.check_outcome()


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, CAPACITY) | st.none(),
    st.lists(st.integers(1, 6), max_size=3),
    st.lists(anything, max_size=60),
)
def test_any_history_keeps_the_bound_and_loses_nothing(
    capacity: int | None, delays: list[int], steps: list[tuple[Any, ...]]
) -> None:
    asyncio.run(history(capacity, delays, steps))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 3), st.sampled_from([[1, 1], [1, 3]]), st.lists(contention, min_size=20, max_size=60))
def test_who_waits_is_never_held_up_by_places_that_lie_idle(
    capacity: int, delays: list[int], steps: list[tuple[Any, ...]]
) -> None:
    asyncio.run(history(capacity, delays, steps))
