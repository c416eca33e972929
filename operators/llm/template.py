"""Text with places to fill in."""

from dataclasses import dataclass, field
from string import Formatter
from typing import Any

from sage.operators.errors import InvalidOperator, shorten

__all__ = ["Template"]


@dataclass(frozen=True)
class Template:
    """A text with ``{names}`` to fill in; ``{{`` and ``}}`` are braces.

    Names only: no attributes, no indexes, no formats, so that whoever writes a template cannot reach into values.

    ::

        Template("Translate into {language}: {text}").render(language="French", text="good morning")

    Raises:
        InvalidOperator: a place is no name, or a brace has no partner.
    """

    text: str
    names: tuple[str, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        try:
            parts = list(Formatter().parse(self.text))
        except ValueError as error:
            raise InvalidOperator(f"the template {shorten(self.text)} cannot be read: {error}") from None
        for _, name, spec, conversion in parts:
            if name is not None and (not name.isidentifier() or spec or conversion):
                raise InvalidOperator(
                    f"the template {shorten(self.text)} has a place {{{name}}} that is no plain name; "
                    f"write {{name}}, and {{{{ for a brace"
                )
        object.__setattr__(self, "names", tuple(dict.fromkeys(name for _, name, _, _ in parts if name is not None)))

    def render(self, **values: Any) -> str:
        """The text with every place filled in; values are not looked at for places again.

        Raises:
            InvalidOperator: a value is missing, or has no place.
        """
        missing, needless = [n for n in self.names if n not in values], [n for n in values if n not in self.names]
        if missing or needless:
            what = f"needs {', '.join(missing)}" if missing else f"has no place for {', '.join(needless)}"
            raise InvalidOperator(f"the template {shorten(self.text)} {what}")
        parts = Formatter().parse(self.text)
        return "".join(literal + (str(values[name]) if name is not None else "") for literal, name, _, _ in parts)
