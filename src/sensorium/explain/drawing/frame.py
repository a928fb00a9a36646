"""What stands around every drawing: the input's name, how its values were found, and what they add up to."""

from collections.abc import Callable
from html import escape

from sensorium.explain.drawing.phrases import phrases
from sensorium.explain.part import Part

__all__ = ["framed"]


def framed(part: Part, body: Callable[[Part, dict[str, str]], str], language: str) -> str:
    """A drawing in its frame."""
    say = phrases(language)
    if part.expected is None:
        told = say["nosum"]
    else:
        numbers = {"total": f"{part.total:+.3g}", "expected": f"{part.expected:+.3g}"}
        told = say["sum" if part.complete else "gap"].format(**numbers)
    if abs(part.beside) >= 0.005:
        told += " " + say["beside"].format(beside=f"{part.beside:+.3g}")
    name, method = escape(part.modality), escape(say[f"method.{part.method}"])
    return (
        f'<figure class="sxp sxp-{part.kind}"><figcaption><b>{name}</b> · {method}</figcaption>{body(part, say)}'
        f'<p class="sxp-soft">{escape(told)}</p></figure>'
    )
