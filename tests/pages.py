"""The pages of the project, read as Markdown: blocks, headings, links. Their conventions are told in `test_docs`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["ROOT", "Block", "Page", "pages"]

ROOT = Path(__file__).resolve().parents[1]

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(?P<title>.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\[[^]]*]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"`(?P<text>[^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: what stands behind the fence; may be empty.
        text: what is inside.
        line: the number of the fence's line, from 1.
        follows: whether only empty lines lie between it and the block before.
    """

    language: str
    text: str
    line: int
    follows: bool


@dataclass(frozen=True)
class Page:
    """A Markdown file.

    Args:
        path: where it is.
    """

    path: Path

    @property
    def name(self) -> str:
        """The path from the root of the project."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """All but the fenced blocks."""
        return _FENCE.sub("", self.text)

    @cached_property
    def blocks(self) -> list[Block]:
        """The fenced blocks, in order."""
        return list(self._blocks())

    @property
    def titles(self) -> list[str]:
        """The headings of all levels, in order, as written."""
        return [match["title"] for match in _HEADING.finditer(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """What a link may name behind ``#``."""
        return {_slug(title) for title in self.titles}

    @property
    def links(self) -> list[str]:
        """The targets of all links that are not addresses of the web."""
        targets = [match["target"] for match in _LINK.finditer(_CODE.sub("", self.prose))]
        return [target for target in targets if not target.startswith(("https://", "http://"))]

    @property
    def code(self) -> list[str]:
        """What is written as code in the prose."""
        return [match["text"] for match in _CODE.finditer(self.prose)]

    def target(self, link: str) -> tuple[Path, str]:
        """The file that a link of this page names, and the anchor in it, which may be empty."""
        path, _, anchor = link.partition("#")
        return (self.path.parent / path).resolve() if path else self.path, anchor

    def _blocks(self) -> Iterator[Block]:
        end = 0
        for match in _FENCE.finditer(self.text):
            between = self.text[end : match.start()]
            line = self.text.count("\n", 0, match.start()) + 1
            yield Block(match["language"], match["text"], line, follows=bool(end) and not between.strip())
            end = match.end()


def pages() -> list[Page]:
    """All pages of the project."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("docs/**/*.md")]
    return [Page(path) for path in sorted(found)]


def _slug(title: str) -> str:
    """The anchor that GitHub makes of a heading."""
    kept = re.sub(r"[^\w\- ]", "", title.lower())
    return kept.replace(" ", "-")
