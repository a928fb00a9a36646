"""What counted inside an input, as a piece of a page: one kind of input a file."""

from collections.abc import Callable

from sensorium.explain.drawing.audio import draw_audio
from sensorium.explain.drawing.bars import draw_columns, draw_vector
from sensorium.explain.drawing.frame import framed
from sensorium.explain.drawing.image import draw_image
from sensorium.explain.drawing.motion import draw_motion
from sensorium.explain.drawing.text import draw_text
from sensorium.explain.drawing.video import draw_video
from sensorium.explain.part import Part

__all__ = ["DRAWINGS", "draw"]

DRAWINGS: dict[str, Callable[[Part, dict[str, str]], str]] = {
    "audio": draw_audio,
    "image": draw_image,
    "motion": draw_motion,
    "tabular": draw_columns,
    "text": draw_text,
    "vector": draw_vector,
    "video": draw_video,
}


def draw(part: Part, language: str = "en") -> str:
    """A part as HTML that needs nothing from elsewhere but `style.STYLE`, once a page."""
    return framed(part, DRAWINGS[part.kind], language)
