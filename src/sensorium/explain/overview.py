"""What a table's rows are answered by: the importance of each input, and rows worth a look."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from sensorium.explain.explanation import plain
from sensorium.explain.page import bar, document, styled, table
from sensorium.explain.words import words_of

__all__ = ["Overview"]

SHOWN, PAIRS = 10, 6  # rows of a list, and of that of pairs


@dataclass(frozen=True)
class Overview:
    """What a table tells of one target. Rows are named by their number in the table, from 1.

    Args:
        target: its name.
        of: rows of the table; `answers` has those that were asked.
        exact: whether all subsets of the inputs were asked, and not a sample of them.
        importance: a row an input, in the model's order: input, present (share of the rows that have it), size (mean
            absolute Shapley value of the explained number) with low and high (95 % bootstrap interval over rows), worth
            (Shapley value of how much the loss falls: log-loss, of numbers the squared error in squared deviations of
            the target) with worth_low and worth_high; NaN without truth.
        pairs: a row a pair: first, second, rows (that have both), mean (of their Faith-Shap values), size (mean absolute).
        answers: row, answer, probability (of it; NaN for numbers), truth (None where not known), missing (names of
            inputs), and for each input a column adds_INPUT, its Shapley value.
        alone: rows that rest on one input: row, input, answer. It alone says the same, and of all inputs only without it
            another is said. Rows with one input only are not among them.
        disagreements: rows whose inputs pull to different answers: row, answer, says ({input: answer}), pull (the share
            of all that the inputs add which goes the other way than the rest, 0.1 to 0.5), the strongest first.
        turns: row, input, answer, without (the answer when that input is missing, which is another).
        label_errors: rows whose label is likely wrong: row, label, suggested, quality (0 to 1), the worst first; None
            where the target has no classes or the table no truth, or cleanlab is not installed.
        tolerance: how far two numbers are called the same answer: the typical error; None for classes.
    """

    target: str
    of: int
    exact: bool
    importance: pd.DataFrame
    pairs: pd.DataFrame
    answers: pd.DataFrame
    alone: pd.DataFrame
    disagreements: pd.DataFrame
    turns: pd.DataFrame
    label_errors: pd.DataFrame | None
    tolerance: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN as None."""
        return {
            key: value.astype(object).where(value.notna(), None).to_dict(orient="records")
            if isinstance(value, pd.DataFrame)
            else value
            for key, value in vars(self).items()
        }

    def html(self, language: str = "en") -> str:
        """A piece of a page that shows it; needs `page.STYLE` once in the page.

        Args:
            language: en or zh.

        Raises:
            ConfigError: another language.
        """
        words = words_of(language)
        body = [f"<h2>{escape(words['overview'].format(target=self.target))}</h2>"]
        body.append(f"<p>{escape(words['asked'].format(rows=len(self.answers), of=self.of))}</p>")
        body += [] if self.exact else [f"<p>{escape(words['sampled'])}</p>"]
        most = self.importance["high"].max() or 1.0
        rows = []
        for one in self.importance.itertuples():
            span = f"{one.low:.3f} – {one.high:.3f}"
            worth = [] if np.isnan(one.worth) else [one.worth, f"{one.worth_low:.3f} – {one.worth_high:.3f}"]
            rows.append(
                [one.input, f"{one.present:.0%}", one.size, span, bar(one.size, most, one.low, one.high), *worth]
            )
        told = [words["worth"], words["interval"]] if self.importance["worth"].notna().any() else []
        head = [words["input"], words["present"], words["size"], words["interval"], "", *told]
        body.append(table(head, rows))
        pairs = self.pairs.sort_values("size", ascending=False).dropna()
        rows = [[f"{one.first} + {one.second}", one.rows, one.mean, one.size] for one in pairs.itertuples()][:PAIRS]
        body.append(_list(words, "pairs", ["pair", "rows", "mean", "mean_size"], rows))
        body.append(_list(words, "rests", ["row", "input", "answer"], self.alone.to_numpy().tolist()))
        rows = [
            [one.row, one.answer, ", ".join(f"{name}: {plain(says)}" for name, says in one.says.items()), one.pull]
            for one in self.disagreements.itertuples()
        ]
        body.append(_list(words, "disagreements", ["row", "answer", "says", "pull"], rows))
        body.append(_list(words, "turns", ["row", "input", "answer", "without"], self.turns.to_numpy().tolist()))
        if self.label_errors is not None:
            head = ["row", "label", "suggested", "quality"]
            body.append(_list(words, "label_errors", head, self.label_errors.to_numpy().tolist()))
        return f'<section class="sx">{"".join(body)}</section>'

    def page(self, language: str = "en") -> str:
        """One HTML document that needs nothing from elsewhere."""
        return document(self.target, self.html(language), language)

    def _repr_html_(self) -> str:
        return styled(self.html())


def _list(words: dict[str, str], title: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of the first rows under its title."""
    more = "" if len(rows) <= SHOWN else f"<p>{escape(words['more'].format(count=len(rows) - SHOWN))}</p>"
    shown = table([words.get(name, name) for name in head], rows[:SHOWN]) if rows else f"<p>{words['none']}</p>"
    return f"<h3>{escape(words[title])} ({len(rows)})</h3>{shown}{more}"
