"""Features of every input of a table against scikit-learn's, and what each row's depend on."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import StandardScaler

from sensorium.baselines.descriptors import Clips, Motion, Pictures, Sounds
from sensorium.baselines.handmade import HandMade, together
from sensorium.data.batches import Rows
from sensorium.data.media_readers import AudioReader, ImageReader, MotionReader, VideoReader
from sensorium.data.table import read_table
from sensorium.data.tabular import TabularReader, VectorReader
from sensorium.data.text import TextReader
from sensorium.encoders.features import Input

N = 70
MOTION = {"steps": 4, "grid": 4, "pictures": 1, "size": (8, 8)}


class Given:
    """Rows of inputs that are there already."""

    def __init__(self, **inputs):
        self.inputs = {name: Input(*given) for name, given in inputs.items()}

    def batches(self, size, places):
        for start in range(0, len(places), size):
            chosen = torch.as_tensor(np.asarray(places)[start : start + size])
            yield SimpleNamespace(inputs={name: Input(v[chosen], m[chosen]) for name, (v, m, _) in self.inputs.items()})


def readers():
    return {
        "photo": ImageReader("photo", size=(16, 16)),
        "bag": ImageReader("bag", bag=2, size=(16, 16)),
        "clip": VideoReader("clip", frames=4, size=(16, 16)),
        "call": AudioReader("call", sample_rate=8000, seconds=None),
        "note": TextReader("note", vocabulary=300),
        "pose": VectorReader("pose"),
        "columns": TabularReader({"age": "numeric", "shop": "categorical"}),
    }


@pytest.fixture(scope="module")
def rows():
    """Of every modality, each missing from other rows."""
    random = np.random.default_rng(0)

    def picture(*more):
        return random.integers(0, 256, (*more, 16, 16, 3), dtype=np.uint8)

    waves = [(random.normal(size=800 + 10 * i).astype(np.float32), 8000) for i in range(N)]
    raw = {
        "photo": [None if i % 5 == 0 else picture() for i in range(N)],
        "bag": [[picture() for _ in range(i % 3)] for i in range(N)],
        "clip": [None if i % 7 == 0 else picture(4) for i in range(N)],
        "call": [None if i % 4 == 0 else wave for i, wave in enumerate(waves)],
        "note": ["" if i % 6 == 0 else f"a day {i % 3} of {i % 4}" for i in range(N)],
        "pose": [None if i % 3 == 0 else random.normal(size=4) for i in range(N)],
        "age": [None if i % 2 == 0 else float(i) for i in range(N)],
        "shop": [None if i % 4 == 0 else "nsw"[i % 3] for i in range(N)],
    }
    table, given = read_table(raw), readers()
    for reader in given.values():
        reader.fit(table.rows(reader.columns))
    found = Rows(table, given, memory=2**22)
    assert found.problems.lines() == []
    return found


@pytest.fixture(scope="module")
def made(rows):
    found = HandMade(rows.readers)
    found.fit(rows, np.arange(N))
    return found.eval()


def motion(random, count):
    values = torch.from_numpy(random.random((count, *MotionReader("m", **MOTION).shape)).astype(np.float16))
    return values, torch.ones(count, dtype=torch.bool)


DESCRIBED = {"photo": (Pictures(), 0.5), "clip": (Clips(), 0.5), "call": (Sounds(8000), 1.0)}


@pytest.mark.parametrize("name", DESCRIBED)
def test_features_are_standardised_and_of_a_mean_squared_length(rows, made, name):
    describe, length = DESCRIBED[name]
    inputs = rows.batch(range(N)).inputs
    there = inputs[name].mask.reshape(N, -1).any(1)
    raw = describe(inputs[name].values[there], inputs[name].mask[there]).numpy()
    expected = StandardScaler().fit_transform(raw.astype(np.float64))
    expected *= length / np.sqrt(np.square(expected).sum(1).mean())
    found = made(inputs)[name]
    np.testing.assert_allclose(found[there][:, :-1], expected, atol=1e-3)
    assert found[there][:, -1].unique().tolist() == [length]
    assert not found[~there].any()
    assert found[there][:, :-1].square().sum(1).mean().item() == pytest.approx(length**2, rel=1e-4)


def test_motion_is_one_of_them():
    random = np.random.default_rng(1)
    given = Given(m=motion(random, 30))
    made = HandMade({"m": MotionReader("m", **MOTION)})
    made.fit(given, np.arange(30))
    expected = StandardScaler().fit_transform(Motion(**MOTION)(*given.inputs["m"][:2]).double().numpy())
    expected /= np.sqrt(np.square(expected).sum(1).mean())
    found = made(given.inputs)["m"]
    np.testing.assert_allclose(found[:, :-1], expected, atol=1e-3)
    assert found[:, -1].tolist() == [1] * 30


def test_a_text_is_tf_idf_alone(rows, made):
    reader, found = rows.readers["note"], made(rows.batch(range(N)).inputs)["note"].numpy()
    ids = [[] if item is None else item for item in rows.items("note", range(N))]
    words = [" ".join(map(str, row)) for row in ids]
    reference = TfidfVectorizer(token_pattern=r"\d+", ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    expected = reference.fit_transform(words).toarray()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-6)
    assert not found[::6].any()
    assert reader.vocabulary > 2


def test_of_many_features_the_main_256_directions_are_kept():
    random = np.random.default_rng(2)
    turns = np.linalg.qr(random.normal(size=(320, 320)))[0]
    values = random.normal(size=(400, 320)) * np.geomspace(10, 0.1, 320) @ turns
    reader = VectorReader("a")
    reader.fit([(row,) for row in values])
    given = Given(a=(torch.tensor((values - reader.mean) / reader.scale).float(), torch.ones(400, dtype=torch.bool)))
    made = HandMade({"a": reader})
    made.fit(given, np.arange(400))
    found = made(given.inputs)["a"].numpy()
    standard = StandardScaler().fit_transform(given.inputs["a"].values.double().numpy())
    expected = PCA(256, svd_solver="full").fit_transform(standard)
    expected /= np.sqrt(np.square(expected).sum(1).mean())
    assert found.shape == (400, 257)
    assert np.square(found[:, :-1]).sum(1).mean() == pytest.approx(1, rel=1e-4)
    # Each direction may be turned round; all of them span the same space, in which rows are where they were.
    np.testing.assert_allclose(np.abs(found[:, :20]), np.abs(expected[:, :20]), atol=2e-3)
    np.testing.assert_allclose(found[:, :-1] @ found[:, :-1].T, expected @ expected.T, atol=5e-3)
    again = HandMade({"a": reader})
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    again.fit(given, np.arange(400))
    np.testing.assert_array_equal(again(given.inputs)["a"].numpy(), found)  # whatever chance was before
    assert torch.equal(torch.random.get_rng_state(), before)  # and what comes after is left as it was


def test_files_of_a_cell_are_averaged_and_missing_ones_left_out(rows, made):
    values, mask, _ = rows.batch(range(N)).inputs["bag"]
    assert values.shape == (N, 2, 3, 16, 16)
    raw = np.zeros((N, 2020))
    for row in range(N):
        if row % 3:
            files = values[row, : row % 3]
            raw[row] = Pictures()(files, torch.ones(len(files), dtype=torch.bool)).double().numpy().mean(0)
    there = mask.any(1).numpy()
    expected = StandardScaler().fit_transform(raw[there])
    expected *= 0.5 / np.sqrt(np.square(expected).sum(1).mean())
    found = made({"bag": Input(values, mask)})["bag"]
    np.testing.assert_allclose(found[there][:, :-1], expected, atol=1e-3)
    assert not found[~there].any()
    one, two = torch.tensor([[True, False]]), torch.tensor([[False, True]])
    swapped = values[2:3].flip(1)
    torch.testing.assert_close(made({"bag": Input(values[2:3], one)}), made({"bag": Input(swapped, two)}))


def test_a_row_alone_is_the_row_in_a_batch(rows, made):
    together = made(rows.batch(range(N)).inputs)
    assert list(together) == list(rows.readers)
    for row in (0, 1, 2, 15, 28, 42, 69):  # row 0 has nothing at all
        alone = made(rows.batch([row]).inputs)
        for name, features in alone.items():
            assert features.shape == (1, made.parts[made.groups.index(name)].size)
            torch.testing.assert_close(features[0], together[name][row], atol=2e-4, rtol=0)
    assert not any(features[0].any() for features in together.values())


@pytest.mark.parametrize("name", list(readers()))
def test_what_is_missing_is_zeros_and_changes_no_other(rows, made, name):
    inputs = rows.batch(range(20)).inputs
    whole = made(inputs)
    values = inputs[name].values
    broken = values.masked_fill(torch.tensor(True), float("nan")) if values.is_floating_point() else values
    masked = made(inputs | {name: Input(broken, torch.zeros_like(inputs[name].mask))})
    left_out = made({other: given for other, given in inputs.items() if other != name})
    for other in whole:
        expected = torch.zeros_like(whole[other]) if other == name else whole[other]
        assert torch.equal(masked[other], expected)
        assert torch.equal(left_out[other], expected)


def test_matrices_are_the_features_of_the_rows_asked_for(rows, made):
    places = np.array([3, 69, 1, 1])
    found, expected = made.matrix(rows, places), made(rows.batch(places).inputs)
    for name, features in found.items():
        assert sparse.issparse(features) == (name == "note") == made.is_text(name)
        dense = features.toarray() if sparse.issparse(features) else features
        np.testing.assert_allclose(dense, expected[name], atol=2e-4)


def test_only_the_rows_given_are_learned_from(rows):
    places = np.arange(1, 40)
    part, changed = HandMade(rows.readers), HandMade(rows.readers)
    part.fit(rows, places)
    changed.fit(Rows(rows.table.take(places), rows.readers, memory=2**22), np.arange(len(places)))
    for name, value in part.state_dict().items():
        torch.testing.assert_close(changed.state_dict()[name], value)


def test_an_input_that_no_training_row_had_is_zeros_later(rows):
    places = np.arange(0, N, 60)  # 0, 60: no photo, no clip, no call, no note, no pose
    made = HandMade(rows.readers)
    made.fit(rows, places)
    found = made(rows.batch(range(N)).inputs)
    for name in ("photo", "call", "note", "pose"):
        assert found[name].shape == (N, 1)
        assert not found[name].any()
    again = HandMade(rows.readers)
    again.load_state_dict(made.state_dict())
    for name, features in again(rows.batch(range(N)).inputs).items():
        assert torch.equal(features, found[name])


def test_one_row_and_what_never_varies_give_no_more_than_that_it_is_there(rows):
    made = HandMade(rows.readers)
    made.fit(rows, np.array([17]))
    for name, features in made(rows.batch([17, 19, 0]).inputs).items():
        assert features.isfinite().all()
        if name != "note":
            assert not features[:, :-1].any()
            assert features[0, -1] > 0


def test_rounding_is_no_deviation():
    """Where a feature is the same in all rows but for its last digits, those must not be blown up."""
    reader = VectorReader("a", 2)
    values = torch.stack([torch.full((50,), 8.0), torch.linspace(-1, 1, 50)], 1)
    values[::2, 0] += 8e-7
    given = Given(a=(values, torch.ones(50, dtype=torch.bool)))
    assert values[:, 0].std() > 0
    made = HandMade({"a": reader})
    made.fit(given, np.arange(50))
    assert not made(given.inputs)["a"][:, 0].any()
    assert made(given.inputs)["a"][:, 1].std() > 0.5


def test_a_state_goes_into_new_ones_and_copies_are_equal(rows, made):
    inputs = rows.batch(range(20)).inputs
    expected, other = made(inputs), HandMade(rows.readers)
    other.load_state_dict(made.state_dict())
    for again in (other, copy.deepcopy(made)):
        for name, features in again(inputs).items():
            assert torch.equal(features, expected[name])
    assert not list(made.parameters())


def test_side_by_side():
    dense, text = np.array([[1.0, 2.0], [0.0, 3.0]]), sparse.csr_array(np.array([[0.0, 5.0], [6.0, 0.0]]))
    assert together([dense, dense[:, :1]]).tolist() == [[1, 2, 1], [0, 3, 0]]
    both = together([dense, text])
    assert sparse.issparse(both)
    assert both.toarray().tolist() == [[1, 2, 0, 5], [0, 3, 6, 0]]
