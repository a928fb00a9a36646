"""A predictor whose vectors are known: a picture is its mean colour, a text the mean of its words' rows of a table."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from sensorium.build import build_readers
from sensorium.config import parse_config
from sensorium.data.schema import guess_schema
from sensorium.data.table import read_table
from sensorium.data.text import TextReader
from sensorium.encoders.features import Features
from sensorium.fusion import Mean
from sensorium.heads import Binary
from sensorium.heads.alignment import Alignment
from sensorium.model import MultimodalModel
from sensorium.predictor import Predictor

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0)}


class MeanColour(nn.Module):
    mask_dims, width = 1, 3

    def forward(self, values, mask):
        return Features(values.double().mean((2, 3))[:, None].float() / 255, mask[:, None])


class MeanWord(nn.Module):
    mask_dims, width = 2, 3

    def __init__(self, rows):
        super().__init__()
        self.table = nn.Embedding.from_pretrained(rows)

    def forward(self, values, mask):
        return Features(self.table(values), mask)


def colour_table(folder, rows=12):
    """A picture and a word a row; of the places from 0, 2 has no picture, 3 no word, 4 neither."""
    cells = []
    for row in range(rows):
        name, colour = list(COLOURS.items())[row % 4]
        path = f"{row}.png"
        level = np.full((6, 6, 3), colour, dtype=np.uint8)
        level[: 1 + row // 4] = 255  # no two are the same
        Image.fromarray(level).save(folder / path)
        cells.append({"photo": path if row not in {2, 4} else "", "note": name if row not in {3, 4} else ""})
    pd.DataFrame(cells).to_csv(folder / "colours.csv", index=False)
    return folder / "colours.csv"


@pytest.fixture(scope="session")
def colours(tmp_path_factory):
    return colour_table(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="session")
def words():
    """What a reader has learned of the colours' names: one token each."""
    reader = TextReader("note")
    reader.fit([(word,) for word in COLOURS] * 3)
    return reader.state()


@pytest.fixture
def make(colours, words):
    """Predictors of `colours`; aligned: inputs share a space, each as it is; else there is a head and no aligner."""

    def make(aligned=True, photos=("photo",), notes=("note",), aligns=None):
        torch.manual_seed(0)  # the fusion's weights
        inputs = {
            **{name: {"column": "photo", "modality": "image", "size": 6} for name in photos},
            **{name: {"column": "note", "modality": "text"} for name in notes},
        }
        table = read_table(colours)
        config = parse_config({"inputs": inputs, "training": {"batch_size": 8, "workers": 0}})
        schema = guess_schema(table, {"photo": "image", "note": "text"})
        readers = build_readers(config, schema)
        for name in notes:
            readers[name] = TextReader.restore(words)
        encoders = {name: MeanColour() for name in photos}
        for name in notes:
            rows = torch.rand(readers[name].vocabulary, 3, generator=torch.Generator().manual_seed(0)) * 0.1
            for word, colour in COLOURS.items():
                (token,) = readers[name].tokenizer.encode(word).ids
                rows[token] = torch.tensor(colour) / 255
            encoders[name] = MeanWord(rows)
        aligner = None
        if aligned:
            aligner = Alignment(list(aligns or inputs), width=3, size=3)
            aligner.projections = nn.ModuleList(nn.Identity() for _ in aligner.modalities)
        heads = {} if aligned else {"label": Binary(width=3)}
        model = MultimodalModel(encoders, Mean(width=3), heads, aligner)
        return Predictor(config, schema, readers, {}, model.eval(), {}, pd.DataFrame(), pd.DataFrame(), {})

    return make
