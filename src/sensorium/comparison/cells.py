"""The cells of a comparison: a kind of model on some of the inputs."""

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sensorium.config import ENCODERS, FUSIONS, Config
from sensorium.errors import ConfigError, did_you_mean

__all__ = ["FIT", "GENERATIONS", "Cell", "check_fusions", "fusion_cells", "list_cells", "network"]

CLASSICAL = {
    "binary": ("logistic", "naive_bayes", "svm"),
    "classification": ("logistic", "naive_bayes", "svm"),
    "multilabel": ("logistic", "naive_bayes"),
    "regression": ("ridge", "svm"),
}
# The types of encoder of each generation, the usual one first. Other modalities have one encoder in both.
NETWORKS: dict[str, dict[str, tuple[str, ...]]] = {
    "cnn_rnn": {
        "image": ("cnn", "resnet", "flat_cnn"),
        "text": ("rnn",),
        "audio": ("mfcc_rnn", "mfcc_cnn"),
        "video": ("cnn3d", "motion"),
    },
    "transformer": {
        "image": ("vit",),
        "text": ("transformer",),
        "audio": ("logmel_transformer",),
        "video": ("frames",),
    },
}
NETWORK = "network"  # the generation of a cell whose encoders are the same in both
FIT = "fit"  # what a fit makes of the configuration, which may have hand-made features beside the network
GENERATIONS = ("classical", NETWORK, *NETWORKS, FIT)


@dataclass(frozen=True)
class Cell:
    """One line of a comparison.

    Args:
        generation: one of GENERATIONS.
        model: svm, logistic, ridge or naive_bayes; of a network its encoders' types.
        inputs: by name.
        fusion: of a network; empty where one input has nothing to be fused with.
    """

    generation: str
    model: str
    inputs: tuple[str, ...]
    fusion: str = ""

    @property
    def name(self) -> str:
        """What it is called among the others, for people and in files."""
        parts = [self.generation, self.model if self.generation == "classical" else self.fusion, "+".join(self.inputs)]
        return " ".join(part for part in parts if part)

    @property
    def file(self) -> str:
        """A file's name without its ending; columns may be called anything, so that a hash tells cells apart."""
        words = re.sub(r"[^A-Za-z0-9_+]+", "-", self.name)[:60].strip("-")
        return f"{words}-{hashlib.sha256(repr(asdict(self)).encode()).hexdigest()[:8]}"


def list_cells(config: Config, task: str, pairs: bool) -> list[Cell]:
    """All cells but those of other fusions: quick ones first, and each input by itself before several.

    Args:
        config: complete; its inputs are compared, and its fusion is that of networks with several inputs.
        task: of the target.
        pairs: every two inputs, too.
    """
    sets = list(_input_sets(tuple(config.inputs), pairs))
    cells = [Cell("classical", model, inputs) for inputs in sets for model in CLASSICAL[task]]
    for inputs in sets:
        made = {generation: _encoders(config, generation, inputs) for generation in NETWORKS}
        same = len(set(made.values())) == 1
        for generation, encoders in list(made.items())[: 1 if same else None]:
            fusion = config.fusion.type if len(inputs) > 1 else ""
            cells.append(Cell(NETWORK if same else generation, _words(encoders), inputs, fusion))
    whole = _words((*_encoders(config, FIT, sets[-1]), *["hand-made"] * config.training.wide))
    return [*cells, Cell(FIT, whole, sets[-1], config.fusion.type if len(sets[-1]) > 1 else "")]


def fusion_cells(config: Config, better: Cell, fusions: Sequence[str]) -> list[Cell]:
    """`better`, a network on all inputs, with each of `fusions` in place of the configuration's own."""
    return [
        Cell(better.generation, better.model, better.inputs, fusion)
        for fusion in fusions
        if fusion != config.fusion.type and len(better.inputs) > 1
    ]


def check_fusions(fusions: Sequence[str] | None) -> list[str]:
    """The names of fusions to be compared; None: all there are.

    Raises:
        ConfigError: there is no such fusion.
    """
    if fusions is None:
        return list(FUSIONS)
    if isinstance(fusions, str):
        raise ConfigError(f"fusions must be a list of names, such as ['gated', 'concat']; got '{fusions}'.")
    for name in fusions:
        if name not in FUSIONS:
            raise ConfigError(f"fusions: unknown fusion '{name}'. {did_you_mean(name, FUSIONS)}")
    return list(dict.fromkeys(fusions))


def network(config: Config, cell: Cell) -> Config:
    """The configuration with the cell's inputs, encoders and fusion; hand-made features only where a fit is."""
    fusion = config.fusion
    if cell.fusion and cell.fusion != fusion.type:
        fusion = FUSIONS[cell.fusion](width=fusion.width)
    inputs = {name: _input(config.inputs[name], cell.generation) for name in cell.inputs}
    training = config.training.model_copy(update={"wide": cell.generation == FIT and config.training.wide})
    return config.model_copy(update={"inputs": inputs, "fusion": fusion, "training": training})


def _input_sets(names: tuple[str, ...], pairs: bool) -> Iterator[tuple[str, ...]]:
    sizes = [1, 2, len(names)] if pairs else [1, len(names)]
    for size in sorted({size for size in sizes if size <= len(names)}):
        yield from itertools.combinations(names, size)


def _kind(given: Any, generation: str) -> str:
    """The type of an input's encoder: the configuration's where it is of the generation, or of nobody's."""
    kinds, kind = NETWORKS.get(generation, {}).get(given.modality), given.encoder.type
    own = kinds is None or kind in kinds or kind not in ENCODERS[given.modality]
    return kind if own else kinds[0]


def _encoders(config: Config, generation: str, inputs: Sequence[str]) -> tuple[str, ...]:
    return tuple(_kind(config.inputs[name], generation) for name in inputs)


def _words(encoders: Sequence[str]) -> str:
    return " + ".join(encoders)


def _input(given: Any, generation: str) -> Any:
    """An input's options with the encoder of the generation."""
    kind = _kind(given, generation)
    if kind == given.encoder.type:
        return given
    encoder = ENCODERS[given.modality][kind]()
    changed: dict[str, Any] = {"encoder": encoder}
    if given.encoder.type == "motion":  # its frames are spans of time, cheaper and more of them
        changed["frames"] = type(given).model_fields["frames"].default
    if kind == "vit":
        sides = (given.size, given.size) if isinstance(given.size, int) else given.size
        patch = encoder.patch_size
        changed["size"] = tuple(max(2 * patch, round(side / patch) * patch) for side in sides)
    return given.model_copy(update=changed)
