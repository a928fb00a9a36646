"""Classes that are only described."""

import numpy as np
import pytest

from sensorium.errors import ConfigError, DataError
from sensorium.search.zero_shot import read_classes


def test_probabilities_are_the_softmax_of_cosines_over_the_temperature(make, colours):
    predictor = make()
    classes = {"warm": ["red", "yellow"], "cold": "blue"}
    found = predictor.zero_shot(colours, classes, inputs=["photo"])
    warm = np.array([1, 0, 0]) + np.array([1, 1, 0]) / np.sqrt(2)  # the mean of unit vectors, but for its length
    means = np.stack([warm / np.linalg.norm(warm), np.array([0, 0, 1])])
    logits = 10 * predictor.embed(colours, ["photo"]).astype(np.float64) @ means.T  # the temperature is 0.1
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(found.to_numpy(), expected, atol=1e-5)
    assert list(found.columns) == ["warm", "cold"]
    assert found.iloc[4].tolist() == [0.5, 0.5]  # nothing is there


def test_a_lower_temperature_is_surer(make, colours):
    predictor, classes = make(), {"red": "red", "blue": "blue"}
    usual = predictor.zero_shot(colours, classes, ["photo"])["red"][0]
    surer = predictor.zero_shot(colours, classes, ["photo"], temperature=0.01)["red"][0]
    assert 0.5 < usual < surer


def test_of_several_texts_one_is_named(make, colours):
    predictor, classes = make(notes=("note", "title")), {"red": "red", "blue": "blue"}
    with pytest.raises(ConfigError) as error:
        predictor.zero_shot(colours, classes)
    assert str(error.value) == ("the run reads several texts: note, title. Say which one describes classes (--text).")
    found = predictor.zero_shot(colours, classes, ["photo"], text="title")
    np.testing.assert_allclose(found, make().zero_shot(colours, classes, ["photo"]), atol=1e-6)
    with pytest.raises(
        ConfigError, match=r"'photo' must be an aligned text input; got one of another kind. There are: note, title."
    ):
        predictor.zero_shot(colours, classes, text="photo")


def test_a_run_that_aligns_nothing_or_reads_no_text_is_refused(make, colours):
    classes = {"red": "red", "blue": "blue"}
    with pytest.raises(
        ConfigError, match="the run does not align its inputs, so that descriptions of classes can't be"
    ):
        make(aligned=False).zero_shot(colours, classes)
    with pytest.raises(
        ConfigError, match=r"the run reads no text to describe classes by; its aligned inputs are photo."
    ):
        make(aligns=["photo"]).zero_shot(colours, classes)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"red": "red"}, "classes must be two or more, each with its texts; got 1."),
        (["red", "blue"], "classes must be two or more, each with its texts; got list."),
        ({"red": [], "blue": "blue"}, "class 'red' must have a text, or a list of texts; got []."),
        ({"red": 1, "blue": "blue"}, "class 'red' must have a text, or a list of texts; got 1."),
        ({"red": "red", "blue": ["blue", " "]}, "class 'blue' has an empty text. Say what a row of it is like."),
    ],
)
def test_classes_that_are_not_described(make, colours, classes, message):
    with pytest.raises(ConfigError) as error:
        make().zero_shot(colours, classes)
    assert str(error.value) == message


def test_a_temperature_must_be_above_0(make, colours):
    with pytest.raises(ConfigError, match=r"temperature must be above 0; got 0."):
        make().zero_shot(colours, {"red": "red", "blue": "blue"}, temperature=0)


def test_classes_of_a_file_stay_words(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text("no: [nothing there, empty]\n01: one\n")
    assert read_classes(path) == {"no": ["nothing there", "empty"], "01": "one"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- red\n- blue\n", "must hold a class and its texts a line, such as 'cat: \\[a photo of a cat\\]'."),
        ("red: [", "is no YAML: while parsing a flow node"),
        ("a: !!python/object/apply:os.system [x]\nb: c", None),
    ],
)
def test_files_that_hold_no_classes(tmp_path, text, message):
    path = tmp_path / "classes.yaml"
    path.write_text(text)
    if message is None:  # a tag runs nothing: it is words like all else
        assert read_classes(path) == {"a": ["x"], "b": "c"}
        return
    with pytest.raises(DataError, match=message):
        read_classes(path)
    with pytest.raises(DataError, match=r"cannot read .*gone.yaml: No such file or directory."):
        read_classes(tmp_path / "gone.yaml")
