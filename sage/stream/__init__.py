"""Streams: what programs are written with."""

from sage.stream.collected import Collected
from sage.stream.connected import ConnectedStreams
from sage.stream.feedback import FeedbackLoop
from sage.stream.keyed import KeyedStream
from sage.stream.options import CallOptions
from sage.stream.routed import RoutedStreams
from sage.stream.stream import Stream

__all__ = [
    "CallOptions",
    "Collected",
    "ConnectedStreams",
    "FeedbackLoop",
    "KeyedStream",
    "RoutedStreams",
    "Stream",
]
