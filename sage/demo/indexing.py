"""The program that reads: from a folder of Python source code to passages that can be found by their words.

::

    find ─▶ public ─▶ read ─▶ parse ─┬─▶ document ─▶ split ─▶ gather ─▶ index
                       ┊        ┊    └─▶ by kind ─▶ count ─▶ kinds
                       └┄┄┄┄┄┄┄┄┴┄┄▶ unreadable         (dead letters of both)
"""

import sysconfig
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sage
from sage.demo.docstrings import Docstring, Kind, as_document, docstrings_of, is_public
from sage.demo.source_code import python_files, read
from sage.operators.llm import BM25, Collection, TextSplitter, content_words
from sage.stream import Collected

__all__ = ["Indexing", "build", "environment"]


@dataclass(frozen=True)
class Indexing:
    """The program, and where its results will be when it has run.

    Attributes:
        env: what to run.
        root: the folder that is read.
        library: the passages.
        kinds: what they are about, and how many of each kind there are.
        unreadable: the files that were set aside.
    """

    env: sage.Environment
    root: Path
    library: Collection
    kinds: Collected[tuple[Kind, int]]
    unreadable: Collected[sage.Letter]


def build(path: str | Path | None = None) -> Indexing:
    """Write the program; nothing is read before it runs.

    Args:
        path: the folder to read; `None` for the standard library of this Python.
    """
    root = Path(sysconfig.get_path("stdlib") if path is None else path)
    library = Collection(texts=BM25(words=content_words))

    # Files are large records. At most 128 lie between two operators; when they do, the reader waits for the parser.
    env = sage.Environment("index", batch_size=32, channel_capacity=128)

    files = env.from_iterable(partial(python_files, root), name="find")
    public = files.filter(lambda file: is_public(file.relative_to(root)), name="public")
    texts = public.map(partial(read, root), name="read", blocking=True, concurrency=8, on_error=sage.DeadLetter())
    docstrings = texts.flat_map(docstrings_of, name="parse", on_error=sage.DeadLetter())

    passages = docstrings.map(as_document, name="document").flat_map(TextSplitter(max_tokens=200), name="split")
    passages.batch(256, name="gather").sink(library.add, name="index")

    kinds = docstrings.key_by(kind_of, name="by kind").count(emit="end", name="count")
    letters = texts.side_output("dead_letters").union(docstrings.side_output("dead_letters"))
    return Indexing(
        env=env,
        root=root,
        library=library,
        kinds=kinds.collect(name="kinds"),
        unreadable=letters.collect(name="unreadable"),
    )


def environment() -> sage.Environment:
    """The program for the standard library, as ``sage graph`` and ``sage run`` take it."""
    return build().env


def kind_of(docstring: Docstring) -> Kind:
    """What a docstring is about."""
    return docstring.kind
