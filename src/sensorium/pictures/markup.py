"""HTML that is escaped unless it says that it is HTML."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

__all__ = ["Html", "bullets", "esc", "fold", "join", "note", "number", "plain", "table", "tag"]


class Html(str):
    """Text that is HTML already. Everything else is text and is escaped where it is put in."""

    __slots__ = ()


def esc(value: Any) -> Html:
    """A value as HTML: text that came from a table, a configuration or a file stays text.

    Example:
        >>> esc("<script>")
        '&lt;script&gt;'
    """
    return value if isinstance(value, Html) else Html(escape(str(value)))


def join(parts: Iterable[Any]) -> Html:
    """The parts one after the other."""
    return Html("".join(esc(part) for part in parts))


def tag(name: str, *parts: Any, **attributes: Any) -> Html:
    """An element. `class_` is the attribute class; attributes that are None are left out.

    Example:
        >>> tag("p", "a < b", class_="note")
        '<p class="note">a &lt; b</p>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{join(parts)}</{name}>")


def note(*parts: Any) -> Html:
    """A line of explanation."""
    return tag("p", *parts, class_="note")


def bullets(items: Iterable[Any]) -> Html:
    return tag("ul", *(tag("li", item) for item in items))


def fold(title: Any, *parts: Any) -> Html:
    """Parts that are shown when asked for."""
    return tag("details", tag("summary", title), *parts)


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]], caption: Any = None) -> Html:
    """A table, its first column the rows' names; wide ones scroll by themselves."""
    top = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head)))
    body = tag(
        "tbody",
        *(tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows),
    )
    named = [] if caption is None else [tag("caption", caption)]
    return tag("div", tag("table", *named, top, body), class_="scroll", tabindex="0")


def number(value: float | None, digits: int = 3) -> str:
    """A score for people; a dash where there is none.

    Example:
        >>> number(0.12345), number(12345.678), number(None)
        ('0.123', '12,346', '–')
    """
    if value is None or value != value:
        return "–"
    return f"{value:,.{digits}f}" if abs(value) < 1000 else f"{value:,.0f}"


def plain(answer: Any) -> str:
    """An answer for people: a class, or a number in four digits."""
    return f"{answer:.4g}" if isinstance(answer, float) else str(answer)
