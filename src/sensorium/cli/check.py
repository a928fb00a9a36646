"""sensorium check"""

from sensorium.cli.options import (
    As,
    ConfigFile,
    Ignore,
    Json,
    MediaRoot,
    Set,
    TablePath,
    Target,
    Valid,
    parse_as,
    print_json,
    say,
)

__all__ = ["check"]


def check(
    table: TablePath,
    target: Target = None,
    config: ConfigFile = None,
    setting: Set = None,
    ignore: Ignore = None,
    modality: As = None,
    media_root: MediaRoot = None,
    valid: Valid = None,
    json: Json = False,
) -> None:
    """Try a configuration on TABLE: options, columns, targets, the network's sizes, one batch. Trains nothing.

    Example: sensorium check train.csv --config config.yaml
    """
    from sensorium.data.table import read_table
    from sensorium.planning import plan
    from sensorium.training.fit import rehearse

    rows = read_table(table, media_root)
    chosen, schema = plan(rows, target, config, setting or [], ignore or [], parse_as(modality))
    say(f"configuration: {len(chosen.inputs)} inputs, {len(chosen.targets)} targets, fusion {chosen.fusion.type}")
    found = rehearse(rows, None if valid is None else read_table(valid, media_root), chosen, schema)
    if json:
        print_json(found)
        return
    print(
        f"one batch of {found['batch']} rows gives a loss of {found['loss']:.3f}; {found['parameters']:,} parameters; "
        f"{found['problems']} of its cells can't be used. All is well."
    )
