"""Calls that are answered once: values, errors, deadlines, cancellation, limits."""

import asyncio
import contextvars
import pickle
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from sage.transports import CodecError
from sage.transports.codec import Codec, Types
from sage.transports.rpc import (
    ClosedRpc,
    ConnectionLost,
    DeadlineExceeded,
    Overloaded,
    RemoteError,
    RpcCall,
    RpcClient,
    RpcServer,
    ServerUnreachable,
    StandIn,
    UnknownMethod,
    WrongCall,
    register_error,
)
from tests.transports.rpc.served import Probe, served, until


async def add(a: int, b: int = 0) -> int:
    return a + b


async def echo(value: Any) -> Any:
    return value


async def test_a_coroutine_function_answers() -> None:
    async with served({"add": add}) as (_, client):
        assert await client.call("add", 1, 2) == 3
        assert await client.call("add", 1, kwargs={"b": 5}, timeout=60) == 6


async def test_a_plain_function_answers() -> None:
    async with served({"double": lambda x: 2 * x}) as (_, client):
        assert await client.call("double", 4) == 8


@pytest.mark.parametrize("value", [None, "täglich", b"\x00" * 100_000, (1, [2, {"three": 4.0}]), {1, 2}, 10**40])
async def test_values_arrive_as_they_were_sent(value: Any) -> None:
    async with served({"echo": echo}) as (_, client):
        assert await client.call("echo", value) == value


async def test_large_arrays_arrive_among_other_calls() -> None:
    arrays = [np.full(50_000, number) for number in range(20)]
    async with served({"echo": echo}) as (_, client):
        answers = await asyncio.gather(*(client.call("echo", x) for array in arrays for x in (array, int(array[0]))))
    assert all(np.array_equal(a, b) for a, b in zip(arrays, answers[::2], strict=True))
    assert answers[1::2] == list(range(20))


async def test_a_thousand_calls_at_once_each_get_their_own_answer() -> None:
    gate = asyncio.Event()

    async def wait_and_echo(value: int) -> int:
        await gate.wait()
        return value

    async with served({"echo": wait_and_echo}) as (server, client):
        calls = [asyncio.create_task(client.call("echo", number)) for number in range(1000)]
        await until(lambda: server.statistics().running == 1000)
        gate.set()
        assert await asyncio.gather(*calls) == list(range(1000))
        assert server.statistics().running == 0


async def test_a_value_that_changes_after_the_call_is_sent_as_it_was() -> None:
    async with served({"echo": echo}) as (_, client):
        value = [1]
        call = asyncio.ensure_future(client.call("echo", value))
        await asyncio.sleep(0)
        value.append(2)
        assert await call == [1]


async def test_a_handler_finds_methods_by_itself() -> None:
    class Handler:
        def call(self, method: str, args: list[Any], kwargs: dict[str, Any], call: RpcCall) -> Any:
            return [method, args, kwargs, call.streaming, call.deadline is not None, call.caller[:6]]

    async with served(Handler()) as (_, client):
        answer = await client.call("any.thing", 1, kwargs={"b": 2}, timeout=60)
        assert answer == ["any.thing", [1], {"b": 2}, False, True, "client"]


async def test_each_call_has_context_variables_of_its_own() -> None:
    variable = contextvars.ContextVar("variable", default=0)

    async def count() -> int:
        variable.set(variable.get() + 1)
        return variable.get()

    async with served({"count": count}) as (_, client):
        assert [await client.call("count") for _ in range(3)] == [1, 1, 1]


class TestErrors:
    async def test_a_builtin_comes_back_as_itself_with_a_note(self) -> None:
        async def fail() -> None:
            raise KeyError("missing", 3)

        async with served({"fail": fail}) as (server, client):
            with pytest.raises(KeyError) as caught:
                await client.call("fail")
            assert caught.value.args == ("missing", 3)
            [note] = caught.value.__notes__
            assert f"raised by 'fail' at {server.address}" in note
            assert "in fail" in note
            assert "runner.py" not in note

    @pytest.mark.parametrize(
        "error",
        [OSError(2, "gone"), OSError(2, "gone", "/a/file"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")],
    )
    async def test_builtins_with_arguments_of_their_own(self, error: Exception) -> None:
        def fail() -> None:
            raise error

        async with served({"fail": fail}) as (_, client):
            with pytest.raises(type(error)) as caught:
                await client.call("fail")
            assert str(caught.value) == str(error)

    async def test_an_unknown_type_is_told_by_name(self) -> None:
        class Unheard(Exception):
            pass

        async def fail() -> None:
            raise Unheard("of")

        async with served({"fail": fail}) as (server, client):
            with pytest.raises(RemoteError, match="Unheard: of") as caught:
                await client.call("fail")
            error = caught.value
            assert error.type.endswith("Unheard")
            assert (error.message, error.method, error.address) == ("of", "fail", server.address)
            assert "in fail" in error.traceback
            again = pickle.loads(pickle.dumps(error))
            assert (str(again), again.type, again.traceback) == (str(error), error.type, error.traceback)

    async def test_a_registered_type_comes_back_with_its_attributes(self) -> None:
        @register_error
        class Refused(Exception):
            def __init__(self, *, why: str) -> None:
                super().__init__(f"because {why}")
                self.why = why

        async def fail() -> None:
            raise Refused(why="so")

        async with served({"fail": fail}) as (_, client):
            with pytest.raises(Refused, match="because so") as caught:
                await client.call("fail")
            assert caught.value.why == "so"

    async def test_an_error_that_stands_in_for_another_tells_where_that_one_was_raised(self) -> None:
        @register_error
        class Sent(StandIn):
            pass

        async def origin() -> None:
            raise KeyError("key")

        async def fail() -> None:
            try:
                await origin()
            except KeyError as error:
                error.add_note("a note")
                raise Sent("key") from error

        async with served({"fail": fail}) as (_, client):
            with pytest.raises(Sent) as caught:
                await client.call("fail")
            [note] = caught.value.__notes__
            assert "in origin" in note
            assert note.endswith("KeyError: 'key'")  # neither its notes nor what stands for it

    async def test_notes_travel_and_arguments_that_cannot_do_no_harm(self) -> None:
        async def fail() -> None:
            error = ValueError("text \udc80", object())
            error.add_note("a note")
            raise error

        async with served({"fail": fail}) as (_, client):
            with pytest.raises(ValueError, match="text") as caught:
                await client.call("fail")
            assert caught.value.__notes__[0] == "a note"

    async def test_an_unknown_method_is_told_with_those_that_are_there(self) -> None:
        async with served({"add": add, "echo": echo}) as (server, client):
            with pytest.raises(UnknownMethod, match=f"'ad' at {server.address}: .* add, echo"):
                await client.call("ad")

    async def test_arguments_that_do_not_fit(self) -> None:
        async with served({"add": add}) as (_, client):
            with pytest.raises(TypeError, match="positional"):
                await client.call("add", 1, 2, 3)

    async def test_what_cannot_be_carried_raises_at_the_caller_and_nothing_is_sent(self) -> None:
        async with served({"echo": echo}) as (server, client):
            with pytest.raises(CodecError, match="object"):
                await client.call("echo", object())
            assert await client.call("echo", 1) == 1
            assert server.statistics().calls == 1

    async def test_an_answer_that_cannot_be_carried_is_an_error_of_that_call(self) -> None:
        async def make() -> object:
            return object()

        async with served({"make": make, "add": add}) as (_, client):
            calls = [client.call("make"), client.call("add", 1)]
            failed, fine = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(failed, CodecError)
            assert fine == 1

    async def test_a_value_that_only_one_side_knows_fails_its_own_call(self) -> None:
        class Own:
            pass

        types = Types()
        types.register(Own, encode=lambda own: 0, decode=lambda zero: Own())
        async with (
            RpcServer({"echo": echo, "make": Own}, "ipc://*") as server,
            RpcClient(server.address, codec=Codec(types=types)) as client,
        ):
            calls = [client.call("echo", Own()), client.call("echo", 1), client.call("echo", (2,))]
            failed, one, two = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(failed, CodecError)
            assert "register_type" in str(failed)
            assert (one, two) == (1, (2,))

    async def test_a_stream_cannot_be_called(self) -> None:
        probe = Probe()
        async with served(probe.methods()) as (server, client):
            with pytest.raises(WrongCall, match=r"client\.stream"):
                await client.call("count", 3)
            assert server.statistics().running == 0

    async def test_a_method_that_cancels_itself_does_not_cancel_the_caller(self) -> None:
        async def give_up() -> None:
            raise asyncio.CancelledError

        async with served({"give_up": give_up}) as (_, client):
            with pytest.raises(RemoteError, match="CancelledError"):
                await client.call("give_up")


class TestDeadlines:
    async def test_the_call_fails_in_time_and_the_method_is_cancelled(self) -> None:
        probe = Probe()
        seconds = 0.01
        async with served(probe.methods()) as (server, client):
            while not probe.started:  # a machine that stood still until the deadline is given more
                seconds *= 2
                with pytest.raises(DeadlineExceeded, match=r"'hang' at ipc:.*timeout=") as caught:
                    await client.call("hang", timeout=seconds)
                assert isinstance(caught.value, TimeoutError)
            await until(lambda: probe.cancelled == 1)
            assert server.statistics().running == 0

    async def test_the_server_keeps_the_deadline_by_itself(self) -> None:
        loop = asyncio.get_running_loop()
        came: list[tuple[float, float]] = []

        class Handler:
            def call(self, method: str, args: list[Any], kwargs: dict[str, Any], call: RpcCall) -> Any:
                assert call.deadline is not None
                came.append((loop.time(), call.deadline))
                return asyncio.sleep(3600)

        async with served(Handler()) as (server, client):
            assert client._connection is not None
            began, seconds = 0.0, 0.025
            while not came:  # a machine that stood still until the deadline is given more
                began, seconds = loop.time(), 2 * seconds
                with (
                    patch.object(client._connection._deadlines, "add"),  # as if the caller's clock stood still
                    pytest.raises(DeadlineExceeded),
                ):
                    await client.call("x", timeout=seconds)
            [(moment, deadline)] = came
            assert began + seconds - 0.001 < deadline <= moment + seconds
            assert server.statistics().running == 0

    async def test_a_deadline_that_has_passed_sends_nothing(self) -> None:
        async with served({"add": add}) as (server, client):
            with pytest.raises(DeadlineExceeded):
                await client.call("add", 1, timeout=0)
            with pytest.raises(DeadlineExceeded):
                await client.call("add", 1, timeout=10, deadline=asyncio.get_running_loop().time() - 1)
            assert await client.call("add", 1, timeout=float("inf")) == 1
            assert server.statistics().calls == 1

    async def test_only_those_that_are_late_fail(self) -> None:
        async with served({"sleep": asyncio.sleep, "add": add}) as (_, client):
            calls = [client.call("sleep", 60, timeout=0.01 + 0.001 * (number % 7)) for number in range(100)]
            fine = [client.call("add", number, timeout=60) for number in range(100)]
            results = await asyncio.gather(*calls, *fine, return_exceptions=True)
            assert all(isinstance(result, DeadlineExceeded) for result in results[:100])
            assert results[100:] == list(range(100))

    async def test_a_call_that_waits_for_its_turn_is_late_too(self) -> None:
        probe = Probe()
        async with served(probe.methods(), max_concurrency=1) as (server, client):
            first = asyncio.create_task(client.call("hang"))
            await until(lambda: probe.started == 1)
            with pytest.raises(DeadlineExceeded):
                await client.call("hang", timeout=0.01)
            await until(lambda: server.statistics().waiting == 0)
            assert (probe.started, server.statistics().running) == (1, 1)
            first.cancel()


class TestCancellation:
    async def test_it_reaches_the_method(self) -> None:
        probe = Probe()
        async with served(probe.methods()) as (server, client):
            call = asyncio.create_task(client.call("hang"))
            await until(lambda: probe.started == 1)
            call.cancel()
            await until(lambda: probe.cancelled == 1)
            with pytest.raises(asyncio.CancelledError):
                await call
            assert server.statistics().running == 0

    async def test_a_call_that_is_cancelled_at_once_never_runs(self) -> None:
        probe = Probe()
        async with served({**probe.methods(), "add": add}) as (server, client):
            call = asyncio.create_task(client.call("hang"))
            await asyncio.sleep(0)
            call.cancel()
            assert await client.call("add", 1) == 1
            await until(lambda: server.statistics().running == 0)
            assert probe.started == probe.cancelled

    async def test_others_are_not_cancelled(self) -> None:
        probe = Probe()
        async with served(probe.methods()) as (server, client):
            calls = [asyncio.create_task(client.call("hang")) for _ in range(20)]
            await until(lambda: probe.started == 20)
            for call in calls[::2]:
                call.cancel()
            await until(lambda: probe.cancelled == 10)
            assert server.statistics().running == 10

    async def test_a_method_that_answers_in_spite_of_it_is_not_heard(self) -> None:
        begun = asyncio.Event()

        async def stubborn() -> str:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "anyway"
            return ""

        async with served({"stubborn": stubborn, "add": add}) as (server, client):
            call = asyncio.create_task(client.call("stubborn"))
            await begun.wait()
            call.cancel()
            assert await client.call("add", 1) == 1
            await until(lambda: server.statistics().running == 0)
            assert call.cancelled()

    async def test_closing_the_server_cancels_and_awaits_all(self) -> None:
        probe = Probe()
        async with (
            RpcServer(probe.methods(), "ipc://*", max_concurrency=3) as server,
            RpcClient(server.address) as client,
        ):
            calls = [asyncio.create_task(client.call("hang")) for _ in range(5)]
            await until(lambda: server.statistics().waiting == 2 and probe.started == 3)
            await server.aclose()
            assert (probe.started, probe.cancelled) == (3, 3)
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(result, ConnectionLost) for result in results), results

    async def test_closing_with_time_to_drain_lets_calls_end(self) -> None:
        gate = asyncio.Event()
        probe = Probe()
        async with served({"gate": gate.wait, **probe.methods()}) as (server, client):
            call = asyncio.create_task(client.call("gate"))
            await until(lambda: server.statistics().running == 1)
            closing = asyncio.create_task(server.aclose(drain=60))
            await asyncio.sleep(0)
            with pytest.raises(ServerUnreachable, match="begins no more calls"):
                await client.call("hang")
            gate.set()
            assert await call is True
            await closing
        assert probe.started == 0

    async def test_closing_the_client_fails_what_is_under_way(self) -> None:
        probe = Probe()
        async with RpcServer(probe.methods(), "ipc://*") as server:
            async with RpcClient(server.address) as client:
                call = asyncio.create_task(client.call("hang"))
                await until(lambda: probe.started == 1)
            with pytest.raises(ClosedRpc, match="this client was closed"):
                await call
            with pytest.raises(ClosedRpc, match="async with"):
                await client.call("hang")
            await until(lambda: probe.cancelled == 1)
            assert server.statistics().clients == 0


class TestLimits:
    async def test_max_concurrency_bounds_what_runs(self) -> None:
        running = 0
        most = 0
        full = asyncio.Event()

        async def work() -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == 3:
                full.set()
            await full.wait()
            await asyncio.sleep(0.001)
            running -= 1

        async with served({"work": work}, max_concurrency=3) as (_, client):
            await asyncio.gather(*(client.call("work") for _ in range(20)))
        assert most == 3

    async def test_more_than_max_queue_are_refused_before_any_work(self) -> None:
        probe = Probe()
        async with served(probe.methods(), max_concurrency=2, max_queue=3) as (server, client):
            calls = [asyncio.create_task(client.call("hang")) for _ in range(8)]
            await until(lambda: sum(call.done() for call in calls) == 3)
            refused = [call.exception() for call in calls if call.done()]
            assert all(isinstance(error, Overloaded) and "max_queue" in str(error) for error in refused)
            assert (server.statistics().running, server.statistics().waiting) == (2, 3)
            assert probe.started == 2

    async def test_a_call_that_waits_can_be_cancelled(self) -> None:
        probe = Probe()
        async with served(probe.methods(), max_concurrency=1) as (server, client):
            calls = [asyncio.create_task(client.call("hang")) for _ in range(3)]
            await until(lambda: server.statistics().waiting == 2 and probe.started == 1)
            calls[1].cancel()
            await until(lambda: server.statistics().waiting == 1)
            calls[0].cancel()
            await until(lambda: probe.started == 2)
            assert server.statistics().waiting == 0


@pytest.mark.parametrize(
    ("methods", "told"), [({"x": 3}, "cannot be called"), ({"x": lambda: (yield)}, "generator function")]
)
def test_methods_that_cannot_be_served_are_refused(methods: dict[str, Callable[..., Any]], told: str) -> None:
    with pytest.raises(TypeError, match=told):
        RpcServer(methods)
