"""sensorium search"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, RunFolder, print_json, say, table_of

__all__ = ["search"]

SHOWN = 60  # characters of a cell on the screen


Image = Annotated[
    list[str] | None,
    typer.Option("--image", metavar="[COLUMN=]FILE", help="A picture; with COLUMN where the run reads several."),
]
Words = Annotated[
    list[str] | None, typer.Option("--text", metavar="[COLUMN=]WORDS", help="Words; with COLUMN likewise.")
]
Audio = Annotated[
    list[str] | None, typer.Option("--audio", metavar="[COLUMN=]FILE", help="A recording; with COLUMN likewise.")
]
Video = Annotated[
    list[str] | None, typer.Option("--video", metavar="[COLUMN=]FILE", help="A clip; with COLUMN likewise.")
]


def search(
    run: RunFolder,
    index: Annotated[Path, typer.Option("--index", metavar="INDEX", help="A folder of `sensorium index`.")],
    image: Image = None,
    text: Words = None,
    audio: Audio = None,
    video: Video = None,
    row: Annotated[int | None, typer.Option("--row", help="A row of the indexed table, from 1.")] = None,
    top: Annotated[int, typer.Option("--top", help="Rows to find, at most.")] = 10,
    json: Json = False,
) -> None:
    """The rows of INDEX most like a picture, words, a recording, a clip, several of them together, or one of its rows.

    Example: sensorium search run/ --index index/ --text "a red car" --top 5
    """
    from sensorium.errors import ConfigError
    from sensorium.predictor import load
    from sensorium.search.index import Index
    from sensorium.search.query import choose_inputs

    given = {"image": image, "text": text, "audio": audio, "video": video}
    given = {modality: values for modality, values in given.items() if values}
    if (row is None) == (not given):
        raise ConfigError("give something to search by: --image, --text, --audio, --video, or --row.")
    predictor = load(run)
    query = choose_inputs(predictor.config, given) if row is None else row
    found = Index.load(index, predictor, say).search(query, top, say)
    if json:
        print_json(found.to_dict(orient="records"))
        return
    rows = [
        [f"{cell:.3f}" if name == "similarity" else shortened(str(cell)) for name, cell in record.items()]
        for record in found.to_dict(orient="records")
    ]
    table_of(list(found.columns), rows)


def shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
