"""What inside each input of a row an answer comes from: pixels, words, sounds, moments, columns."""

from collections.abc import Sequence

from sensorium.data.batches import Rows
from sensorium.encoders.rows import present_rows
from sensorium.errors import ConfigError, did_you_mean
from sensorium.explain.attribution import KINDS, METHODS
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.part import Part
from sensorium.model import MultimodalModel

__all__ = ["METHODS", "Part", "explain_parts"]


def explain_parts(
    model: MultimodalModel,
    rows: Rows,
    place: int,
    target: str,
    output: int,
    modalities: Sequence[str],
    method: str = "auto",
) -> dict[str, Part]:
    """What inside each of these inputs the answer to one row comes from; inputs that the row lacks are left out.

    The answer is the logit before calibration of all that the model has. Gradients reach its networks alone: what its
    linear part of hand-made features says is spread over words, and of other inputs it is said beside.

    Args:
        model: in evaluation mode from here on.
        rows: of a table, read by the model's readers.
        place: of the row in it, from 0.
        target: its name.
        output: the class by its place; of two classes 0 is the negated logit; of numbers 0.
        modalities: names of inputs.
        method: integrated_gradients; shapley: pieces are taken away in random orders, slower, of the whole answer;
            grad_cam: where convolutions look, pictures alone; rollout: where attention looks, for no class in
            particular, pictures alone; auto: gradients where the networks say more of the input than the linear part,
            else shapley. Inputs that a method is not for are explained by gradients, columns always by shapley.

    Raises:
        ConfigError: an unknown target, input or method; a target of texts; captum is not installed.
    """
    if method not in METHODS:
        raise ConfigError(f"unknown method '{method}' of explanation. {did_you_mean(method, METHODS)}")
    if hasattr(model.head(target), "generate"):
        raise ConfigError(f"target '{target}' is a text, and answers that are texts have no explanation. Take another.")
    model.eval()
    inputs = rows.batch([place]).inputs
    found = {}
    for name in modalities:
        model.encoder(name)  # an unknown name is an error here
        if not present_rows(inputs[name].mask).any():
            continue
        reader = rows.readers[name]
        if reader.modality not in KINDS:
            raise ConfigError(f"input '{name}' can't be explained inside: it is {reader.modality}. Leave it out.")
        answer, explain = Answer(model, inputs, target, output, name), KINDS[reader.modality]
        part = explain(answer, rows, place, method)
        if method == "auto" and part.expected is not None and abs(part.beside) > abs(part.expected):
            part = explain(answer, rows, place, "shapley")  # the linear part says more, and only so it has its say
        found[name] = part
    return found
