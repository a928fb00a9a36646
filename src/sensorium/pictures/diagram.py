"""A network as a Mermaid graph."""

from collections.abc import Sequence
from typing import Any

__all__ = ["mermaid"]


def mermaid(parts: Sequence[dict[str, Any]]) -> str:
    """The graph of `Predictor.parts()`: inputs to encoders, to the fusion, to heads, with shapes on the arrows.

    Hand-made features, and the network of an input by itself, stand beside the fusion.

    Example:
        >>> print(mermaid([{"part": "fusion", "kind": "fusion", "layer": "Mean", "parameters": 3, "output": "(B, 8)"}]))
        graph LR
          F{"Mean<br/>3 parameters"}
    """
    lines = ["graph LR"]
    fusion = next(part for part in parts if part["kind"] == "fusion")
    lines.append(f'  F{{"{_clean(fusion["layer"])}<br/>{fusion["parameters"]:,} parameters"}}')
    wide = next((part for part in parts if part["kind"] == "wide"), None)
    if wide is not None:
        lines.append(f'  W["{_clean(wide["part"])} features<br/>{wide["parameters"]:,} parameters"]')
    single = None
    for place, part in enumerate(parts):
        box = f'"{_clean(part["part"])}<br/>{_clean(part["layer"])}<br/>{part["parameters"]:,} parameters"'
        if part["kind"] == "encoder":
            lines.append(f'  E{place}[{box}] -->|"{part["output"]}"| F')
        elif part["kind"] == "single":
            single = place
            lines.append(f"  S{place}[{box}]")
        elif part["kind"] == "objective":
            lines.append(f'  F -->|"{fusion["output"]}"| O{place}[{box}]')
        elif part["kind"] == "head":
            lines.append(f'  F -->|"{fusion["output"]}"| H{place}[{box}]')
            if wide is not None:
                lines.append(f'  W -->|"{wide["output"]}"| H{place}')
            if single is not None:
                lines.append(f"  S{single} --> H{place}")
    return "\n".join(lines)


def _clean(text: str) -> str:
    """A column's name may hold what Mermaid or HTML reads as its own."""
    for sign, code in (("#", "#35;"), ("&", "#amp;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("`", "#96;")):
        text = text.replace(sign, code)
    return " ".join(text.splitlines())
