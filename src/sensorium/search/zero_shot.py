"""Classes that are only described: which description is nearest to a row."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
import yaml

from sensorium.data.cells import is_missing
from sensorium.data.table import Table
from sensorium.errors import ConfigError, DataError
from sensorium.heads.alignment import SHARPEST

if TYPE_CHECKING:
    from sensorium.predictor import Predictor, Say

__all__ = ["read_classes", "zero_shot"]


def read_classes(path: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Classes and their texts from a YAML file: `cat: [a photo of a cat, a kitten]`, or `cat: a cat`, a line a class.

    Words stay words: a class `no` or `01` is called so.

    Raises:
        DataError: it can't be read as that.
    """
    path = Path(path)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} is no YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(data, dict):
        raise DataError(f"{path} must hold a class and its texts a line, such as 'cat: [a photo of a cat]'.")
    return data


def zero_shot(
    predictor: "Predictor",
    table: Table,
    classes: Mapping[str, str | Sequence[str]],
    inputs: Sequence[str] | None,
    text: str | None,
    temperature: float | None,
    say: "Say",
) -> pd.DataFrame:
    """The softmax over classes of cosine / temperature: see `Predictor.zero_shot`.

    Reference: Radford et al. 2021 (CLIP), section 3.1: the classifier is the mean of each class's text vectors.
    """
    aligner = predictor.model.aligner
    if aligner is None:
        raise ConfigError(
            "the run does not align its inputs, so that descriptions of classes can't be compared with rows. "
            "Learn one with `sensorium pretrain`."
        )
    if temperature is not None and not temperature > 0:
        raise ConfigError(f"temperature must be above 0; got {temperature}.")
    texts = _checked(classes)
    name = _text_input(predictor, text)
    scale = aligner.sharpness.exp().clamp(max=SHARPEST).item() if temperature is None else 1 / temperature
    flat = [one for some in texts.values() for one in some]
    described = predictor.embed({predictor.readers[name].columns[0]: flat}, [name], say=say)
    owners = np.repeat(np.arange(len(texts)), [len(some) for some in texts.values()])
    means = np.stack([described[owners == place].mean(0) for place in range(len(texts))])  # (classes, size)
    means /= np.linalg.norm(means, axis=1, keepdims=True).clip(min=1e-12)
    near = predictor.embed(table, inputs, say=say) @ means.T  # (N, classes)
    return pd.DataFrame(torch.from_numpy(near * scale).softmax(1).numpy(), columns=list(texts))


def _checked(classes: Mapping[str, str | Sequence[str]]) -> dict[str, list[str]]:
    """Every class with a list of its texts."""
    if not isinstance(classes, Mapping) or len(classes) < 2:
        count = len(classes) if isinstance(classes, Mapping) else type(classes).__name__
        raise ConfigError(f"classes must be two or more, each with its texts; got {count}.")
    found = {}
    for label, texts in classes.items():
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list | tuple) or not texts or not all(isinstance(one, str) for one in texts):
            raise ConfigError(f"class '{label}' must have a text, or a list of texts; got {texts!r:.60}.")
        if any(is_missing(one) for one in texts):
            raise ConfigError(f"class '{label}' has an empty text. Say what a row of it is like.")
        found[str(label)] = list(texts)
    return found


def _text_input(predictor: "Predictor", text: str | None) -> str:
    """The input that reads the classes' texts."""
    known = predictor.model.aligner.modalities
    names = [name for name in known if predictor.config.inputs[name].modality == "text"]
    if not names:
        raise ConfigError(f"the run reads no text to describe classes by; its aligned inputs are {', '.join(known)}.")
    if text is None and len(names) > 1:
        raise ConfigError(f"the run reads several texts: {', '.join(names)}. Say which one describes classes (--text).")
    if text is not None and text not in names:
        raise ConfigError(
            f"'{text}' must be an aligned text input; got one of another kind. There are: {', '.join(names)}."
        )
    return names[0] if text is None else text
