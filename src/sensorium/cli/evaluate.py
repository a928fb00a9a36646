"""sensorium evaluate"""

from sensorium.cli.options import Json, MediaRoot, RunFolder, TablePath, print_json, say, table_of

__all__ = ["evaluate"]


def evaluate(run: RunFolder, table: TablePath, media_root: MediaRoot = None, json: Json = False) -> None:
    """Score RUN on the labelled rows of TABLE, with 95 % bootstrap intervals.

    Example: sensorium evaluate run/ test.csv
    """
    from sensorium.predictor import load

    found = load(run).evaluate(table, media_root, say=say)
    if json:
        print_json(found)
        return
    rows = [[name, f"{m['value']:.4f}", f"{m['low']:.4f}", f"{m['high']:.4f}"] for name, m in found["metrics"].items()]
    table_of(["metric", "value", "low", "high"], rows)
    print(f"{found['rows']} rows; {found['left_out']} left out.")
