"""Which cells of a comparison are best, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sensorium.comparison.cells import FIT, Cell
from sensorium.comparison.paired import differences, holm, mcnemar, two_sided
from sensorium.comparison.trials import Outcome
from sensorium.data.targets import CLASSED, TargetCoder
from sensorium.evaluation.metrics import MAIN, METRICS, OF_ANSWERS

__all__ = ["SURE", "Judge", "in_words", "standings"]

SURE = 0.05  # p, below which a difference counts
RESAMPLES = 1000


@dataclass(frozen=True)
class Judge:
    """Scores outcomes on the held-out rows and tests one against another.

    Over several seeds a score is the mean of the networks' scores; tests take the answers of the first seed, since
    those of several seeds for one row are no independent rows.

    Args:
        coder: of the target.
        truth: class numbers (N,), labels (N, K), or numbers (N,) in the target's unit.
    """

    coder: TargetCoder
    truth: np.ndarray

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return MAIN[self.coder.task]

    def value(self, outcome: Outcome, metric: str) -> float:
        """The mean over seeds of a metric."""
        function = METRICS[self.coder.task][metric]
        return float(np.mean([function(self.truth, said) for said in self._said(outcome, metric)]))

    def scores(self, outcome: Outcome) -> dict[str, float]:
        """Every metric's value that the rows define; the ends of the deciding one's interval as "low" and "high".

        The interval is over bootstrap samples of the rows, and of the seeds where there are several.
        """
        names = [name for name in METRICS[self.coder.task] if not self._meaningless(outcome, name)]
        function, random = METRICS[self.coder.task][self.metric], np.random.default_rng(0)
        said = self._said(outcome, self.metric)
        drawn = []
        for _ in range(RESAMPLES):
            rows = random.integers(0, len(self.truth), len(self.truth))
            seeds = random.integers(0, len(said), len(said)) if len(said) > 1 else (0,)
            drawn.append(np.mean([function(self.truth[rows], said[seed][rows]) for seed in seeds]))
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        values = {name: self.value(outcome, name) for name in names}
        return {"low": float(low), "high": float(high)} | {n: v for n, v in values.items() if np.isfinite(v)}

    def chance(self, better: Outcome, worse: Outcome) -> float:
        """The p of no difference, of McNemar's test or a paired bootstrap; 1 where the first seed turns it round."""
        if self.coder.task in CLASSED:
            right, other = (outcome.answers[0] == self.truth for outcome in (better, worse))
            return mcnemar(right, other) if right.sum() >= other.sum() else 1.0
        drawn = self._differences(better, worse)
        return two_sided(drawn) if np.median(drawn) >= 0 else 1.0

    def difference(self, first: Outcome, second: Outcome) -> dict[str, float]:
        """How much more `first` scores: value, low, high (over rows, of the first seed), and p."""
        value = self.value(first, self.metric) - self.value(second, self.metric)
        low, high = np.quantile(self._differences(first, second), [0.025, 0.975])
        p = self.chance(first, second) if value >= 0 else self.chance(second, first)
        return {"value": value, "low": float(low), "high": float(high), "p": p}

    def _differences(self, first: Outcome, second: Outcome) -> np.ndarray:
        said = (self._said(outcome, self.metric)[0] for outcome in (first, second))
        return differences(METRICS[self.coder.task][self.metric], self.truth, *said)

    def _said(self, outcome: Outcome, metric: str) -> np.ndarray:
        """What a metric reads, a seed each: where answers are asked for, 1 for the class that is answered."""
        if self.coder.task in CLASSED and metric in OF_ANSWERS:
            return np.eye(len(self.coder.classes))[outcome.answers]
        return outcome.output

    def _meaningless(self, outcome: Outcome, metric: str) -> bool:
        """An SVM's shares of classes rank them; they are no probabilities."""
        return outcome.cell.model == "svm" and metric in {"log_loss", "ece"}


def standings(judge: Judge, outcomes: Sequence[Outcome]) -> dict[Cell, tuple[str, float | None]]:
    """What each cell is, and its p against the best one, corrected for the number of tests.

    "winner": the best one, where it is better than every other. "best": else. "no worse": can't be told from the best.
    "": worse. The p are Holm's.
    """
    if not outcomes:
        return {}
    best = max(outcomes, key=lambda outcome: judge.value(outcome, judge.metric))
    others = [outcome for outcome in outcomes if outcome is not best]
    chances = holm([judge.chance(best, other) for other in others])
    alone = all(p < SURE for p in chances)
    found: dict[Cell, tuple[str, float | None]] = {best.cell: ("winner" if alone and others else "best", None)}
    for other, p in zip(others, chances, strict=True):
        found[other.cell] = ("" if p < SURE else "no worse", p)
    return found


def in_words(judge: Judge, outcomes: Sequence[Outcome], found: Mapping[Cell, tuple[str, float | None]]) -> str:
    """Who wins, whether fusion pays, and whether networks do: for people."""
    if not outcomes:
        return "No cell was finished, so that there is nothing to compare."
    rows = f"{len(judge.truth)} rows"
    best = next(cell for cell, (word, _) in found.items() if word in {"winner", "best"})
    alike = sum(word == "no worse" for word, _ in found.values())
    if found[best][0] == "winner":
        lines = [f"{_words(best)} wins: it is better than each of the others on these {rows}."]
    elif alike:
        others = "another one" if alike == 1 else f"{alike} others"
        lines = [f"{_words(best)} scores best, but {others} can't be told from it on these {rows}."]
    else:
        lines = [f"{_words(best)} is the only one."]
    several = _best(judge, [outcome for outcome in outcomes if len(outcome.cell.inputs) > 1])
    single = _best(judge, [outcome for outcome in outcomes if len(outcome.cell.inputs) == 1])
    if several is not None and single is not None:
        lines.append(_against(judge, "Fusion", several, f"the best single input, '{single.cell.inputs[0]}'", single))
    networks = _best(judge, [outcome for outcome in outcomes if outcome.cell.generation not in {"classical", FIT}])
    classical = _best(judge, [outcome for outcome in outcomes if outcome.cell.generation == "classical"])
    if networks is not None and classical is not None:
        lines.append(_against(judge, "The best network", networks, "the best classical model", classical))
    return " ".join(lines)


def _best(judge: Judge, outcomes: Sequence[Outcome]) -> Outcome | None:
    return max(outcomes, key=lambda outcome: judge.value(outcome, judge.metric), default=None)


def _against(judge: Judge, name: str, first: Outcome, rival: str, second: Outcome) -> str:
    """`name` against `rival`: which scores more, by how much, and whether it is sure."""
    told = judge.difference(first, second)
    ours, theirs = (judge.value(outcome, judge.metric) for outcome in (first, second))
    verb = "scores as much as" if told["value"] == 0 else "beats" if told["value"] > 0 else "loses to"
    metric = judge.metric.replace("_", " ")
    by = f"{metric} {ours:.3f} ({_words(first.cell)}) against {theirs:.3f} ({_words(second.cell)})"
    sure = "sure" if told["p"] < SURE else "not sure"
    low, high = (f"{told[end]:+.3f}" for end in ("low", "high"))
    more = f", a difference of {told['value']:+.3f} [{low}, {high}], which is {sure} (p = {_short(told['p'])})"
    cut = "; the time limit cut a network's training short" if first.cut or second.cut else ""
    return f"{name} {verb} {rival}: {by}{more if told['value'] else ''}{cut}."


def _short(p: float) -> str:
    return f"{p:.2f}" if p >= 0.1 else f"{p:.2g}"


def _words(cell: Cell) -> str:
    """A cell as words in a sentence."""
    inputs = " + ".join(cell.inputs)
    kind = (
        f"{cell.model}"
        if cell.generation == "classical"
        else f"{cell.generation}{', ' * bool(cell.fusion)}{cell.fusion}"
    )
    return f"{kind} on {inputs}"
