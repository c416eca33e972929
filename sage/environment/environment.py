"""Where a program is built, and from which it is run."""

import asyncio
import copy
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sage import operators
from sage.config import Config
from sage.errors import GraphError
from sage.graph import Graph, GraphView
from sage.operators.functions import SourceFunction
from sage.operators.numbers import seconds
from sage.operators.source import Source
from sage.policies import Retry
from sage.refusal import described
from sage.stream.base import Origin
from sage.stream.feedback import FeedbackLoop
from sage.stream.stream import Stream

if TYPE_CHECKING:
    from sage.admission import Admission
    from sage.environment.as_service import EndpointService
    from sage.jobs import Job, JobResult
    from sage.kernel import Engine
    from sage.services import Balance, Breaker, Restart, Services
    from sage.services.definition import ServiceDefinition
    from sage.services.service import Service

__all__ = ["Environment", "LocalEnvironment"]

T = TypeVar("T")

_logger = logging.getLogger("sage.environment")


class Environment:
    """A program: sources, operators and sinks, and how to run them.

    ::

        env = sage.Environment("hello")
        env.from_iterable(range(10)).map(lambda x: x + 1).sink(print)
        sage.run(env)

    Args:
        name: what jobs, log lines and errors call it.
        engine: what runs it: ``"local"``, or ``"auto"`` for the best there is. The environment variable ``SAGE_ENGINE``
            sets the default.
        transport: what its channels are made of: ``"memory"`` (by reference), ``"shm"``, ``"zmq"`` or ``"ray"``.
        batch_size: how many records are handed on at once, at most. Nobody ever waits to fill a batch.
        channel_capacity: how many records may lie between two operators. When they are there, the sender waits, and so
            does all that is upstream of it, up to the source.
        budget: seconds, or a timedelta, that an operator may work before it lets others run.
        call_window: how many records of an answer may wait to be read by whoever asked; then those who make more of it
            pause, and nobody else does.
        admission: how many requests are let in; `None` for all.

    Raises:
        GraphError: a value cannot be.
    """

    def __init__(
        self,
        name: str,
        *,
        engine: "str | Engine[Graph] | None" = None,
        transport: str = "memory",
        batch_size: int = 2048,
        channel_capacity: int = 4096,
        budget: float | timedelta = 0.002,
        call_window: int = 256,
        admission: "Admission | None" = None,
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise GraphError(f"Environment({name!r}): write a name for the program, a text that is not empty")
        if not (engine is None or isinstance(engine, str) or hasattr(engine, "prepare")):
            raise GraphError(f"Environment({name!r}): engine={engine!r}: write 'local' or 'auto', or give an engine")
        self.name = name
        self.config = Config(
            engine=engine if isinstance(engine, str) else "",
            transport=transport,
            batch_size=batch_size,
            channel_capacity=channel_capacity,
            budget=seconds(budget),
            call_window=call_window,
            admission=admission,
        )
        self._engine: Engine[Graph] | None = None if engine is None or isinstance(engine, str) else engine
        self._services: dict[str, ServiceDefinition] = {}
        #: What streams add to. To look at it, use `graph`.
        self.logical_graph = Graph()

    # ---- where records come from

    def from_iterable(
        self,
        iterable: Iterable[T] | AsyncIterable[T] | Callable[[], Iterable[T] | AsyncIterable[T]],
        *,
        name: str | None = None,
    ) -> Stream[T]:
        """The values of a plain or async iterable.

        Args:
            iterable: a container, a generator, an async generator, or a function without arguments that makes one; of a
                container or a function the program can be run again.
            name: what the source is called.

        Raises:
            GraphError: it cannot be iterated, or it is an iterator that is a source of this program already.
        """
        self._refuse_second_use(iterable)
        return self._source(described(operators.FromIterable, iterable), name)

    def from_source(
        self, source: Source[T] | SourceFunction[T] | type[SourceFunction[T]], *, name: str | None = None
    ) -> Stream[T]:
        """The records of a source: one of `sage.sources`, or a `SourceFunction`.

        Raises:
            GraphError: it is neither.
        """
        made: Any = source if isinstance(source, Source) else described(operators.FromFunction, source)
        return self._source(made, name)

    def endpoint(self, name: str, *, fair_by: Callable[[T], Any] | None = None) -> Stream[Any]:
        """The requests that callers make of the running program: ``job.stream(name, value)`` and ``job.call``.

        ::

            env.endpoint("shout").map(str.upper).reply()
            async with env.start() as job:
                assert await job.call("shout", "hello") == "HELLO"

        Each request has its own answer: the records that come of it and reach a `Stream.reply`.

        Args:
            name: what callers ask for; unique in the program.
            fair_by: tells on whose behalf a request is (a tenant): those of different ones get equal shares. What a
                caller says with the request counts more.

        Raises:
            GraphError: the name is taken, or a value cannot be.
        """
        return self._source(described(operators.Endpoint, name, fair_by=fair_by), name)

    def feedback(self, *, name: str | None = None) -> FeedbackLoop[Any]:
        """A loop: a stream whose records come from further down. See `FeedbackLoop`."""
        return FeedbackLoop(self, self.logical_graph, name)

    # ---- what its functions call

    def register_service(
        self,
        name: str,
        service: "type[Service]",
        *args: Any,
        replicas: int = 1,
        place: str = "inproc",
        max_concurrency: int | None = None,
        max_queue: int | None = None,
        timeout: float | timedelta | None = None,
        retry: Retry | None = None,
        rate: float | None = None,
        breaker: "Breaker | None" = None,
        restart: "Restart | None" = None,
        balance: "str | Balance" = "least",
        **kwargs: Any,
    ) -> None:
        """Have a service run beside the program; its functions find it with ``sage.service(name)``.

        Args:
            name: what it is called.
            service: a class derived from `sage.Service`.
            args: what an instance is made with.
            replicas: how many instances share the calls.
            place: where they run: ``"inproc"`` (this event loop), ``"zmq"`` (a process for each) or ``"ray"``.
            max_concurrency: how many calls run at once; `None` for no bound.
            max_queue: how many calls may wait for that; more are refused with `Overloaded`.
            timeout: seconds, or a timedelta, that a call may take, waiting included; of a stream, until its first item.
            retry: how often a call that failed is tried again; never when a part of the answer was received.
            rate: how many calls may begin in a second.
            breaker: when a service that fails is left alone for a while.
            restart: how a replica that died is started again.
            balance: which replica gets a call: ``"least"``, ``"round_robin"``, ``"key"``, or `sage.ByKey(...)`.
            kwargs: what an instance is made with.

        Raises:
            GraphError: a value cannot be, or the name is taken.
        """
        if not isinstance(service, type):
            raise GraphError(
                f"register_service({name!r}, {service!r}): give the class; what makes an instance "
                f"goes to env.register_service_factory"
            )
        self._register(
            name,
            service,
            args,
            kwargs,
            replicas=replicas,
            place=place,
            max_concurrency=max_concurrency,
            max_queue=max_queue,
            timeout=timeout,
            retry=retry,
            rate=rate,
            breaker=breaker,
            restart=restart,
            balance=balance,
        )

    def register_service_factory(self, name: str, factory: "Callable[[], Service]", **options: Any) -> None:
        """The same for a service whose instances are made by a function.

        Args:
            name: what the service is called.
            factory: makes an instance; called once for each replica, where it is to run.
            options: as for `register_service`, from `replicas` on.

        Raises:
            GraphError: a value cannot be, or the name is taken.
        """
        self._register(name, factory, (), {}, **options)

    def as_service(self, endpoint: str) -> "type[EndpointService]":
        """The class of a service that stands for an endpoint of this program, for another one to register.

        ::

            other.register_service("answers", env.as_service("ask"), place="zmq")
            ...  # in a function of the other program:
            answer = await sage.service("answers").call(question)

        The service has the methods `EndpointService.call` and `EndpointService.stream`. Every replica runs the program.

        Raises:
            GraphError: the program has no endpoint of that name.
        """
        from sage.environment.as_service import endpoint_service

        return endpoint_service(self.name, self.logical_graph, endpoint, self.start)

    @property
    def service_names(self) -> list[str]:
        """The names of the services that were registered, in that order."""
        return list(self._services)

    def services(self) -> "Services":
        """The services of the program without a job: ``async with env.services() as services``.

        Raises:
            NotAvailable: a service is to run in a place that is not installed.
        """
        from sage.services.manager import Services

        return Services(self._services.values())

    # ---- running

    def graph(self) -> GraphView:
        """The program to look at: ``env.graph().text()`` or ``.mermaid()``."""
        return GraphView(self.logical_graph)

    def copy(self) -> Self:
        """The same program, with the same services; what is added to one of the two is not in the other."""
        copied = copy.copy(self)
        copied.logical_graph = self.logical_graph.copy()
        copied._services = dict(self._services)
        return copied

    async def run(self) -> "JobResult":
        """Run the program to its end.

        Cancel safety: cancelling it cancels the job and waits until it is closed.

        Raises:
            GraphError: the program cannot run.
            JobFailed: an operator failed.
        """
        async with self.start() as job:
            return await job.wait()

    def start(self) -> "Job":
        """A job bound to a block: ``async with env.start() as job``. Leaving the block cancels what still runs.

        It is of the program as it stands: what is added later is in later jobs.

        Raises:
            GraphError: the program cannot run.
        """
        # Loaded for the first program that runs, as the runtime below: `import sage` stays light.
        from sage.jobs import Job

        if self._engine is None:
            self._engine = _local_engine(self.config)
        graph = self.logical_graph.copy()
        execution = self._engine.prepare(self.name, graph)
        for node in graph.unread():
            _logger.warning(
                "program %r: nobody reads what operator %r makes, so it is dropped; "
                "end the stream with .sink(...), .collect() or .inspect(...)",
                self.name,
                node.name,
            )
        if self._services:
            from sage.services.served import ServedExecution

            execution = ServedExecution(execution, self.services())
        return Job(self.name, execution)

    def submit(self) -> "Job":
        """Start in the background, on the running event loop, and return the job; wait for it or cancel it.

        Raises:
            GraphError: the program cannot run, or there is no running event loop.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise GraphError("env.submit() needs a running event loop; outside of one write sage.run(env)") from None
        return self.start().begin()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {len(self.logical_graph.nodes)} operators>"

    def _register(
        self, name: str, make: "Callable[..., Service]", args: tuple[Any, ...], kwargs: dict[str, Any], **options: Any
    ) -> None:
        from sage.services.definition import ServiceDefinition

        retry = options.get("retry")
        if retry is not None and not isinstance(retry, Retry):
            raise GraphError(f"register_service({name!r}, ...): retry={retry!r}: write sage.Retry(...)")
        try:
            definition = ServiceDefinition(name, make, args, kwargs, **options)
        except TypeError as error:
            raise GraphError(f"register_service_factory({name!r}, ...): {error}") from None
        if name in self._services:
            raise GraphError(f"register_service({name!r}, ...): there is a service of that name already")
        self._services[name] = definition

    def _source(self, source: Source[T], name: str | None) -> Stream[T]:
        node = self.logical_graph.add(source, name=name, label=source.label, parallelism=1)
        return Stream(self, (Origin(node),))

    def _refuse_second_use(self, iterable: object) -> None:
        if not isinstance(iterable, Iterator | AsyncIterator):
            return
        for node in self.logical_graph.nodes:
            if isinstance(node.operator, operators.FromIterable) and node.operator.iterable is iterable:
                raise GraphError(
                    f"from_iterable: this {type(iterable).__name__} is the source {node.name!r} already, "
                    f"and can be read only once; use that stream twice, or give the function that makes the iterator"
                )


def _local_engine(config: Config) -> "Engine[Graph]":
    from sage.runtime import LocalEngine

    return LocalEngine(config)


class LocalEnvironment(Environment):
    """An `Environment` whose engine is ``"local"``: tasks of one event loop.

    Args:
        name: as in `Environment`.
        options: as in `Environment`.
    """

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, engine="local", **options)
