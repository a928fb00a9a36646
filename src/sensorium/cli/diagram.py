"""sensorium diagram"""

from sensorium.cli.options import Json, RunFolder, print_json

__all__ = ["diagram"]


def diagram(run: RunFolder, json: Json = False) -> None:
    """RUN's network as a Mermaid graph.

    Example: sensorium diagram run/
    """
    from sensorium.predictor import load
    from sensorium.report.diagram import mermaid

    text = mermaid(load(run).parts())
    if json:
        print_json({"mermaid": text})
    else:
        print(text)
