"""What inside an input an answer comes from: one kind of input a file, one method a file."""

from collections.abc import Callable

from sensorium.data.batches import Rows
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.audio import explain_audio
from sensorium.explain.attribution.image import explain_image
from sensorium.explain.attribution.motion import explain_motion
from sensorium.explain.attribution.tabular import explain_tabular
from sensorium.explain.attribution.text import explain_text
from sensorium.explain.attribution.vector import explain_vector
from sensorium.explain.attribution.video import explain_video
from sensorium.explain.part import Part

__all__ = ["KINDS", "METHODS"]

METHODS = ("auto", "grad_cam", "integrated_gradients", "rollout", "shapley")
KINDS: dict[str, Callable[[Answer, Rows, int, str], Part]] = {
    "audio": explain_audio,
    "image": explain_image,
    "motion": explain_motion,
    "tabular": explain_tabular,
    "text": explain_text,
    "vector": explain_vector,
    "video": explain_video,
}
