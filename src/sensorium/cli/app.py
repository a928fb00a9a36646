"""All commands by name."""

import typer

from sensorium.cli.adapt import adapt
from sensorium.cli.anomaly import anomaly
from sensorium.cli.cache import cache
from sensorium.cli.check import check
from sensorium.cli.compare import compare
from sensorium.cli.diagram import diagram
from sensorium.cli.embed import embed
from sensorium.cli.evaluate import evaluate
from sensorium.cli.example import example
from sensorium.cli.explain import explain
from sensorium.cli.fit import fit
from sensorium.cli.index import index
from sensorium.cli.init import init
from sensorium.cli.inspect import inspect
from sensorium.cli.predict import predict
from sensorium.cli.pretrain import pretrain
from sensorium.cli.report import report
from sensorium.cli.search import search
from sensorium.cli.summary import summary

__all__ = ["app"]

app = typer.Typer(
    help="One model from everything a table points to.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    inspect,
    init,
    check,
    pretrain,
    fit,
    adapt,
    compare,
    evaluate,
    predict,
    explain,
    report,
    anomaly,
    embed,
    index,
    search,
    summary,
    diagram,
    example,
    cache,
):
    app.command()(command)
