"""What a score depends on as a picture: a bar for each choice. SVG, written by hand."""

from collections.abc import Mapping
from html import escape

__all__ = ["importance_plot"]

LINE, TOP, FOOT = 24, 44, 34  # pixels: a bar with its space, above, below
LEFT, PLOT, RIGHT = 300, 380, 70  # labels, the bars, their numbers
LONGEST = 42  # characters of a label
COLOUR = "#1f77b4"


def importance_plot(shares: Mapping[str, float], title: str, note: str = "") -> str:
    """The SVG text; the longest bar comes first and takes all the width.

    Args:
        shares: of each choice, 0 or more.
        title: above the bars.
        note: below them.
    """
    width, height = LEFT + PLOT + RIGHT, TOP + LINE * len(shares) + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="system-ui, sans-serif" '
        'font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="16" y="24" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    most = max(shares.values(), default=0.0) or 1.0
    for place, (name, share) in enumerate(sorted(shares.items(), key=lambda item: -item[1])):
        y, size = TOP + LINE * place, PLOT * share / most
        label = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
        parts += [
            f'<text x="{LEFT - 12}" y="{y + 16}" text-anchor="end">{escape(label)}</text>',
            f'<rect class="bar" x="{LEFT}" y="{y + 5}" width="{size:.1f}" height="14" fill="{COLOUR}">'
            f"<title>{escape(name)}: {share:.0%}</title></rect>",
            f'<text x="{LEFT + size + 8:.1f}" y="{y + 16}">{share:.0%}</text>',
        ]
    parts.append(f'<text x="16" y="{height - 12}" fill="#555">{escape(note)}</text>')
    return "\n".join([*parts, "</svg>", ""])
