"""What is searched for."""

import numpy as np
import pytest

from sensorium.errors import ConfigError, DataError
from sensorium.search.query import choose_inputs, query_vector


def test_a_query_is_a_row_of_its_cells_alone(make, colours):
    predictor = make()
    rows = predictor.embed(colours)
    photos = predictor.embed(colours, ["photo"])
    said = []
    np.testing.assert_array_equal(query_vector(predictor, {"photo": colours.parent / "1.png"}, said.append), photos[1])
    both = query_vector(predictor, {"note": "green", "photo": str(colours.parent / "1.png")}, said.append)
    np.testing.assert_allclose(both, rows[1], atol=1e-6)
    array = np.zeros((6, 6, 3), dtype=np.uint8)
    array[..., 0] = 255
    np.testing.assert_allclose(query_vector(predictor, {"photo": array}, said.append), [1, 0, 0], atol=1e-6)
    assert said == []


def test_what_is_cut_is_told(make):
    predictor, said = make(), []
    predictor.readers["note"].max_tokens = 2
    query_vector(predictor, {"note": "red red red"}, said.append)
    assert said == ["the query for 'note': the text has 3 tokens, more than 2."]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"note": "  "}, "the query for 'note' is empty. Give it something to search by."),
        ({"photo": None}, "the query for 'photo' is empty. Give it something to search by."),
        ({"photo": "gone.png"}, "the query for 'photo': cannot read gone.png as image: no such file."),
        ({"photo": "https://a.example/b.png"}, "the query for 'photo': cannot read https://a.example/b.png as image: it is a URL; only local files are read."),
        ({"photo": np.zeros((2, 2, 2, 2))}, "the query for 'photo': cannot read ndarray in memory as image: a picture must be (H, W), (H, W, 3 or 4) or (3, H, W); got (2, 2, 2, 2)."),
    ],
)  # fmt: skip
def test_cells_that_cannot_be_searched_by(make, query, message):
    with pytest.raises(DataError) as error:
        query_vector(make(), query, lambda _: None)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"foto": "1.png"}, "unknown input 'foto'. Did you mean 'photo'? There are: note, photo, small."),
        ({}, "a vector needs an input to be made from; got none. There are: photo, small, note."),
        (
            {"photo": "1.png", "small": "2.png"},
            "two inputs of the query read column 'photo': search by one of them alone.",
        ),
    ],
)
def test_queries_that_no_row_could_be(make, query, message):
    with pytest.raises(ConfigError) as error:
        query_vector(make(photos=("photo", "small")), query, lambda _: None)
    assert str(error.value) == message


def test_which_input_a_file_is_for(make):
    config = make().config
    assert choose_inputs(config, {"image": ["q.png"], "text": ["a=b"]}) == {"photo": "q.png", "note": "a=b"}
    assert choose_inputs(config, {"image": ["photo=q=1.png"]}) == {"photo": "q=1.png"}
    two = make(photos=("front", "back")).config
    assert choose_inputs(two, {"image": ["back=q.png", "front=p.png"]}) == {"back": "q.png", "front": "p.png"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"audio": ["q.wav"]}, "the run reads no audio to search by. Its inputs: front (image), back (image), note (text)."),
        ({"image": ["q.png"]}, "the run has 2 inputs of image: front, back. Say which one is meant: --image front=..."),
        ({"image": ["left=q.png"]}, "the run has 2 inputs of image: front, back. Say which one is meant: --image front=..."),
        ({"text": ["red", "blue"]}, "input 'note' is given twice; a query holds one text for it."),
    ],
)  # fmt: skip
def test_files_that_are_for_no_input(make, asked, message):
    with pytest.raises(ConfigError) as error:
        choose_inputs(make(photos=("front", "back")).config, asked)
    assert str(error.value) == message
