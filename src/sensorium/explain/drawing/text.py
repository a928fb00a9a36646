"""A text with its words marked."""

from html import escape

from sensorium.explain.part import Part

__all__ = ["draw_text"]

FAINT = 0.08  # of the largest value: what is less is not marked
STRONG = 0.4  # what is more gets its sign beside it


def draw_text(part: Part, say: dict[str, str]) -> str:
    """The text as it is, words darker the more they count; the value shows where one points at."""
    text, read = part.shown["text"], part.shown["read"]
    most = max(map(abs, part.values.tolist()), default=0.0) or 1.0
    found, after = [], 0
    for (start, end), value in zip(part.shown["spans"], part.values.tolist(), strict=True):
        found.append(escape(text[after:start]))
        word, share = escape(text[start:end]), abs(value) / most
        if start >= read:
            found.append(f'<span class="unread" title="{say["unread"]}">{word}</span>')
        elif share < FAINT:
            found.append(word)
        else:
            side, sign = ("p", "+") if value > 0 else ("m", "−")
            sign = f"<sup>{sign}</sup>" if share >= STRONG else ""
            found.append(f'<mark class="{side}" style="--a:{0.6 * share:.2f}" title="{value:+.3g}">{word}{sign}</mark>')
        after = end
    found.append(escape(text[after:]))
    return f'<p class="sxp-text">{"".join(found)}</p><p class="sxp-soft">{say["key"]}</p>'
