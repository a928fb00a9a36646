"""All commands by name."""

import typer

from sensorium.cli.adapt import adapt
from sensorium.cli.anomaly import anomaly
from sensorium.cli.cache import cache
from sensorium.cli.card import card
from sensorium.cli.check import check
from sensorium.cli.compare import compare
from sensorium.cli.compress import compress
from sensorium.cli.diagram import diagram
from sensorium.cli.embed import embed
from sensorium.cli.evaluate import evaluate
from sensorium.cli.example import example
from sensorium.cli.explain import explain
from sensorium.cli.export import export
from sensorium.cli.federate import federate
from sensorium.cli.fit import fit
from sensorium.cli.import_ import import_
from sensorium.cli.index import index
from sensorium.cli.init import init
from sensorium.cli.inspect import inspect
from sensorium.cli.keys import keys
from sensorium.cli.pack import pack
from sensorium.cli.plain import Plain
from sensorium.cli.predict import predict
from sensorium.cli.pretrain import pretrain
from sensorium.cli.pull import pull
from sensorium.cli.push import push
from sensorium.cli.report import report
from sensorium.cli.search import search
from sensorium.cli.serve import serve
from sensorium.cli.sign import sign
from sensorium.cli.summary import summary
from sensorium.cli.tune import tune
from sensorium.cli.unpack import unpack
from sensorium.cli.verify import verify

__all__ = ["app"]

app = typer.Typer(
    help="One model from everything a table points to.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("import", cls=Plain)(import_)
for command in (
    inspect,
    init,
    check,
    pretrain,
    fit,
    adapt,
    compress,
    compare,
    tune,
    evaluate,
    predict,
    explain,
    report,
    export,
    anomaly,
    embed,
    index,
    search,
    serve,
    summary,
    diagram,
    card,
    pack,
    unpack,
    keys,
    sign,
    verify,
    push,
    pull,
    example,
    cache,
):
    app.command(cls=Plain)(command)
app.add_typer(federate, name="federate")
