"""From a table to a predictor: fit, and pretrain."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from sensorium.config import Config
from sensorium.data.table import Table, read_table
from sensorium.ensemble.presets import begun, with_members
from sensorium.errors import ConfigError, DataError, SensoriumError, did_you_mean
from sensorium.export.pack import SUFFIX
from sensorium.planning import over, plan
from sensorium.predictor import Predictor, Say, load
from sensorium.privacy.rules import refuse_privacy
from sensorium.stopping import Stopped, stoppable
from sensorium.training.loggers import check_loggers, logged
from sensorium.training.parts import Report
from sensorium.training.unfinished import abandon, claim, made_of

__all__ = ["adapt", "fit", "pretrain"]

LOGS = "logs"  # in the run folder


def fit(
    table: Any,
    target: str | Sequence[str] | None = None,
    *,
    valid: Any = None,
    out: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    ignore: Sequence[str] = (),
    modalities: Mapping[str, str] | None = None,
    media_root: str | os.PathLike[str] | None = None,
    resume: bool = False,
    split: Mapping[str, Any] | None = None,
    folds: int | str | None = None,
    domain: str | Mapping[str, Any] | None = None,
    unlabelled: Any = None,
    privacy: float | Mapping[str, Any] | None = None,
    preset: str = "balanced",
    start: str | os.PathLike[str] | Predictor | None = None,
    devices: int = 1,
    strategy: str = "ddp",
    log: Sequence[str] = (),
    say: Say = lambda _: None,
    report: Report = lambda _: None,
    **training: Any,
) -> Predictor:
    """Learn to answer `target` from everything else in a table.

    Args:
        table: anything `read_table` takes.
        target: the column, or several.
        valid: rows to choose the best epoch by; a part of `table` where left out.
        out: the run folder; None keeps the run in memory (see `Predictor.save`).
        config, settings, ignore, modalities: see `plan`.
        media_root: where relative paths start; the table's folder where left out.
        resume: go on where the run in `out` stopped; with nothing there yet, start. A finished run is returned as it is.
        split: options of the section `split`, such as {"by": "patient"}: which rows validate.
        folds: besides, train that many models, each of which answers the rows that it was kept from: see
            `Predictor.out_of_fold` and `Predictor.metrics["folds"]`. The predictor learns from all rows, as without.
            "each": one for each value of split's `by`, which it is kept from.
        domain: a column, or options of the section `domain`: what is fused is to tell little of it, see docs/domains.md.
        unlabelled: rows whose targets are not looked at, for that alignment alone. Rows of `table` without a target are
            taken for it, too.
        privacy: epsilon, or options of the section `privacy`: what may be told of any one row is bounded, see docs/privacy.md.
        preset: fast, balanced or best, see docs/presets.md: what is not written of training and ensemble is chosen by it.
        start: a run, of `pretrain` or of a fit, whose encoders are started from, with what its readers have learned, and
            whose fusion, where the inputs are the same. Inputs that it lacks are new; those that the table lacks are left.
        devices: processes of this machine that train the network together, each on its part of every step's rows, see
            docs/cluster.md; with GPUs, one each. Several machines: `sensorium.cluster.train.fit`.
        strategy: of several devices: ddp, each has the whole network.
        log: of csv and tensorboard; the curves go to the folder logs of `out` while it trains.
        say, report: called with lines of text, and with numbers after each step and epoch, see
            `sensorium.training.loop.train`; `sensorium.training.console.Progress` is a report that shows them.
        training: options of the section `training`, such as epochs=5, seed=1.

    Raises:
        SensoriumError: whatever is wrong with the table, the options or the media, before or while training.
    """
    from sensorium.training.fit import run_fit  # here: Lightning is loaded for training alone
    from sensorium.training.folds import run_folds
    from sensorium.training.start import Start

    check_loggers(log, out)
    rows = read_table(table, media_root)
    begin = None
    if start is not None:
        begin = Start(start, "the run") if isinstance(start, Predictor) else Start(load(start), str(start))
    more = {"training": training, "split": {**(split or {}), **({} if folds is None else {"folds": folds})}}
    more["domain"] = {"column": domain} if isinstance(domain, str) else domain or {}
    more["privacy"] = {"epsilon": privacy} if isinstance(privacy, int | float) else privacy or {}
    targets = [target] if isinstance(target, str) else target
    given = begun(preset, over(config, more), rows, targets)
    chosen, schema = plan(rows, target, given, settings, ignore, modalities, start=begin)
    if begin is None:
        chosen = with_members(preset, chosen, given, settings)
    valid = None if valid is None else read_table(valid, media_root)
    beside = None if unlabelled is None else read_table(unlabelled, media_root)
    if beside is not None and chosen.domain.column is None:
        raise ConfigError(
            "rows without labels are for the alignment of domains alone, and no column names a row's domain. "
            "Give domain=COLUMN (--domain), or pretrain with them."
        )
    if valid is not None and chosen.split.folds is not None:
        raise ConfigError("folds can't go with rows to validate with: each fold is answered by the other folds' model.")

    def learn(folder: Path, resume: bool, report: Report) -> Predictor:
        if chosen.split.folds is None:
            return Predictor(
                chosen, schema, *run_fit(rows, valid, chosen, schema, folder, resume, say, report, begin, beside)
            )
        return Predictor(
            chosen, schema, *run_folds(rows, chosen, schema, folder, resume, say, report, Predictor, begin, beside)
        )

    if devices > 1:
        from sensorium.training.devices import Devices
        from sensorium.training.spread import spread

        trained = spread(Devices(devices, strategy))
    else:
        trained = nullcontext()
    with trained:
        return _into(
            out, resume, log, say, report, learn, chosen,
            {"learn from": rows, "validate with": valid, "align": beside}, None if begin is None else begin.run,
        )  # fmt: skip


def pretrain(
    table: Any,
    *,
    valid: Any = None,
    out: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    ignore: Sequence[str] = (),
    modalities: Mapping[str, str] | None = None,
    media_root: str | os.PathLike[str] | None = None,
    resume: bool = False,
    split: Mapping[str, Any] | None = None,
    log: Sequence[str] = (),
    say: Say = lambda _: None,
    report: Report = lambda _: None,
    **training: Any,
) -> Predictor:
    """Learn from rows without labels: to bring together what belongs to one row, and to rebuild what is hidden.

    What it returns answers nothing yet; `fit(..., start=it)` does, and `Predictor.anomaly` says how strange rows are.

    Args:
        table: anything `read_table` takes.
        ignore: columns to leave out, such as a target that is not to be known; targets of the configuration are, too.
        valid, out, config, settings, modalities, media_root, resume, split, log, say, report, training: as for `fit`;
            what is learned is the section `pretraining`.

    Raises:
        SensoriumError: whatever is wrong with the table, the options or the media, before or while training.
    """
    from sensorium.pretraining.run import possible, run_pretraining  # here: Lightning is loaded for training alone

    check_loggers(log, out)
    rows = read_table(table, media_root)
    given = over(config, {"training": training, "split": split or {}})
    chosen, schema = plan(rows, None, given, settings, ignore, modalities, targets=False)
    refuse_privacy(
        chosen, "pretraining", "rows are told apart from one another, so that none has a gradient of its own"
    )
    chosen = possible(chosen, rows, say)
    valid = None if valid is None else read_table(valid, media_root)

    def learn(folder: Path, resume: bool, report: Report) -> Predictor:
        return Predictor(chosen, schema, *run_pretraining(rows, valid, chosen, schema, folder, resume, say, report))

    return _into(out, resume, log, say, report, learn, chosen, {"learn from": rows, "validate with": valid})


def adapt(
    run: str | os.PathLike[str] | Predictor,
    table: Any,
    *,
    train: str = "lora",
    target: str | Sequence[str] | None = None,
    valid: Any = None,
    out: str | os.PathLike[str] | None = None,
    settings: Sequence[str] = (),
    ignore: Sequence[str] = (),
    modalities: Mapping[str, str] | None = None,
    media_root: str | os.PathLike[str] | None = None,
    resume: bool = False,
    log: Sequence[str] = (),
    say: Say = lambda _: None,
    report: Report = lambda _: None,
    **training: Any,
) -> Predictor:
    """Go on with a finished run on the rows of another table: of another place, with new classes, with other columns.

    Inputs, encoders, fusion, heads and the linear model beside them are the run's, and so is the configuration but for
    what is given over it. A column that the run never saw is a new input; an input whose columns are gone counts as
    missing. Classes stay in the run's order, new ones follow.

    Args:
        run: that goes on; it stays as it is.
        table: anything `read_table` takes.
        train: what of the run learns: heads; lora, low-rank adapters of encoders and fusion, too, which needs PEFT; all,
            at a smaller learning rate. What is new learns in any case.
        target: the column, or several, of the run or new; the run's targets that the table has where left out.
        ignore: columns of the table that are taken for not there.
        valid, out, settings, modalities, media_root, resume, log, say, report, training: as for `fit`.

    Raises:
        SensoriumError: whatever is wrong with the run, the table, the options or the media, before or while training.
    """
    from sensorium.training.adaptation import Adaptation  # here: Lightning is loaded for training alone
    from sensorium.training.fit import run_fit

    check_loggers(log, out)
    rows = _without(read_table(table, media_root), ignore)
    valid = None if valid is None else read_table(valid, media_root).without(ignore)
    given, name = (run, "the run") if isinstance(run, Predictor) else (load(run), str(run))
    begin = Adaptation(given, name, rows, train, target, modalities)
    chosen, schema = plan(rows, begin.targets, {"training": training}, settings, (), modalities, start=begin)
    begin.check(chosen)

    def learn(folder: Path, resume: bool, report: Report) -> Predictor:
        fitted = run_fit(rows, valid, chosen, schema, folder, resume, say, report, begin)
        weights = given.run.get("files", {}).get("weights.safetensors")
        record = {**fitted.run, "adapted": {"run": name, "weights": weights, **begin.told}}
        return Predictor(chosen, schema, *fitted._replace(run=record))

    return _into(out, resume, log, say, report, learn, chosen, {"learn from": rows, "validate with": valid}, given)


def _without(table: Table, columns: Sequence[str]) -> Table:
    """A table without some of its columns.

    Raises:
        ConfigError: there is no such column.
    """
    for name in columns:
        if name not in table.columns:
            raise ConfigError(f"{table.name} has no column '{name}'. {did_you_mean(name, table.columns)}")
    return table.without(columns)


def _into(
    out: str | os.PathLike[str] | None,
    resume: bool,
    log: Sequence[str],
    say: Say,
    report: Report,
    learn: Callable[[Path, bool, Report], Predictor],
    config: Config,
    tables: Mapping[str, Table | None],
    start: Predictor | None = None,
) -> Predictor:
    """What `learn` (the folder for checkpoints, whether to go on from them, a report) makes, saved to `out` if given.

    SIGTERM and SIGINT end it after the step at work, with a checkpoint. The other arguments are what it learns from.

    Raises:
        ConfigError: there is a run already, which is not to be resumed, a part of another one, or `out` is to be no folder.
        DataError: `out` can't be written to.
        Stopped: SIGTERM came.
    """
    if out is None:
        with stoppable(), tempfile.TemporaryDirectory() as folder:
            return learn(Path(folder), False, report)
    folder = Path(out)
    checkpoints = folder / "checkpoints"
    if folder.suffix == SUFFIX:
        raise ConfigError(
            f"out must be a folder; got {out}. `sensorium pack RUN {folder.name}` makes one file of it afterwards."
        )
    if (folder / "run.json").exists():
        if not resume:
            raise ConfigError(
                f"{folder} already holds a run. Take another --out, or delete it; --resume keeps it as it is."
            )
        say(f"{folder} is finished; nothing is changed.")
        shutil.rmtree(checkpoints, ignore_errors=True)  # where it was killed after the run was saved
        return load(folder)
    try:
        with stoppable():
            weights = None if start is None else start.run.get("files", {}).get("weights.safetensors")
            claim(checkpoints, made_of(config, tables, weights), resume)
            with logged(log, folder / LOGS, report) as told:
                predictor = learn(checkpoints, resume, told)
            _save(predictor, folder)
            shutil.rmtree(checkpoints)
            return predictor
    except (Stopped, KeyboardInterrupt):
        say(f"stopped; what is learned is kept in {checkpoints}. The same with --resume (resume=True) goes on.")
        raise
    except SensoriumError:
        abandon(checkpoints)
        raise


def _save(predictor: Predictor, folder: Path) -> None:
    try:
        predictor.save(folder)
    except DataError as error:
        raise DataError(
            f"{error} What was learned is kept in its checkpoints: make room, and the same with --resume (resume=True) "
            "goes on from there."
        ) from error
