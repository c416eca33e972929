"""Values of types that the codec does not know, by pickle. Only a codec that was made with ``pickle=True`` does this.

Reading a pickle runs code that its sender chose: such a codec is for peers that have shown who they are.
"""

import pickle
from typing import Any, Final

from sage.transports.codec.buffers import BUFFER_HEAD, goes_beside, read_data
from sage.transports.codec.marks import PICKLED, Mark, extension
from sage.transports.errors import CodecError

__all__ = ["ALLOWED", "REFUSED", "write_pickle"]


def write_pickle(value: Any, buffers: list[Any]) -> list[Any]:
    """``[mark, pickle, buffer, ...]``: large arrays inside go beside, as by themselves."""
    beside: list[Any] = []

    def stays_inside(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if goes_beside(view.nbytes, beside):
            beside.append(view)
            return False
        return True

    import cloudpickle  # takes long to load, and only those who allow pickles need it

    data = cloudpickle.dumps(value, protocol=5, buffer_callback=stays_inside)
    buffers += beside
    return [_HEAD, data, *[BUFFER_HEAD] * len(beside)]


def _read_pickle(items: list[Any]) -> Any:
    _, data, *buffers = items
    return pickle.loads(read_data(data), buffers=[pickle.PickleBuffer(read_data(buffer)) for buffer in buffers])


def _refuse_pickle(items: list[Any]) -> Any:
    raise CodecError("pickles are refused: only a codec made with pickle=True reads them")


_HEAD = extension(PICKLED)

#: How a pickle is read, and how it is refused.
ALLOWED: Final = Mark("a pickled value", _HEAD, _read_pickle)
REFUSED: Final = Mark("a pickled value", _HEAD, _refuse_pickle)
