"""Classes of sage's own that travel to other processes: in calls of services, and between the tasks of a program."""

from sage.transports import register_type

__all__ = ["carry"]


def carry(folder: str, *classes: type[object]) -> None:
    """Let the codec carry dataclasses and named tuples of one of sage's folders; a second time is harmless."""
    for cls in classes:
        register_type(cls, name=f"sage.{folder}.{cls.__name__}")
