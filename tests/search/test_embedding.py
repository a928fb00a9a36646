"""One unit vector a row."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

import sensorium as sm
from sensorium.errors import ConfigError
from sensorium.search.embedding import joined


def expected(row):
    """The unit vectors of a row of `colours` in float64: photo and note, None where there is none."""
    colour = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0)][row % 4], dtype=np.float64)
    white = (1 + row // 4) / 6
    photo = None if row in {2, 4} else (1 - white) * colour + white
    note = None if row in {3, 4} else colour
    return [None if v is None else v / np.linalg.norm(v) for v in (photo, note)]


def test_aligned_inputs_are_averaged_and_missing_ones_left_out(make, colours):
    predictor, said = make(), []
    found = predictor.embed(colours, say=said.append)
    assert found.shape == (12, 3)
    assert found.dtype == np.float32
    for row in range(12):
        there = [v for v in expected(row) if v is not None]
        mean = np.mean(there, axis=0) / np.linalg.norm(np.mean(there, axis=0)) if there else np.zeros(3)
        np.testing.assert_allclose(found[row], mean, atol=1e-6)
    assert said == ["1 of 12 rows hold nothing of photo, note: their vectors are zeros."]


def test_one_input_alone(make, colours):
    predictor, said = make(), []
    found = predictor.embed(colours, ["photo"], say=said.append)
    for row in range(12):
        photo = expected(row)[0]
        np.testing.assert_allclose(found[row], np.zeros(3) if photo is None else photo, atol=1e-6)
    assert said == ["2 of 12 rows hold nothing of photo: their vectors are zeros."]


def test_an_input_that_is_not_asked_for_is_not_read(make, colours):
    rows = pd.read_csv(colours, keep_default_na=False)
    rows["photo"] = "nowhere.png"
    said = []
    found = make().embed(rows, ["note"], colours.parent, said.append)
    np.testing.assert_array_equal(found, make().embed(colours, ["note"]))
    assert said == ["2 of 12 rows hold nothing of note: their vectors are zeros."]


def test_a_usual_run_gives_the_fused_vector(make, colours):
    predictor = make(aligned=False)
    found = predictor.embed(colours)
    rows = predictor._rows(sm.predictor.read_table(colours), lambda _: None)
    (batch,) = rows.batches(12)
    with torch.no_grad():
        fused = predictor.model.fusion(predictor.model.encode(batch.inputs))
    fused[4] = 0  # nothing is there
    np.testing.assert_allclose(found, F.normalize(fused, dim=1).numpy(), atol=1e-6)
    assert not found[4].any()


def test_a_rows_vector_depends_on_that_row_alone(make, colours):
    predictor = make()
    rows = pd.read_csv(colours, keep_default_na=False)
    whole = predictor.embed(rows, media_root=colours.parent)
    for row in (0, 3, 11):
        alone = predictor.embed(rows.iloc[[row]], media_root=colours.parent)
        np.testing.assert_allclose(alone[0], whole[row], atol=1e-6)


def test_vectors_that_cancel_out_stay_finite():
    found = joined({"a": torch.tensor([[1.0, 0.0]]), "b": torch.tensor([[-1.0, 0.0]])})
    assert found.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["foto"], "unknown input 'foto'. Did you mean 'photo'? There are: photo."),
        (["note"], "input 'note' is not aligned with others in this run. Aligned: photo."),
        ([], "a vector needs an input to be made from; got none. There are: photo."),
    ],
)
def test_inputs_that_a_vector_cannot_be_made_from(make, colours, inputs, message):
    with pytest.raises(ConfigError) as error:
        make(aligns=["photo"]).embed(colours, inputs)
    assert str(error.value) == message
