"""What a run's statement of privacy says, in sentences."""

from collections.abc import Mapping
from typing import Any

__all__ = ["privacy_lines"]


def privacy_lines(told: Mapping[str, Any]) -> list[str]:
    """The promise, how it is kept, and what is left out of it: of `metrics["privacy"]`."""
    share = told["learned_parameters"] / max(1, told["all_parameters"])
    lines = [
        f"Learned with differential privacy: epsilon {told['epsilon']:.3g} (of a budget of {told['budget']:g}) at delta "
        f"{told['delta']:.2g}, for {told['unit']}.",
        f"{told['method']}: {told['steps']:,} steps, each of which drew each of {told['rows']:,} rows with probability "
        f"{told['sample_rate']:.4g}; gradients cut at {told['clip']:g}, noise multiplier {told['noise']:.4g}; accounted by "
        f"{told['accountant']}. {told['learned_parameters']:,} of {told['all_parameters']:,} parameters ({share:.0%}) learned.",
    ]
    return lines + [f"Not covered: {line}." for line in told["outside"]]
