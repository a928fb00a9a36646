"""sensorium export"""

from pathlib import Path
from typing import Annotated, Any

import typer

from sensorium.cli.options import Json, MediaRoot, RunFolder, print_json, say, table_of
from sensorium.errors import ConfigError, did_you_mean

__all__ = ["export"]

FORMATS = ("onnx",)


def export(
    run: RunFolder,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="onnx.")] = "onnx",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="A new folder; RUN/onnx where left out.")
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(metavar="HOW", help="int8: by ranges that training rows show. dynamic: for Transformers."),
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Keep the weights in 16 bits: half the size.")] = False,
    rows: Annotated[
        Path | None,
        typer.Option("--rows", metavar="TABLE", help="Labelled rows to measure with; else RUN's validation rows."),
    ] = None,
    media_root: MediaRoot = None,
    json: Json = False,
) -> None:
    """Write RUN as a graph that answers without torch, and measure both: size, latency, score.

    The whole answer is exported, the linear part and the calibration included. Beside model.onnx lies model.json: what
    reads the inputs. `sensorium.runtime.load(FOLDER)` answers rows with numpy, onnxruntime and the decoders alone.

    Example: sensorium export run/ --to onnx --quantize int8 -o small/
    """
    from sensorium.export.onnx import export_onnx
    from sensorium.predictor import load

    if to not in FORMATS:
        raise ConfigError(f"unknown format '{to}'. {did_you_mean(to, FORMATS)}")
    folder = (run.with_suffix("") if run.is_file() else run) / "onnx" if output is None else output
    found = export_onnx(load(run), folder, quantize, half, rows, media_root, say)
    say(f"written to {folder}.")
    if json:
        print_json(found)
    else:
        show(found)


def show(found: dict[str, Any]) -> None:
    """Both sides as a table."""

    def line(what: str, of: dict[str, float], factor: float, digits: int) -> list[str]:
        return [what, *(f"{of[side] * factor:.{digits}f}" for side in ("torch", "onnx"))]

    lines = [line("size, MB", found["bytes"], 1e-6, 2)]
    for size, of in found.get("latency", {}).items():
        lines.append(line(f"{size} row{'s' if size > 1 else ''}, ms", of, 1e3, 2))
    for name, of in found.get("scores", {}).items():
        lines.append(line(f"{name}: {of['metric']}", of, 1, 4))
    table_of(["", "torch", "onnx"], lines)
    if "rows" in found:
        print(f"Of {found['rows']} rows; no output differs by more than {found['difference']:.1e}.")
    else:
        print("No rows to measure with: give labelled ones with --rows TABLE.")
