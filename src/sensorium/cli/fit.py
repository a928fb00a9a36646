"""sensorium fit"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from sensorium.cli.options import (
    As,
    Cluster,
    ConfigFile,
    Epochs,
    Ignore,
    Json,
    Log,
    MediaRoot,
    Preset,
    Probes,
    Redact,
    Resume,
    Set,
    SplitBy,
    SplitTime,
    TablePath,
    Target,
    TimeLimit,
    Valid,
    Workers,
    parse_as,
    print_json,
    say,
    written,
)
from sensorium.errors import ConfigError
from sensorium.training.console import Progress

__all__ = ["fit"]

FLAGS = {"workers": "--workers", "fewest": "--min-workers", "storage": "--storage"}


def fit(
    table: TablePath,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="The folder to save the run to.")],
    target: Target = None,
    valid: Valid = None,
    config: ConfigFile = None,
    setting: Set = None,
    epochs: Epochs = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order, dropout and split.")] = None,
    preset: Preset = "balanced",
    time_limit: TimeLimit = None,
    ignore: Ignore = None,
    modality: As = None,
    split_by: SplitBy = None,
    split_time: SplitTime = None,
    folds: Annotated[
        str | None,
        typer.Option(
            "--folds",
            metavar="K",
            help="Answer every row by a model that never saw it, too; each: by one that "
            "never saw its value of --split-by.",
        ),
    ] = None,
    domain: Annotated[
        str | None, typer.Option("--domain", metavar="COLUMN", help="Learn what tells little of its value in a row.")
    ] = None,
    unlabelled: Annotated[
        Path | None, typer.Option("--unlabelled", metavar="TABLE", help="Rows for --domain alone; no target is read.")
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option("--epsilon", help="Learn with differential privacy: the budget, such as 8.")
    ] = None,
    delta: Annotated[
        float | None, typer.Option("--delta", help="With --epsilon: the probability that it does not hold.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="Start from what this run has learned.")
    ] = None,
    media_root: MediaRoot = None,
    resume: Resume = False,
    strict: Annotated[bool, typer.Option("--strict", help="A file that can't be read is an error.")] = False,
    cache_size: Annotated[
        int | None, typer.Option("--cache-size", metavar="MB", help="Of decoded media kept on disk; 0: none.")
    ] = None,
    probes: Probes = True,
    redact: Redact = False,
    blur_faces: Annotated[
        bool, typer.Option("--blur-faces", help="Blur faces in pictures before they are read.")
    ] = False,
    devices: Annotated[
        int | None,
        typer.Option("--devices", metavar="N", min=1, help="Processes of this machine that train, one a GPU."),
    ] = None,
    strategy: Annotated[
        str, typer.Option("--strategy", help="Of --devices: ddp, each process has the whole network.")
    ] = "ddp",
    cluster: Cluster = None,
    workers: Workers = None,
    fewest: Annotated[
        int | None, typer.Option("--min-workers", metavar="N", min=1, help="Go on with so few where machines are lost.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", metavar="ADDRESS", help="For checkpoints of --cluster: a shared folder, or s3://..."),
    ] = None,
    log: Log = None,
    json: Json = False,
) -> None:
    """Learn TARGET from everything else in TABLE.

    Example: sensorium fit train.csv --target label --out run/
    """
    learn = _learner(devices, strategy, cluster, written(workers=workers, fewest=fewest, storage=storage))
    training = written(
        epochs=epochs, seed=seed, time_limit=time_limit, cache_size=cache_size, strict=strict or None,
        probes=None if probes else False, redact=redact or None, blur_faces=blur_faces or None,
    )  # fmt: skip
    split, privacy = written(by=split_by, time=split_time), written(epsilon=epsilon, delta=delta)
    with Progress() as progress:
        predictor = learn(
            table, target, valid=valid, out=out, config=config, settings=setting or [], ignore=ignore or [],
            modalities=parse_as(modality), media_root=media_root, resume=resume, split=split, domain=domain,
            folds=int(folds) if folds is not None and folds.isdecimal() else folds, unlabelled=unlabelled, start=start,
            privacy=privacy, preset=preset,
            log=log or [], say=say, report=progress, **training,
        )  # fmt: skip
    if json:
        print_json({"run": str(out), **predictor.metrics})
        return
    for name, found in predictor.metrics["targets"].items():
        show(name, found)
    if "folds" in predictor.metrics:
        show_folds(predictor.metrics["folds"], out)
    seconds = predictor.metrics["seconds"]
    print(
        f"{predictor.metrics['stopped']}; {seconds['total']:.0f} s, of which {seconds['probes']:.0f} s "
        f"({seconds['probes'] / seconds['total']:.0%}) on the comparison. Saved to {out}."
    )


def _learner(devices: int | None, strategy: str, cluster: str | None, more: dict[str, Any]) -> Callable[..., Any]:
    """What fits: here, on devices of this machine, or on a cluster.

    Raises:
        ConfigError: options that don't go together.
    """
    if cluster is not None:
        if devices is not None:
            raise ConfigError("--devices is for this machine alone; give --workers with --cluster.")
        from sensorium.cluster.train import fit

        return partial(fit, address=cluster, **more)
    if more:
        raise ConfigError(f"{', '.join(FLAGS[name] for name in more)}: for --cluster alone, which is not given.")
    from sensorium.fitting import fit as here

    return here if devices is None else partial(here, devices=devices, strategy=strategy)


def show(name: str, found: dict[str, Any]) -> None:
    """The fused score beside all it is compared with."""
    from sensorium.cli.options import table_of

    main = found["main"]

    def cell(scores: dict[str, Any]) -> str:
        return f"{scores[main]['value']:.3f}" if main in scores else "-"

    fused = found["valid"].get(main)
    rows = [["fused", f"{fused['value']:.3f}  [{fused['low']:.3f}, {fused['high']:.3f}]" if fused else "-", "", ""]]
    rows.append(["majority" if main != "r2" else "mean", cell(found["majority"]), "", ""])
    if "alone" in found:
        for key in dict.fromkeys([*found["alone"], *found["floors"], *found["probes"]]):
            kinds = (cell(found[kind].get(key, {})) for kind in ("alone", "probes", "floors"))
            rows.append([f"{key} alone" if key != "all" else "all, classical", *kinds])
    table_of([f"{name}: {main} on validation rows", "network", "probe of its encoder", "classical"], rows)
    if found.get("skipped"):
        say(f"not compared, for want of time: {', '.join(found['skipped'])}")


def show_folds(found: dict[str, Any], out: Path) -> None:
    """Each metric over the folds."""
    from sensorium.cli.options import table_of

    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    rows = [
        [name, cell(over["mean"]), cell(over["spread"]), f"[{cell(over['low'])}, {cell(over['high'])}]"]
        for name, over in found["metrics"].items()
    ]
    if "held" in found:
        show_held(found)
    table_of([f"{found['count']} folds", "mean", "spread", "interval of the mean"], rows)
    print(f"The answers of each fold are in {out / 'out_of_fold.csv'}; the saved model learned from all rows.")


def show_held(found: dict[str, Any]) -> None:
    """Each value that was kept out, with the first metrics of its rows."""
    from sensorium.cli.options import table_of

    names = list(found["metrics"])[:3]
    values = [found["metrics"][name]["values"] for name in names]
    rows = [
        [" + ".join(value or "(empty)" for value in held["values"]), held["rows"],
         *("-" if own[fold] is None else f"{own[fold]:.3f}" for own in values)]
        for fold, held in enumerate(found["held"])
    ]  # fmt: skip
    table_of(["kept out", "rows", *names], rows)
