"""sensorium summary"""

from sensorium.cli.options import Json, RunFolder, print_json, table_of

__all__ = ["summary"]


def summary(run: RunFolder, json: Json = False) -> None:
    """The parts of RUN's network: parameters, shapes of what goes in and out, and operations (FLOPs) a row.

    FLOPs are those of matrix products and convolutions, two a multiplication with its addition, for a row in which nothing
    is missing and texts and recordings are as long as RUN reads them.

    Example: sensorium summary run/
    """
    from sensorium.pictures.short_number import short_number
    from sensorium.predictor import load
    from sensorium.report.parts import parts_with_costs

    parts = parts_with_costs(load(run))
    if json:
        print_json(parts)
        return
    table_of(
        ["part", "layer", "parameters", "input", "output", "FLOPs a row"],
        [
            [p["part"], p["layer"], f"{p['parameters']:,}", p["input"], p["output"], short_number(p["flops"])]
            for p in parts
        ],
    )
    flops = short_number(sum(part["flops"] for part in parts))
    print(f"{sum(part['parameters'] for part in parts):,} parameters, {flops} FLOPs a row")
