"""Tables with real media files to try everything on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensorium.errors import ConfigError, did_you_mean
from sensorium.examples.customer_service import make_customer_service
from sensorium.examples.demo import make_demo
from sensorium.examples.image_captions import make_image_captions
from sensorium.examples.sentiment import make_sentiment
from sensorium.examples.video import make_video

__all__ = ["EXAMPLES", "make"]

EXAMPLES: dict[str, Callable[..., dict[str, Path]]] = {
    "customer-service": make_customer_service,
    "demo": make_demo,
    "image-captions": make_image_captions,
    "sentiment": make_sentiment,
    "video": make_video,
}


def make(name: str, folder: str | Path, **options: Any) -> dict[str, Path]:
    """Make the example `name` in `folder`.

    Args:
        name: one of `EXAMPLES`.
        folder: made where it is not there.
        options: of its maker: `rows` of train, valid and test, and `seed`.

    Returns:
        The paths of its tables and of its description.

    Raises:
        ConfigError: no such example, or a folder that is not empty.
    """
    if name not in EXAMPLES:
        raise ConfigError(f"unknown example '{name}'. {did_you_mean(name, EXAMPLES)}")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already and not empty. Take another --out, or delete it.")
    return EXAMPLES[name](folder, **options)
