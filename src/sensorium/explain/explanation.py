"""Why a row was answered as it was: values of its inputs, of their pairs, and of what is inside them."""

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from sensorium.explain.page import bar, document, styled, table
from sensorium.explain.words import words_of

if TYPE_CHECKING:
    from sensorium.explain.part import Part

__all__ = ["Explanation", "Explanations", "plain"]

GAP = 1e-3  # of the difference; what more the values lack to it is said
MOST_PAIRS = 6


@dataclass(frozen=True)
class Explanation:
    """One row's answer to one target, explained.

    Explained is the model's number before calibration: the logit of a class, or the standardised number of a regression.
    An input that the row misses has the value 0 and is in none of the other fields.

    Args:
        row: its number in the table, from 1.
        target: its name.
        answer: what the model says.
        explained: the class whose logit is explained; None for numbers.
        probability: of that class, calibrated; None for numbers.
        truth: what the table says, where it says something.
        base: the number with no input at all.
        output: the number with all that the row has.
        values: Shapley value of each input, in the model's order; their sum is output - base.
        interactions: Faith-Shap value of each pair of inputs that the row has; above 0: they say more together.
        alone: the answer from each input that the row has, the others missing.
        without: the answer when each of them is missing.
        exact: whether all subsets of the inputs were asked, and not a sample of them.
        parts: by input, what inside it counted.
    """

    row: int
    target: str
    answer: str | float
    explained: str | None
    probability: float | None
    truth: str | float | None
    base: float
    output: float
    values: dict[str, float]
    interactions: dict[tuple[str, str], float]
    alone: dict[str, str | float]
    without: dict[str, str | float]
    exact: bool = True
    parts: "dict[str, Part]" = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """What the values lack to output - base: rounding alone."""
        return self.output - self.base - sum(self.values.values())

    def to_json(self) -> dict[str, Any]:
        """Plain data; of the parts the sums, and the values of those that have names."""
        fields = {key: value for key, value in vars(self).items() if key not in {"interactions", "parts"}}
        pairs = [{"inputs": list(pair), "value": value} for pair, value in self.interactions.items()]
        return {**fields, "interactions": pairs, "gap": self.gap, "parts": {n: _told(p) for n, p in self.parts.items()}}

    def headline(self) -> str:
        """The row, its answer and the truth in a line."""
        truth = "" if self.truth is None else f"; truth {plain(self.truth)}"
        return f"row {self.row}, {self.target}: {self._answered()}{truth}"

    def html(self, language: str = "en") -> str:
        """A piece of a page that shows it; needs `page.STYLE` once in the page.

        Args:
            language: en or zh.

        Raises:
            ConfigError: another language.
        """
        words = words_of(language)
        what = words["logit"].format(name=self.explained) if self.explained is not None else words["number"]
        told = words["explained"].format(what=what, base=f"{self.base:+.3f}", output=f"{self.output:+.3f}")
        whole = abs(self.gap) <= GAP * max(1.0, abs(self.output - self.base))
        sums = words["sums"].format(total=f"{self.output - self.base:+.3f}")
        notes = [told, sums if whole else words["short"].format(gap=f"{self.gap:+.3g}")]
        notes += [] if self.exact else [words["sampled"]]
        most = max(map(abs, self.values.values())) or 1.0
        rows = [
            [
                name,
                f"{value:+.3f}",
                bar(value, most),
                self.alone.get(name, words["missing"]),
                self.without.get(name, ""),
            ]
            for name, value in self.values.items()
        ]
        body = [f"<h3>{escape(self._title(words))}</h3>", *(f"<p>{escape(note)}</p>" for note in notes)]
        body.append(table([words["input"], words["adds"], "", words["alone"], words["without"]], rows))
        if self.interactions:
            pairs = sorted(self.interactions.items(), key=lambda pair: -abs(pair[1]))[:MOST_PAIRS]
            rows = [[" + ".join(pair), f"{value:+.3f}", bar(value, most)] for pair, value in pairs]
            body += [f"<h4>{escape(words['pairs'])}</h4>", table([words["pair"], words["together"], ""], rows)]
        if self.parts:
            body.append(f"<h4>{escape(words['inside'])}</h4>")
            body += [part.html(language) for part in self.parts.values()]
        return f'<section class="sx">{"".join(body)}</section>'

    def _beside(self, name: str, words: dict[str, str]) -> list[str]:
        if name not in self.alone:
            return [words["missing"], ""]
        return [plain(self.alone[name]), plain(self.without[name])]

    def _answered(self) -> str:
        """The answer, with its probability where that is the one explained."""
        own = self.probability is not None and self.explained == self.answer
        return plain(self.answer) + (f" ({self.probability:.1%})" if own else "")

    def _title(self, words: dict[str, str]) -> str:
        title = f"{words['row']} {self.row} · {self.target} · {words['answer']} {self._answered()}"
        return title if self.truth is None else f"{title} · {words['truth']} {plain(self.truth)}"

    def _repr_html_(self) -> str:
        return Explanations([self])._repr_html_()


class Explanations(list[Explanation]):
    """Explanations of several rows, in order."""

    def to_json(self) -> list[dict[str, Any]]:
        return [one.to_json() for one in self]

    def page(self, language: str = "en") -> str:
        """One HTML document that needs nothing from elsewhere."""
        title = ", ".join(dict.fromkeys(one.target for one in self))
        return document(title, "".join(one.html(language) for one in self), language)

    def _repr_html_(self) -> str:
        return styled("".join(one.html() for one in self))


def plain(answer: str | float) -> str:
    """An answer as it is shown."""
    return f"{answer:.4g}" if isinstance(answer, float) else answer or "-"  # of labels there may be none


def _told(part: "Part") -> dict[str, Any]:
    """A part's plain data."""
    values = None if part.labels is None else dict(zip(part.labels, part.values.tolist(), strict=True))
    return {"kind": part.kind, "method": part.method, "total": part.total, "expected": part.expected, "values": values}
