"""sensorium summary"""

from sensorium.cli.options import Json, RunFolder, print_json, table_of

__all__ = ["summary"]


def summary(run: RunFolder, json: Json = False) -> None:
    """The layers of RUN's network with their parameters, and the shapes between its parts.

    Example: sensorium summary run/
    """
    from sensorium.predictor import load

    parts = load(run).parts()
    if json:
        print_json(parts)
        return
    table_of(
        ["part", "layer", "parameters", "output"],
        [[p["part"], p["layer"], f"{p['parameters']:,}", p["output"]] for p in parts],
    )
    print(f"{sum(part['parameters'] for part in parts):,} parameters")
