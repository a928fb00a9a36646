"""How a score falls as inputs go missing or get worse: every subset of inputs, and curves over growing damage."""

import itertools
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from sensorium.data.batches import Rows
from sensorium.data.media_readers import MediaReader
from sensorium.data.targets import TargetCoder
from sensorium.encoders.features import Input
from sensorium.evaluation.alone import majority
from sensorium.evaluation.answers import said, scored
from sensorium.evaluation.calibration import Calibration
from sensorium.evaluation.corruptions import Corruption, corruptions_of
from sensorium.evaluation.metrics import MAIN
from sensorium.evaluation.pieces import Piece, answer, pieces
from sensorium.model import MultimodalModel

__all__ = ["Damage", "area", "flat", "robustness", "subsets_of"]

ALL_SUBSETS, SOME_SUBSETS = 6, 64  # inputs up to which every subset is scored; subsets of more inputs than that
MOST_ROWS = 10_000  # a score is then known to a hundredth
POOLS = {"audio": 32, "tabular": 1000}  # rows whose items stand beside or for others'


def robustness(
    model: MultimodalModel,
    rows: Rows,
    coders: Mapping[str, TargetCoder],
    calibration: Mapping[str, Calibration],
    batch_size: int,
    seed: int = 0,
    time_limit: float | None = None,
) -> dict[str, Any]:
    """The score of each target with inputs missing or damaged.

    Rows are taken in an order drawn by `seed`, each read once for everything, so that all scores are of the same rows. What
    is drawn for a row depends on the seed and the row alone. Nothing that was decoded is changed.

    Args:
        model: trained.
        rows: with targets.
        coders, calibration: of the targets.
        batch_size: rows at once.
        seed: 0 or more.
        time_limit: seconds, after which no other batch is begun and the rows so far are scored.

    Returns:
        rows (scored), of (how many there are), seed, seconds, and targets. Of each: metric, clean (its value), majority,
        subsets (a list of inputs and score), inputs. Of each input: alone, without (the others), half (it is missing from
        every other row), curves. Of each corruption: unit, amounts (None: clean), scores, area. A score that the rows do
        not define is None.
    """
    started = time.monotonic()
    order = np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS]
    damage, subsets = Damage(rows, seed, order), subsets_of(model.modalities, seed)
    parts: dict[Any, list[dict[str, np.ndarray]]] = {}
    done = 0
    while done < len(order) and (done == 0 or time_limit is None or time.monotonic() - started < time_limit):
        places = order[done : done + batch_size].tolist()
        for setting, answers in _answers(model, rows, places, subsets, damage):
            parts.setdefault(setting, []).append(answers)
        done += len(places)
    targets = {}
    for name, coder in coders.items():
        target = tuple(part[order[:done]] for part in coder.truth(rows.table.cells(name)))
        outputs = {
            setting: calibration[name].apply(coder.task, np.concatenate([part[name] for part in found]))
            for setting, found in parts.items()
        }
        targets[name] = _told(coder, target, outputs, model.modalities, subsets, damage.kinds)
    return {"rows": done, "of": len(rows), "seed": seed, "seconds": time.monotonic() - started, "targets": targets}


class Damage:
    """The items of rows, damaged.

    Args:
        rows: undamaged.
        seed: of what is drawn.
        order: of rows; of the first of them are the voices of a babble and the values that stand in for others.
    """

    def __init__(self, rows: Rows, seed: int, order: np.ndarray):
        self.rows, self.seed = rows, seed
        self.kinds: dict[str, dict[str, Corruption]] = {n: corruptions_of(r) for n, r in rows.readers.items()}
        self.pools: dict[str, list[tuple[int, Any]]] = {}
        for name, reader in rows.readers.items():
            places = order[: POOLS.get(reader.modality, 0)].tolist()
            items = zip(places, rows.items(name, places), strict=True)
            self.pools[name] = [(p, i[0] if isinstance(reader, MediaReader) else i) for p, i in items if i is not None]

    def items(self, name: str, kind: str, amount: float, places: Sequence[int], clean: Sequence[Any]) -> list[Any]:
        """What `rows.items(name, places)`, given as `clean`, becomes; a row without the input stays without."""
        return [None if i is None else self._item(name, kind, amount, p, i) for p, i in zip(places, clean, strict=True)]

    def _item(self, name: str, kind: str, amount: float, place: int, item: Any) -> Any:
        random, apply, reader = (
            np.random.default_rng([self.seed, place]),
            self.kinds[name][kind].apply,
            self.rows.readers[name],
        )
        others = [other for own, other in self.pools[name] if own != place]
        if isinstance(reader, MediaReader):
            return [apply(file, amount, random, others) for file in item]
        if reader.modality == "text":
            text = reader.text(self.rows.columns[name].cells[0][place])
            return reader.read([apply(text, amount, random, others)], lambda *_: None)
        return apply(item, amount, random, others)


@torch.no_grad()
def _answers(
    model: MultimodalModel, rows: Rows, places: Sequence[int], subsets: Sequence[tuple[str, ...]], damage: Damage
) -> Iterator[tuple[Any, dict[str, np.ndarray]]]:
    """What the model says in every setting: a subset of inputs, or (input, corruption, amount).

    An encoder sees one input and fusion sees all, so every input is encoded once whole, once absent, and once for each
    amount of damage: the answers are those of `MultimodalModel.drop` and of the whole model.
    """
    model.eval()

    def put_together(name: str, items: Sequence[Any]) -> Input:
        values, mask = rows.readers[name].collate(items)
        return Input(torch.from_numpy(values), torch.from_numpy(mask))

    def told(parts: Mapping[str, Piece]) -> dict[str, np.ndarray]:
        return {name: said(model.head(name), logits, targets[name]) for name, logits in answer(model, parts).items()}

    targets = {name: [torch.from_numpy(part[places]) for part in found] for name, found in rows.targets.items()}
    items = {name: rows.items(name, places) for name in model.modalities}
    inputs = {name: put_together(name, found) for name, found in items.items()}
    whole, gone = pieces(model, inputs), pieces(model, model.drop(inputs, ()))
    for subset in subsets:
        yield subset, told({name: (whole if name in subset else gone)[name] for name in model.modalities})
    for name, kinds in damage.kinds.items():
        for kind, corruption in kinds.items():
            for amount in corruption.amounts:
                damaged = put_together(name, damage.items(name, kind, amount, places, items[name]))
                yield (name, kind, amount), told({**whole, **pieces(model, {name: damaged})})


def _told(
    coder: TargetCoder,
    target: tuple[np.ndarray, ...],
    outputs: Mapping[Any, np.ndarray],
    names: Collection[str],
    subsets: Sequence[tuple[str, ...]],
    kinds: Mapping[str, Mapping[str, Corruption]],
) -> dict[str, Any]:
    """The scores of one target; see `robustness`."""
    main = MAIN[coder.task]

    def value(scores: Mapping[str, Any]) -> float | None:
        return scores[main]["value"] if main in scores else None

    def score(output: np.ndarray) -> float | None:
        return value(scored(coder, target, output, offsets=coder.offsets)) if target[1].any() else None

    scores = {setting: score(output) for setting, output in outputs.items()}
    full = tuple(names)
    found: dict[str, Any] = {"metric": main, "clean": scores[full]}
    found["majority"] = value(majority(coder, target)) if target[1].any() else None
    found["subsets"] = [{"inputs": list(subset), "score": scores[subset]} for subset in subsets]
    found["inputs"] = {}
    other_rows = np.arange(len(target[0])) % 2 == 1  # the order is drawn, so which they are is, too
    for name in names:
        rest = tuple(other for other in names if other != name)
        half = outputs[full].copy()
        half[other_rows] = outputs[rest][other_rows]
        curves = {}
        for kind, corruption in kinds[name].items():
            line = [scores[full], *(scores[name, kind, amount] for amount in corruption.amounts)]
            amounts = [None, *corruption.amounts]
            curves[kind] = {"unit": corruption.unit, "amounts": amounts, "scores": line, "area": area(line)}
        found["inputs"][name] = {
            "alone": scores[(name,)], "without": scores[rest], "half": score(half), "curves": curves,
        }  # fmt: skip
    return found


def area(scores: Sequence[float | None]) -> float | None:
    """The area under a curve by trapezoids, its levels evenly spread from 0 to 1; the score itself where nothing falls.

    Example:
        >>> area([1.0, 0.5, 0.0])
        0.5
    """
    if None in scores:
        return None
    return float(sum((a + b) / 2 for a, b in itertools.pairwise(scores)) / (len(scores) - 1))


def subsets_of(names: Sequence[str], seed: int = 0) -> list[tuple[str, ...]]:
    """All subsets, smallest first, in the order of `names`; of more than 6 names some: with none, one, all but one, and all
    of them, and others drawn by `seed` up to 64."""
    count = len(names)
    if count <= ALL_SUBSETS:
        return [chosen for size in range(count + 1) for chosen in itertools.combinations(names, size)]
    found = {*itertools.combinations(names, 0), *itertools.combinations(names, 1), tuple(names)}
    found |= set(itertools.combinations(names, count - 1))
    random = np.random.default_rng(seed)
    while len(found) < SOME_SUBSETS:
        found.add(
            tuple(name for name, there in zip(names, random.random(count) < random.random(), strict=True) if there)
        )
    place = {name: i for i, name in enumerate(names)}
    return sorted(found, key=lambda chosen: (len(chosen), [place[name] for name in chosen]))


def flat(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What `robustness` found as rows of a table, one a score: kind is majority, subset, half or curve."""
    rows = []
    for name, target in found["targets"].items():
        common = {"target": name, "metric": target["metric"]}
        empty = {"inputs": "", "corruption": "", "amount": None, "unit": "", "area": None}
        rows.append({**common, "kind": "majority", **empty, "score": target["majority"]})
        for subset in target["subsets"]:
            inputs = " + ".join(subset["inputs"])
            rows.append({**common, "kind": "subset", **empty, "inputs": inputs, "score": subset["score"]})
        for key, told in target["inputs"].items():
            rows.append({**common, "kind": "half", **empty, "inputs": key, "score": told["half"]})
            for kind, curve in told["curves"].items():
                fixed = {"inputs": key, "corruption": kind, "unit": curve["unit"], "area": curve["area"]}
                for amount, score in zip(curve["amounts"], curve["scores"], strict=True):
                    rows.append({**common, "kind": "curve", **empty, **fixed, "amount": amount, "score": score})
    return rows
