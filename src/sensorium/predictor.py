"""A trained model that answers rows: predict, evaluate, save, load."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sensorium.build import build_loader
from sensorium.config import Config
from sensorium.data.batches import Reader, Rows
from sensorium.data.numeric_columns import check_numbers
from sensorium.data.problems import Problems
from sensorium.data.schema import Schema
from sensorium.data.table import Table, read_table
from sensorium.data.targets import TargetCoder
from sensorium.errors import ConfigError, DataError, did_you_mean
from sensorium.evaluation.answers import outputs, scored
from sensorium.evaluation.calibration import Calibration, trust
from sensorium.evaluation.conformal import METHODS
from sensorium.evaluation.parts import parts_of
from sensorium.evaluation.sets import set_columns, sets, with_sets
from sensorium.export.pack import SUFFIX, opened, save_packed
from sensorium.export.run_folder import read_run, write_run
from sensorium.heads.decoding import Sampling
from sensorium.model import MultimodalModel

if TYPE_CHECKING:
    from sensorium.explain.explanation import Explanations
    from sensorium.explain.overview import Overview
    from sensorium.report.page import Report

__all__ = ["Predictor", "Say", "load"]

Say = Callable[[str], None]


def load(run: str | os.PathLike[str], key: str | os.PathLike[str] | None = None) -> "Predictor":
    """The predictor of a run. No code from it is run, and neither network nor training rows are needed.

    Args:
        run: its folder, or the one file that `Predictor.save("model.sensorium")` or `sensorium pack` wrote.
        key: the file of a public key, which it must be signed for.

    Raises:
        DataError: no finished run, made by a newer format, damaged or changed since it was saved, or not signed as asked.
    """
    with opened(Path(run), key) as folder:
        return Predictor(*read_run(folder))


class Predictor:
    """A trained model with everything needed to answer rows. Made by `fit` and `load`.

    Args:
        config, schema: of the run.
        readers, coders: fitted on the training rows, by input and by target.
        model: trained.
        metrics: what `fit` measured.
        history: a row an epoch.
        found: problems of the training rows.
        run: versions, seed, seconds.
        calibration: by target, learned from the validation rows; None: probabilities stay as the heads give them.
        out_of_fold: of a fit with folds, a row for each training row: its number, fold, answer and probabilities, by
            the model that never saw it.
    """

    def __init__(
        self,
        config: Config,
        schema: Schema,
        readers: Mapping[str, Reader],
        coders: Mapping[str, TargetCoder],
        model: MultimodalModel,
        metrics: dict[str, Any],
        history: pd.DataFrame,
        found: pd.DataFrame,
        run: dict[str, Any],
        calibration: Mapping[str, Calibration] | None = None,
        out_of_fold: pd.DataFrame | None = None,
    ):
        self.config, self.schema, self.readers, self.coders = config, schema, dict(readers), dict(coders)
        self.model, self.metrics, self.history, self.found, self.run = model, metrics, history, found, run
        self.calibration = {name: (calibration or {}).get(name, Calibration()) for name in self.coders}
        self.out_of_fold = out_of_fold
        self.problems = Problems()

    def predict(
        self,
        rows: Any,
        media_root: str | os.PathLike[str] | None = None,
        say: Say = lambda _: None,
        sample: Mapping[str, float] | None = None,
    ) -> Any:
        """The answer for each row, in order: a Series for one target, a DataFrame for several.

        It is the likeliest class, but where the run took thresholds for rare classes (`imbalance`): those change answers,
        never probabilities. Of a text, every token is the likeliest after those before it.

        Args:
            rows: without targets.
            media_root: where relative paths start.
            say: called with warnings.
            sample: of texts, draw the tokens: any of temperature (1), top_p (1) and seed (0), such as {"top_p": 0.9}.
        """
        outputs = self._outputs(read_table(rows, media_root), say, sample=sample)
        answers = [coder.decode(outputs[name]) for name, coder in self.coders.items()]
        return answers[0] if len(answers) == 1 else pd.concat(answers, axis=1)

    def predict_proba(
        self, rows: Any, media_root: str | os.PathLike[str] | None = None, say: Say = lambda _: None
    ) -> Any:
        """Probabilities, a column a class: a DataFrame for one target, a dict of them for several.

        Raises:
            ConfigError: no target is a classification.
        """
        outputs = self._outputs(read_table(rows, media_root), say)
        frames = {
            name: pd.DataFrame(outputs[name], columns=coder.classes)
            for name, coder in self.coders.items()
            if coder.classes
        }
        if not frames:
            kinds = {"regression": "numbers", "generation": "texts"}
            what = " and ".join(sorted({kinds[coder.task] for coder in self.coders.values()}))
            raise ConfigError(f"targets {', '.join(self.coders)} are {what} and have no probabilities; use predict.")
        return next(iter(frames.values())) if len(self.coders) == 1 else frames

    def predict_sets(
        self,
        rows: Any,
        coverage: float = 0.9,
        media_root: str | os.PathLike[str] | None = None,
        method: str = METHODS[0],
        say: Say = lambda _: None,
    ) -> Any:
        """What holds the true answer in `coverage` of new rows: sets of classes, intervals of numbers.

        The promise is for rows of the same source as the validation rows, taken over all of them. Those rows also chose
        the epoch and the temperature, so a little less than what was asked is possible; `evaluate` measures it.

        Args:
            rows: without targets.
            coverage: above 0 and below 1.
            media_root: where relative paths start.
            method: of sets: lac (the smallest) or aps (hard rows are covered more evenly).
            say: called with warnings.

        Returns:
            classes: a Series of lists, likeliest first. numbers: a DataFrame with low and high. Of several targets a
            dict; labels have none.

        Raises:
            ConfigError: only labels, or another coverage or method, or a run that was not calibrated.
        """
        self._answering()
        names = with_sets(self.coders, self.calibration, coverage, method, say)
        outputs = self._outputs(read_table(rows, media_root), say)
        found = {n: sets(self.coders[n], self.calibration[n], outputs[n], coverage, method) for n in names}
        return next(iter(found.values())) if len(self.coders) == 1 else found

    def answers(
        self,
        table: Table,
        say: Say = lambda _: None,
        coverage: float | None = None,
        sample: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:
        """Answers and probabilities side by side, as `sensorium predict` writes them: TARGET, then TARGET_CLASS.

        With a `coverage`, before the probabilities: TARGET_set (classes with | between them) or TARGET_low, TARGET_high.
        `sample`: see `predict`.
        """
        return self._answers(table, say, coverage, sample)

    def _answers(
        self,
        table: Table,
        say: Say,
        coverage: float | None,
        sample: Mapping[str, float] | None,
        checked: bool = False,
    ) -> pd.DataFrame:
        """`answers`; `checked`: to rows from the middle of a table, whose first rows hold numbers where they should."""
        names = [] if coverage is None else with_sets(self.coders, self.calibration, coverage, say=say)
        outputs = self._outputs(table, say, sample=sample, checked=checked)
        parts = []
        for name, coder in self.coders.items():
            parts.append(coder.decode(outputs[name]))
            if name in names:
                parts.append(set_columns(coder, self.calibration[name], outputs[name], coverage))
            if coder.classes:
                parts.append(pd.DataFrame(outputs[name], columns=[f"{name}_{label}" for label in coder.classes]))
        return pd.concat(parts, axis=1)

    def _check_asked(self, coverage: float | None = None, sample: Mapping[str, float] | None = None) -> None:
        """Whether `answers` can be asked for so.

        Raises:
            ConfigError: it can't, or not with these options.
        """
        self._answering()
        if coverage is not None:
            with_sets(self.coders, self.calibration, coverage)
        if sample is not None:
            _sampling(sample, self._writers)

    def embed(
        self,
        rows: Any,
        inputs: Sequence[str] | None = None,
        media_root: str | os.PathLike[str] | None = None,
        say: Say = lambda _: None,
    ) -> np.ndarray:
        """A unit vector for each row, in order: near ones for rows that are alike.

        Of a run of `pretrain` it is the mean of what the row's inputs are in the space that they share, so that a vector
        of one input can be compared with that of another. Of a usual run it is the fused vector before the heads: only
        vectors of the same inputs are alike.

        Args:
            rows: without targets.
            inputs: only these are read; all where left out.
            media_root: where relative paths start.
            say: called with warnings.

        Returns:
            (N, size) float32; zeros for a row that holds nothing of the inputs.
        """
        from sensorium.search.embedding import embed, readable

        table = read_table(rows, media_root)
        names = readable(self.model, inputs)
        found = embed(self.model, self._rows(table, say, inputs=names), self._batch)
        self._tell_problems(say)
        if empty := int((~found.any(1)).sum()):
            say(f"{empty} of {len(found)} rows hold nothing of {', '.join(names)}: their vectors are zeros.")
        return found

    def zero_shot(
        self,
        rows: Any,
        classes: Mapping[str, str | Sequence[str]],
        inputs: Sequence[str] | None = None,
        text: str | None = None,
        temperature: float | None = None,
        media_root: str | os.PathLike[str] | None = None,
        say: Say = lambda _: None,
    ) -> pd.DataFrame:
        """How probable classes are that are only described: by how near their texts are to each row; of a run of `pretrain`.

        Args:
            rows: without targets.
            classes: such as {"cat": ["a photo of a cat", "a kitten"], "dog": "a dog"}; several texts of one are averaged.
            inputs: of the rows, only these are read; all where left out.
            text: the input that reads the classes' texts, where the run has several.
            temperature: above 0; lower makes the nearest class more probable. What was learned where left out.
            media_root: where relative paths start.
            say: called with warnings.

        Returns:
            a column a class, rows that sum to 1; the same for all classes where a row holds nothing.

        Raises:
            ConfigError: the run aligns no inputs, or reads no text; classes without a text.
        """
        from sensorium.search.zero_shot import zero_shot

        return zero_shot(self, read_table(rows, media_root), classes, inputs, text, temperature, say)

    def evaluate(
        self,
        rows: Any,
        media_root: str | os.PathLike[str] | None = None,
        inputs: Sequence[str] | None = None,
        say: Say = lambda _: None,
        by: str | None = None,
    ) -> dict[str, Any]:
        """Metrics on labelled rows, each with its 95 % bootstrap interval.

        Of a run of `pretrain`, which has no target: how well each input of a row finds the row's others among all rows;
        see `sensorium.search.retrieval.retrieval`.

        Args:
            rows: with the target columns; rows without a target, or of a class never seen, are left out and counted.
            media_root: where relative paths start.
            inputs: only these inputs are left present, as if the others were missing.
            say: called with warnings.
            by: a column; besides, the rows of each of its values are scored for themselves.

        Returns:
            {"metrics": {name: {"value", "low", "high"}}, "rows": used, "left_out": not used, "trust": by target, see
            `sensorium.evaluation.calibration.trust`}; names are TARGET.METRIC where there are several targets. With
            `by` also "by", see `sensorium.evaluation.by_group`.

        Raises:
            DataError: a target column is absent, or no row can be scored, or it can't be grouped by that column.
        """
        table = read_table(rows, media_root)
        for name in inputs or ():
            if name not in self.readers:
                raise ConfigError(f"unknown input '{name}'. {did_you_mean(name, self.readers)}")
        if by is not None:
            self._answering()
            if by not in table.columns:
                raise DataError(f"{table.name} has no column '{by}' to group by. {did_you_mean(by, table.columns)}")
        if self.model.aligner is not None and not self.coders:
            return self._retrieval(table, inputs, say)
        coded, used = self._labelled(table, say)
        outputs = self._outputs(table, say, None if inputs is None else tuple(inputs))

        def scores(rows: np.ndarray) -> dict[str, Any]:
            metrics: dict[str, Any] = {}
            for name, coder in self.coders.items():
                values, mask = coded[name]
                if not (mask & rows).any():
                    continue
                found = scored(coder, (values, mask & rows), outputs[name], resamples=1000, offsets=coder.offsets)
                metrics |= (
                    found if len(self.coders) == 1 else {f"{name}.{metric}": value for metric, value in found.items()}
                )
            return metrics

        found = {"metrics": scores(used), "rows": int(used.sum()), "left_out": int((~used).sum())}
        found["trust"] = {
            name: trust(coder, self.calibration[name], coded[name], outputs[name])
            for name, coder in self.coders.items()
            if coder.outputs and coded[name][1].any()
        }
        if by is not None:
            from sensorium.evaluation.by_group import COMPARED, by_group  # here: it is asked for rarely

            first, coder = next(iter(self.coders.items()))
            main = COMPARED[coder.task] if len(self.coders) == 1 else f"{first}.{COMPARED[coder.task]}"
            found["by"] = by_group(table, by, used, scores, main)
        return found

    def robustness(
        self,
        rows: Any,
        media_root: str | os.PathLike[str] | None = None,
        seed: int = 0,
        time_limit: float | None = None,
        say: Say = lambda _: None,
    ) -> dict[str, Any]:
        """How the score on labelled rows falls as inputs go missing or get worse; see `evaluation.robustness`.

        Args:
            rows, media_root, say: as for `evaluate`.
            seed: of the order of rows and of the damage.
            time_limit: seconds; then the rows so far are scored.

        Returns:
            see `sensorium.evaluation.robustness.robustness`; `flat` there makes a table of it.
        """
        from sensorium.evaluation.robustness import robustness  # here: it loads scikit-learn

        table = read_table(rows, media_root)
        _, used = self._labelled(table, say)
        found = self._rows(table.take(np.flatnonzero(used)), say, self.coders)
        told = robustness(self.model, found, self.coders, self.calibration, self._batch, seed, time_limit)
        self._tell_problems(say)
        return told

    def privacy(
        self,
        rows: Any,
        train: Any,
        shadows: int = 0,
        seed: int = 0,
        media_root: str | os.PathLike[str] | None = None,
        say: Say = lambda _: None,
    ) -> dict[str, Any]:
        """How well it can be told of this run which rows it learned from; see `sensorium.privacy.leaks.leaks`.

        Args:
            rows: labelled, never seen by the run.
            train: the table that it learned from.
            shadows: models of the same configuration for a stronger attack, an even number; 0: none.
            seed: of halves and samples.
            media_root: where relative paths of both tables start.
            say: called with warnings.
        """
        from sensorium.privacy.leaks import leaks  # here: it is asked for rarely

        self._answering()
        tables = read_table(rows, media_root), read_table(train, media_root)
        return leaks(self, *tables, shadows, seed, say)

    def explain(
        self,
        rows: Any,
        numbers: Sequence[int] | None = None,
        target: str | None = None,
        label: str | None = None,
        parts: bool = True,
        method: str = "auto",
        media_root: str | os.PathLike[str] | None = None,
        say: Say = lambda _: None,
    ) -> "Explanations":
        """Why rows are answered as they are: what each input adds, what pairs do together, and what counts inside each.

        Args:
            rows: with or without targets.
            numbers: of the rows to explain, 1 is the first; all where left out.
            target: which one; the first where left out.
            label: the class or label explained; where left out, the one that each row is answered with.
            parts: also what counts inside each input.
            method: of the parts; see `sensorium.explain.parts`.
            media_root: where relative paths start.
            say: called with warnings.

        Returns:
            an Explanation a row; a notebook shows them.

        Raises:
            ConfigError: an unknown target or class, a target of texts, a run without targets.
            DataError: no such row.
        """
        from sensorium.explain.rows import asked, explain_rows, numbered  # here: it is asked for rarely

        self._answering()
        coder, output = asked(self.coders, target, label)
        table = numbered(read_table(rows, media_root), numbers)
        calibration = self.calibration[coder.name]
        found = explain_rows(
            self.model, self._rows(table, say), coder, calibration, self._batch, output, method if parts else None
        )
        self._tell_problems(say)
        return found

    def overview(
        self,
        rows: Any,
        target: str | None = None,
        media_root: str | os.PathLike[str] | None = None,
        seed: int = 0,
        out_of_fold: bool = False,
        say: Say = lambda _: None,
    ) -> "Overview":
        """What a table's rows are answered by: the importance of each input, and rows that are worth a look.

        Args:
            rows: with or without targets; likely label errors need them, and rows that the model has not learned from.
            target: which one; the first where left out.
            media_root: where relative paths start.
            seed: of the rows that are taken where there are very many, and of the intervals.
            out_of_fold: the rows are the table that the run learned from, with folds: likely label errors are told by
                the models that had not seen a row.
            say: called with warnings.

        Raises:
            ConfigError: an unknown target, a target of texts, a run without targets, or without folds where asked.
        """
        from sensorium.explain.rows import asked
        from sensorium.explain.survey import survey

        self._answering()
        coder, _ = asked(self.coders, target, None)
        if out_of_fold and self.out_of_fold is None:
            raise ConfigError(
                "this run has no out-of-fold answers. Fit one with --folds, or give rows new to the model."
            )
        found = survey(
            self.model,
            self._rows(read_table(rows, media_root), say),
            coder,
            self.calibration[coder.name],
            self._batch,
            seed,
            self.out_of_fold if out_of_fold else None,
            say,
        )
        self._tell_problems(say)
        return found

    def report(
        self,
        rows: Any = None,
        media_root: str | os.PathLike[str] | None = None,
        title: str = "",
        language: str = "en",
        time_limit: float = 120,
        seed: int = 0,
        say: Say = lambda _: None,
        single_rows: bool = True,
    ) -> "Report":
        """One HTML page on the run and its answers to labelled rows, which needs no network: save it, or show it in a notebook.

        Args:
            rows: with the target columns; where left out, those that the run was validated with, if their file is still
                there as it was. Without any, the page shows what the run itself knows, and says what is not there.
            media_root: where relative paths start.
            title: a name for the run.
            language: en or zh.
            time_limit: seconds for the scores with inputs missing or damaged; then fewer rows are asked.
            seed: of rows' order, the damage and intervals.
            say: called with warnings.
            single_rows: show some rows, with what is in them and why they are answered so.

        Raises:
            ConfigError: another language, or plotly is not installed.
            DataError: a target column is absent, or no row can be scored.
        """
        from sensorium.report.page import report  # here: it is asked for rarely

        table = None if rows is None else read_table(rows, media_root)
        return report(self, table, title, language, time_limit, seed, say, single_rows)

    def anomaly(
        self, rows: Any, media_root: str | os.PathLike[str] | None = None, say: Say = lambda _: None
    ) -> pd.Series:
        """How strange each row is, of a run of `pretrain`: the higher, the stranger, 0 for a usual one, in order.

        It is the mean over the inputs that a row has of how much worse each is rebuilt than in usual rows, in their
        deviations: by all that the row holds, and by its other inputs. NaN for a row without any input.

        Raises:
            ConfigError: the run has not learned to rebuild.
        """
        return self.anomalies(read_table(rows, media_root), say)["anomaly"]

    def anomalies(self, table: Table, say: Say = lambda _: None) -> pd.DataFrame:
        """`anomaly`, and besides a column anomaly_INPUT for each input, as `sensorium anomaly` writes them."""
        if self.model.rebuilder is None:
            raise ConfigError(
                "this run can't tell strange rows: it has not learned to rebuild its inputs. "
                "Take a run of `sensorium pretrain` with pretraining.reconstruction above 0."
            )
        from sensorium.pretraining.anomaly import strangeness

        scores = strangeness(self.model, self._rows(table, say), self._batch)
        self._tell_problems(say)
        of_input = pd.DataFrame(scores, columns=[f"anomaly_{name}" for name in self.model.rebuilder.modalities])
        of_input.insert(0, "anomaly", of_input.mean(axis=1))
        return of_input

    def parts(self) -> list[dict[str, Any]]:
        """The network's parts in order: part, kind, layer (its class), parameters, output (shape, B rows)."""
        return parts_of(self.model, self.coders)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the run as a folder, or as one file where the name ends in .sensorium.

        Of a folder run.json comes last: without it there is no finished run. A file has a model card besides.

        Raises:
            ConfigError: the folder already holds a run, or the file is there.
        """
        path = Path(path)
        if path.suffix == SUFFIX:
            save_packed(path, self)
        else:
            write_run(path, self)

    @property
    def _batch(self) -> int:
        """Rows at once, where nothing is learned."""
        return max(self.config.training.batch_size, 32)

    @property
    def _writers(self) -> dict[str, TargetCoder]:
        """The targets that are texts."""
        return {name: coder for name, coder in self.coders.items() if coder.task == "generation"}

    def _retrieval(self, table: Table, inputs: Sequence[str] | None, say: Say) -> dict[str, Any]:
        from sensorium.search.embedding import readable
        from sensorium.search.retrieval import retrieval

        rows = self._rows(table, say, inputs=readable(self.model, inputs))
        found = retrieval(self.model, rows, self._batch)
        self._tell_problems(say)
        return found

    def _labelled(self, table: Table, say: Say) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Every target's codes, and which rows have any."""
        self._answering()
        used = np.zeros(len(table), dtype=bool)
        coded = {}
        for name, coder in self.coders.items():
            if name not in table.columns:
                raise DataError(
                    f"{table.name} has no column '{name}' to evaluate against. {did_you_mean(name, table.columns)}"
                )
            coded[name] = coder.truth(table.cells(name))
            used |= coded[name][1]
            if new := coder.unknown(table.cells(name)):
                say(f"target '{name}': classes never seen in training are left out: {', '.join(new[:5])}.")
        if not used.any():
            raise DataError(f"{table.name} has no row with a known value of {', '.join(self.coders)}.")
        return coded, used

    def _rows(
        self,
        table: Table,
        say: Say,
        coders: Mapping[str, TargetCoder] | None = None,
        inputs: Sequence[str] | None = None,
        checked: bool = False,
    ) -> Rows:
        """A table's rows as the model reads them, or some of its inputs, once it is sure that they are of its kind."""
        readers = self.readers if inputs is None else {name: self.readers[name] for name in inputs}
        absent = [c for reader in readers.values() for c in reader.columns if c not in table.columns]
        if len(absent) == sum(len(reader.columns) for reader in readers.values()):
            raise DataError(
                f"{table.name} has none of the columns that the model reads: {', '.join(sorted(set(absent))[:5])}. "
                f"It has: {', '.join(table.columns[:5])}."
            )
        if absent:
            say(f"{table.name} lacks the columns {', '.join(absent)}; they count as missing.")
        self.problems = Problems()
        rows = Rows(table, readers, coders, self.problems, build_loader(self.config, say))
        if not checked:
            check_numbers(rows)
        return rows

    def _answering(self) -> None:
        if not self.coders:
            raise ConfigError(
                "this run was pretrained, without a target, and has no answers. Fit one from it: "
                "sensorium fit TABLE --target COLUMN --from RUN --out ANOTHER."
            )

    def _outputs(
        self,
        table: Table,
        say: Say,
        keep: tuple[str, ...] | None = None,
        sample: Mapping[str, float] | None = None,
        checked: bool = False,
    ) -> dict[str, np.ndarray]:
        self._answering()
        writers = self._writers
        sampling = None if sample is None else _sampling(sample, writers)
        rows = self._rows(table, say, writers, checked=checked)  # of texts, what is asked is read
        for name, coder in writers.items():
            if coder.prompt is not None and coder.prompt not in table.columns:
                say(f"{table.name} lacks the column '{coder.prompt}': nothing is asked for '{name}'.")
        found = outputs(self.model, rows, self._batch, keep, sampling)
        self._tell_problems(say)
        return {name: self.calibration[name].apply(coder.task, found[name]) for name, coder in self.coders.items()}

    def _tell_problems(self, say: Say) -> None:
        for line in self.problems.lines():
            say(line)


def _sampling(sample: Mapping[str, float], writers: Collection[str]) -> Sampling:
    if not writers:
        raise ConfigError("sample is for targets of texts (task generation), and this run has none. Leave it out.")
    for key in sample:
        if key not in Sampling._fields:
            raise ConfigError(f"sample: unknown key '{key}'. {did_you_mean(str(key), Sampling._fields)}")
    return Sampling(**sample).checked()
