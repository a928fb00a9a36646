"""Hand-made features against scikit-learn, librosa and NumPy; linear models against their closed form."""

import librosa
import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sensorium.baselines.linear import fit_linear, hand_made
from sensorium.data.media_readers import AudioReader, ImageReader, VideoReader
from sensorium.data.tabular import TabularReader, VectorReader
from sensorium.data.text import TextReader


@pytest.fixture
def random():
    return np.random.default_rng(0)


def pixels(random, *shape):
    return random.integers(0, 256, shape, dtype=np.uint8)


def small(picture):
    """A 48 x 48 picture (3, 48, 48) as the means of its 2 x 2 squares, in 0..1."""
    return picture.reshape(3, 24, 2, 24, 2).mean((2, 4)).ravel() / 255


def standardised(train, other):
    scaler = StandardScaler().fit(train)
    return [scaler.transform(part) for part in (train, other)]


def test_a_texts_features_are_tf_idf_of_tokens_and_pairs(random):
    train = [random.integers(2, 12, random.integers(1, 9)) for _ in range(60)]
    other = [np.array([2, 3, 3, 99]), None]
    words = [" ".join(map(str, ids)) for ids in train]
    reference = TfidfVectorizer(token_pattern=r"\d+", ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit(words)
    found = hand_made(TextReader("x"), train, other)
    expected = [reference.transform(words), reference.transform(["2 3 3 99", ""])]
    for part, wanted in zip(found, expected, strict=True):
        assert sparse.issparse(part)
        np.testing.assert_allclose(np.sort(part.toarray()), np.sort(wanted.toarray()))  # columns in any order
    assert found[1].toarray()[1].sum() == 0


def test_texts_without_a_token_that_occurs_twice_give_nothing():
    train = [np.array([word]) for word in range(2, 62)]
    first, second = hand_made(TextReader("x"), train, [None])
    assert (first.shape, second.shape) == ((60, 1), (1, 1))
    assert not first.any()
    assert not second.any()


def test_a_pictures_features_are_its_pixels_at_24_by_24(random):
    train = [[pixels(random, 3, 48, 48)] for _ in range(10)]
    other = [[pixels(random, 3, 48, 48)], None]
    found = hand_made(ImageReader("x", size=(48, 48)), train, other)
    expected = standardised(*[[small(f[0]) if f else np.zeros(1728) for f in part] for part in (train, other)])
    np.testing.assert_allclose(found[0][:, :-1], expected[0], atol=1e-3)
    np.testing.assert_allclose(found[1][0, :-1], expected[1][0], atol=1e-3)
    assert found[0][:, -1].tolist() == [1] * 10
    assert found[1][0, -1] == 1
    assert not found[1][1].any()  # a missing input


def test_of_many_pictures_the_main_64_directions_are_kept(random):
    directions = np.linalg.qr(random.normal(size=(1728, 80)))[0].T * np.geomspace(300, 30, 80)[:, None]
    train = [[np.clip(128 + random.normal(size=80) @ directions, 0, 255).reshape(3, 24, 24).astype(np.uint8)]
             for _ in range(100)]  # fmt: skip
    found = hand_made(ImageReader("x", size=(24, 24)), train, train[:7])
    raw = np.array([row[0].ravel() / 255 for row in train])
    expected = StandardScaler().fit_transform(PCA(64, svd_solver="full").fit_transform(raw))
    assert found[0].shape == (100, 65)
    np.testing.assert_allclose(found[0][:7], found[1], atol=1e-4)
    # The first directions are the same but for their sign; the last ones are told apart by the exact method alone.
    np.testing.assert_allclose(np.abs(found[0][:, :20]), np.abs(expected[:, :20]), atol=0.05)


def test_several_pictures_in_a_cell_are_averaged(random):
    files = [pixels(random, 3, 24, 24) for _ in range(4)]
    train = [[files[0]], [files[1], files[2]], [files[3]]]
    found = hand_made(ImageReader("x", bag=2, size=(24, 24)), train, [[files[2], files[1]]])
    flat = np.array([f.ravel() / 255 for f in files])
    expected, _ = standardised([flat[0], flat[1:3].mean(0), flat[3]], [flat[0]])
    np.testing.assert_allclose(found[0][:, :-1], expected, atol=1e-3)
    np.testing.assert_allclose(found[1][0], found[0][1], atol=1e-6)


def test_a_clips_features_are_its_mean_picture_and_mean_change(random):
    train = [[pixels(random, 5, 3, 48, 48)] for _ in range(6)] + [[pixels(random, 1, 3, 48, 48)]]
    found, _ = hand_made(VideoReader("x", frames=5, size=(48, 48)), train, [None])

    def features(clip):
        frames = np.array([small(frame) for frame in clip])
        change = np.abs(np.diff(frames, axis=0)).mean(0) if len(frames) > 1 else np.zeros(1728)
        return np.r_[frames.mean(0), change]

    expected, _ = standardised([features(row[0]) for row in train], [np.zeros(3456)])
    np.testing.assert_allclose(found[:, :-1], expected, atol=2e-3)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_recordings_features_are_statistics_of_librosas_mfcc(random, rate):
    waves = [random.normal(size=rate // 2).astype(np.float32) * np.geomspace(1, 0.01, rate // 2, dtype=np.float32)
             for _ in range(5)]  # fmt: skip

    def features(wave):
        hop, n_fft = rate // 100, 2 ** int(np.ceil(np.log2(0.025 * rate)))
        mfcc = librosa.feature.mfcc(y=wave, sr=rate, n_mfcc=20, n_fft=n_fft, hop_length=hop, n_mels=64)
        frames = mfcc.T[: len(range(0, len(wave), hop))]  # librosa's last frame is centred after the end
        change = np.diff(frames, axis=0)
        return np.concatenate([frames.mean(0), frames.std(0), change.mean(0), change.std(0)])

    found = hand_made(AudioReader("x", sample_rate=rate, seconds=None), [[w] for w in waves], [[waves[0]], None])
    expected, _ = standardised([features(wave) for wave in waves], [np.zeros(80)])
    np.testing.assert_allclose(found[0][:, :-1], expected, atol=0.02)
    np.testing.assert_allclose(found[1][0], found[0][0], atol=1e-4)
    assert not found[1][1].any()


def test_a_recording_of_one_frame_has_no_change():
    waves = [[np.full(40, level, dtype=np.float32)] for level in (0.1, 0.2, 0.5)]
    found, _ = hand_made(AudioReader("x", sample_rate=8000, seconds=None), waves, [None])
    assert np.isfinite(found).all()
    assert not found[:, 20:80].any()


def test_columns_are_numbers_and_a_column_a_category():
    reader = TabularReader({"n": "numeric", "c": "categorical"})
    reader.fit([("1", "a"), ("3", "b"), ("", "a"), ("5", ""), ("", "")])
    # What it reads: the number, then the category's place from 1, 0 for one never seen; NaN where a cell is empty.
    rows = [np.array(row, dtype=np.float32) for row in [(-1, 1), (0, 2), (np.nan, 1), (1, np.nan)]]
    found, new = hand_made(reader, [*rows, None], [np.array([0, 0], dtype=np.float32)])
    number, there = [-1, 0, 0, 1, 0], [1, 1, 0, 1, 0]
    code = np.eye(3)[[1, 2, 1, 0, 0]]  # none of them, a, b
    expected, _ = standardised(np.c_[number, there, code], np.zeros((1, 5)))
    known = np.array([[1], [1], [1], [1], [0]])
    np.testing.assert_allclose(found, np.c_[expected * known, known], atol=1e-6)
    assert new[0, -1] == 1
    np.testing.assert_allclose(new[0, 2:5], found[3, 2:5])  # a category never seen is as none


def test_vectors_are_their_standardised_numbers(random):
    values = random.normal(5, 3, (20, 4)).astype(np.float32)
    reader = VectorReader("x")
    reader.fit([(row,) for row in values])
    far = np.array([1e6, -1e6, 0, 0], dtype=np.float32)  # one such number must not outweigh all else
    found, other = hand_made(reader, list(values), [None, far])
    expected, clipped = standardised(values.clip(-10, 10), [[10, -10, 0, 0]])
    np.testing.assert_allclose(found, np.c_[expected, np.ones(20)], atol=1e-5)
    np.testing.assert_allclose(other, [[0] * 5, [*clipped[0], 1]], atol=1e-5)


def test_ridge_regression_is_its_closed_form(random):
    features, target = random.normal(size=(30, 4)), random.normal(size=30)
    x, y = features - features.mean(0), target - target.mean()
    slope = np.linalg.solve(x.T @ x + 10 * np.eye(4), x.T @ y)
    expected = target.mean() + (features - features.mean(0)) @ slope
    np.testing.assert_allclose(fit_linear("regression", features, target).predict(features), expected)


@pytest.mark.parametrize(("make", "strength"), [(np.asarray, 1.0), (sparse.csr_array, 30.0)])
def test_logistic_regression_has_no_gradient_left(random, make, strength):
    features = random.normal(size=(80, 3))
    target = (features[:, 0] + random.normal(size=80) > 0).astype(float)
    model = fit_linear("binary", make(features), target)
    assert model.classes_.tolist() == [0, 1]
    wrong = model.predict_proba(make(features))[:, 1] - target
    slope = model[-1].coef_[0]
    # The gradient of sum(loss) + |slope|^2 / (2 C); at no slope it is some 20.
    np.testing.assert_allclose(features.T @ wrong + slope / strength, 0, atol=0.2)
    assert wrong.sum() == pytest.approx(0, abs=0.2)


def test_several_classes_have_one_model(random):
    features, target = random.normal(size=(90, 3)), np.repeat([0, 1, 2], 30)
    features[np.arange(90), target] += 2
    expected = LogisticRegression(C=1.0, max_iter=300, tol=1e-3).fit(features, target).predict_proba(features)
    np.testing.assert_allclose(fit_linear("classification", features, target).predict_proba(features), expected)


def test_each_label_has_a_model_of_its_own_and_one_that_never_changes_no_warning(random):
    features = random.normal(size=(80, 3))
    target = np.c_[features[:, 0] > 0, features[:, 1] > 0.5, np.ones(80), np.zeros(80)].astype(np.float32)
    found = fit_linear("multilabel", features, target).predict_proba(features)
    for label in (0, 1):
        alone = fit_linear("binary", features, target[:, label]).predict_proba(features)[:, 1]
        np.testing.assert_allclose(found[:, label], alone, atol=1e-6)
    assert found[:, 2:].tolist() == [[1, 0]] * 80
