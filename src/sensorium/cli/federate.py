"""sensorium federate"""

from pathlib import Path
from typing import Annotated, Any

import typer

from sensorium.cli.options import (
    As,
    ConfigFile,
    Ignore,
    Json,
    MediaRoot,
    Set,
    TablePath,
    Valid,
    parse_as,
    print_json,
    say,
    written,
)
from sensorium.cli.plain import Plain

__all__ = ["federate"]

federate = typer.Typer(
    help="Learn one model from the rows of several sites, which stay where they are.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Targets = Annotated[list[str], typer.Option("--target", help="The column to learn; may be given several times.")]
Rounds = Annotated[int | None, typer.Option(help="Of training at the sites and averaging; 10 where left out.")]
Passes = Annotated[
    int | None, typer.Option("--local-epochs", help="Passes of a site over its rows in a round; 1 where left out.")
]
Strategy = Annotated[str | None, typer.Option(help="fedavg, fedprox or fedadam.")]
Terms = Annotated[
    list[str] | None,
    typer.Option("--term", metavar="NAME=VALUE", help="Another of a federation's terms, such as proximal=0.01."),
]
Secure = Annotated[bool, typer.Option("--secure", help="Secure aggregation: only the sum of the updates can be read.")]
Noise = Annotated[float | None, typer.Option(help="On a round's sum, in multiples of --clip: differential privacy.")]
Clip = Annotated[float | None, typer.Option(help="Largest norm of a site's update.")]
Out = Annotated[Path, typer.Option("--out", metavar="RUN", help="The run folder.")]
Seed = Annotated[int | None, typer.Option(help="Of weights, order and splits.")]
Certificates = Annotated[
    Path | None, typer.Option("--certificates", metavar="FOLDER", help="As `sensorium federate keys` makes it.")
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Without certificates and encryption: for trials alone.")]
Most = Annotated[int, typer.Option("--max-message", metavar="MB", help="Largest message; a model must fit in.")]


def _terms(pairs: list[str] | None, **given: Any) -> dict[str, Any]:
    """The terms that were given; False is none."""
    from sensorium.config import set_value

    found = written(**given)
    if not found.get("secure"):
        found.pop("secure", None)
    for pair in pairs or []:
        set_value(found, pair)
    return found


def _show(predictor: Any, out: Path, json: bool) -> None:
    if json:
        told = {"history": predictor.history.to_dict(orient="records"), "federated": predictor.run["federated"]}
        print_json({**told, "metrics": predictor.metrics})
        return
    for name, found in predictor.metrics["targets"].items():
        scores = ", ".join(f"{metric} {score['value']:.3f}" for metric, score in found["valid"].items())
        print(f"'{name}' on the sites' validation rows: {scores or 'not scored'}")
    print(f"The run is {out}; sensorium evaluate {out} TABLE scores it on rows that no site has.")


@federate.command(cls=Plain)
def simulate(
    table: TablePath,
    target: Targets,
    out: Out = Path("run"),
    by: Annotated[str | None, typer.Option(help="Each value of this column is a site.")] = None,
    sites: Annotated[int, typer.Option(help="How many, without --by.")] = 5,
    alpha: Annotated[float, typer.Option(help="How alike sites are, without --by: 0.1 hardly, 100 nearly.")] = 1.0,
    lacks: Annotated[
        list[str] | None, typer.Option("--lacks", metavar="SITE:COLUMN", help="What a site does not have.")
    ] = None,
    rounds: Rounds = None,
    local_epochs: Passes = None,
    strategy: Strategy = None,
    secure: Secure = False,
    noise: Noise = None,
    clip: Clip = None,
    term: Terms = None,
    config: ConfigFile = None,
    setting: Set = None,
    ignore: Ignore = None,
    modality: As = None,
    media_root: MediaRoot = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """What a federation would come to: one table, split into the sites' parts, all in this process.

    Example: sensorium federate simulate train.csv --target digit --by speaker --rounds 10
    """
    from sensorium.federated.front import simulate as run

    terms = _terms(
        term, rounds=rounds, epochs=local_epochs, strategy=strategy, secure=secure, noise=noise, clip=clip
    )  # fmt: skip
    predictor = run(
        table, target, by=by, sites=sites, alpha=alpha, lacks=lacks or [], out=out, config=config,
        settings=setting or [], ignore=ignore or [], modalities=parse_as(modality), media_root=media_root, terms=terms,
        say=say, **written(seed=seed),
    )  # fmt: skip
    _show(predictor, out, json)


@federate.command(cls=Plain)
def server(
    target: Targets,
    out: Out = Path("run"),
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where sites reach it.")] = "0.0.0.0:8700",
    certificates: Certificates = None,
    insecure: Insecure = False,
    sites: Annotated[int, typer.Option(help="That a round needs.")] = 2,
    rounds: Rounds = None,
    local_epochs: Passes = None,
    strategy: Strategy = None,
    secure: Secure = False,
    noise: Noise = None,
    clip: Clip = None,
    term: Terms = None,
    config: ConfigFile = None,
    setting: Set = None,
    max_message: Most = 512,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Lead a federation: it needs no rows, and sees none.

    Example: sensorium federate server --target digit --certificates keys --sites 3 --rounds 20 --out run
    """
    from sensorium.federated.front import serve

    terms = _terms(
        term, sites=sites, rounds=rounds, epochs=local_epochs, strategy=strategy, secure=secure, noise=noise, clip=clip
    )
    predictor = serve(
        target, listen=listen, certificates=certificates, insecure=insecure, out=out, config=config,
        settings=setting or [], terms=terms, most=max_message, say=say, **written(seed=seed),
    )  # fmt: skip
    _show(predictor, out, json)


@federate.command(cls=Plain)
def client(
    table: TablePath,
    server: Annotated[str, typer.Option(metavar="HOST:PORT", help="Of the federation.")],
    name: Annotated[str, typer.Option(help="Of this site, as in its certificate.")],
    certificates: Certificates = None,
    insecure: Insecure = False,
    secure: Annotated[
        bool, typer.Option("--secure", help="Take part only where the server uses secure aggregation.")
    ] = False,
    epsilon: Annotated[
        float | None, typer.Option(help="Noise on all that leaves: what it tells of this site, in all rounds.")
    ] = None,
    delta: Annotated[float, typer.Option(help="That goes with --epsilon.")] = 1e-5,
    clip: Annotated[float, typer.Option(help="Largest norm of an update, with --epsilon.")] = 1.0,
    valid: Valid = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="RUN", help="Save the federation's model here.")] = None,
    ignore: Ignore = None,
    modality: As = None,
    media_root: MediaRoot = None,
    patience: Annotated[float, typer.Option(metavar="SECONDS", help="That the server may be away.")] = 600.0,
    max_message: Most = 512,
) -> None:
    """Take part in a federation with the rows of TABLE, which stay here.

    Example: sensorium federate client mine.csv --server fl.example.org:8700 --name north --certificates keys
    """
    from sensorium.federated.front import join

    predictor = join(
        table, server, name, valid=valid, certificates=certificates, insecure=insecure, secure=secure, epsilon=epsilon,
        delta=delta, clip=clip, out=out, ignore=ignore or [], modalities=parse_as(modality), media_root=media_root,
        most=max_message, patience=patience, say=say,
    )  # fmt: skip
    print("The federation is over." if predictor is not None else "The federation ended without this site.")


@federate.command(cls=Plain)
def keys(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="For the certificates.")],
    server: Annotated[
        list[str] | None,
        typer.Option("--server", metavar="HOST", help="Name or address it is reached at; may be given several times."),
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option("--site", metavar="NAME", help="A site; may be given several times.")
    ] = None,
    json: Json = False,
) -> None:
    """Certificates for a federation's server and sites; those that are there already stay.

    Give each site authority.pem, NAME.pem and NAME.key; keep authority.key away from all machines of the federation.

    Example: sensorium federate keys keys --server fl.example.org --site north --site south
    """
    from sensorium.federated.certificates import make_certificates

    made = [str(path) for path in make_certificates(folder, server or [], site or [])]
    if json:
        print_json({"written": made})
        return
    print("\n".join(made) or "All of them are there already.")
