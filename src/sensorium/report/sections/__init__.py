"""The report's sections, one a file, in their order on the page."""

from collections.abc import Callable

from sensorium.pictures.markup import Html
from sensorium.report.facts import Facts
from sensorium.report.sections.calibration import calibration
from sensorium.report.sections.curves import curves
from sensorium.report.sections.errors import errors
from sensorium.report.sections.glance import glance
from sensorium.report.sections.importance import importance
from sensorium.report.sections.model import model
from sensorium.report.sections.problems import problems
from sensorium.report.sections.reproduce import reproduce
from sensorium.report.sections.robustness import robustness
from sensorium.report.sections.rows import rows
from sensorium.report.sections.score import score
from sensorium.report.words import Words

__all__ = ["SECTIONS"]

# Each gives what stands below its heading, the word `section.NAME`.
SECTIONS: dict[str, Callable[[Facts, Words], Html]] = {
    "glance": glance,
    "score": score,
    "curves": curves,
    "errors": errors,
    "calibration": calibration,
    "robustness": robustness,
    "importance": importance,
    "rows": rows,
    "problems": problems,
    "model": model,
    "reproduce": reproduce,
}
