"""Which kinds of queue there are, and how the description of a queue becomes a descriptor again.

The kinds of this package are loaded when one of them is first needed. Others make theirs known::

    register_queue_factory("kafka", KafkaQueueDescriptor)
    create_queue("kafka", maxsize=64, topic="orders")        # in one process
    resolve_descriptor(received)                             # in another, where it is registered as well

Every kind has two names, ``"rpc"`` and ``"rpc_queue"``.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from sage.transports.errors import InvalidChannel, QueueFactoryError
from sage.transports.queue import QueueDescriptor

__all__ = [
    "describe",
    "kind_of",
    "known_kinds",
    "register_queue_factory",
    "register_rpc_queue_factory",
    "resolve_descriptor",
]

Factory = Callable[..., QueueDescriptor[Any]]

_CLASSES = {
    "python": ("sage.transports.python_queue", "PythonQueueDescriptor"),
    "ray": ("sage.transports.ray", "RayQueueDescriptor"),
    "rpc": ("sage.transports.zmq", "RPCQueueDescriptor"),
    "sage": ("sage.transports.shm", "SageQueueDescriptor"),
}
# What a factory of rpc queues is always given, and by default.
_RPC_OPTIONS = {
    "host": "127.0.0.1",
    "port": 0,
    "connection_timeout": 30.0,
    "retry_count": 3,
    "enable_pooling": True,
}

# Kinds from outside, and the factory that stands in for the class of "rpc".
_factories: dict[str, Factory] = {}


def register_queue_factory(queue_type: str, factory: Factory | None) -> None:
    """Make a kind of queue known to `create_queue` and `resolve_descriptor` in this process.

    Args:
        queue_type: its name, with or without ``_queue``.
        factory: a `QueueDescriptor` class that has this `queue_type`; or a function, called with `queue_id`, which is
            `None` for a new queue, and the options of `create_queue` or what the described queue has as metadata.
            `None` takes the kind out again.

    Raises:
        InvalidChannel: the name is not a str, or is that of a kind of this package.
    """
    if not isinstance(queue_type, str) or not queue_type.removesuffix("_queue"):
        raise InvalidChannel(f"queue_type={queue_type!r}: a kind of queue is named by a str")
    kind = queue_type.removesuffix("_queue")
    if kind in _CLASSES:
        raise InvalidChannel(
            f"queue_type={queue_type!r} is a kind that sage.transports brings; choose another name, or replace the rpc "
            f"queues by register_rpc_queue_factory"
        )
    _register(kind, factory)


def register_rpc_queue_factory(factory: Factory | None) -> None:
    """Have `create_queue` and `resolve_descriptor` make the rpc queues of this process by `factory`.

    Args:
        factory: called with the keywords `queue_id`, `host`, `port`, `connection_timeout`, `retry_count` and
            `enable_pooling`, and with whatever else was given to `create_queue`. `None` brings `RPCQueueDescriptor`
            back.
    """
    _register("rpc", factory)


def resolve_descriptor(description: Mapping[str, Any], *, local: bool = True) -> QueueDescriptor[Any]:
    """The descriptor of a queue from what its `to_dict` gave, wherever that was.

    Args:
        description: what `to_dict` gave.
        local: use the queue directly if this process hosts it; otherwise, reach it as another process would.

    Raises:
        TypeError: the description is not a mapping.
        InvalidChannel: it names no kind of queue that is known here, or does not fit its kind.
        QueueFactoryError: the factory that was registered for the kind failed.
    """
    if not isinstance(description, Mapping):
        raise TypeError(
            f"a queue is described by the dict that to_dict() makes, not by {type(description).__name__}: "
            f"{description!r:.100}"
        )
    queue_type = description.get("queue_type")
    if queue_type is None:
        raise InvalidChannel(f"the description has no queue_type; {_known()}")
    kind = kind_of(queue_type)
    factory = _factories.get(kind)
    if factory is None:
        return _load(kind).from_dict(description, local=local)
    if isinstance(factory, type) and issubclass(factory, QueueDescriptor):
        return factory.from_dict(description, local=local)
    options = dict(description.get("metadata") or {})
    if kind == "rpc":
        options = {name: options[name] for name in _RPC_OPTIONS if name in options}
    made = describe(kind, description.get("queue_id"), options)
    # Made anew from its description: one that was resolved does not own the queue.
    return type(made).from_dict(made.to_dict(), local=local)


def describe(kind: str, queue_id: str | None, options: Mapping[str, Any]) -> QueueDescriptor[Any]:
    """A new descriptor of a kind that `kind_of` gave.

    Raises:
        QueueFactoryError: the factory that was registered for the kind failed.
        Exception: what the class of the kind says to its options.
    """
    factory = _factories.get(kind)
    if factory is None:
        return _load(kind)(queue_id=queue_id, **options)
    defaults = _RPC_OPTIONS if kind == "rpc" else {}
    try:
        made = factory(queue_id=queue_id, **{**defaults, **options})
    except Exception as error:
        raise QueueFactoryError(f"the factory {factory!r} of {kind!r} queues failed: {error!r}") from error
    if not isinstance(made, QueueDescriptor):
        raise QueueFactoryError(f"the factory {factory!r} of {kind!r} queues gave no QueueDescriptor but {made!r}")
    return made


def kind_of(name: object) -> str:
    """The kind that is called `name`, with or without ``_queue``.

    Raises:
        InvalidChannel: no such kind is known; those that are, are told.
    """
    kind = name.removesuffix("_queue") if isinstance(name, str) else ""
    if kind not in _CLASSES and kind not in _factories:
        raise InvalidChannel(f"{name!r} is no kind of queue; {_known()}, and register_queue_factory adds others")
    return kind


def known_kinds() -> list[str]:
    """All kinds: those of this package, and those that were registered."""
    return sorted({*_CLASSES, *_factories})


def _known() -> str:
    return f"known are {', '.join(map(repr, known_kinds()))}"


def _register(kind: str, factory: Factory | None) -> None:
    if factory is None:
        _factories.pop(kind, None)
    elif callable(factory):
        _factories[kind] = factory
    else:
        raise TypeError(f"the factory of {kind!r} queues is {factory!r}, which cannot be called")


def _load(kind: str) -> type[QueueDescriptor[Any]]:
    module, name = _CLASSES[kind]
    descriptor: type[QueueDescriptor[Any]] = getattr(import_module(module), name)
    return descriptor
