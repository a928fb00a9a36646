"""Hand-made features of an input, and linear models on them: the floor that a network must beat."""

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

from sensorium.encoders.mfcc import MFCC

__all__ = ["fit_linear", "hand_made"]


def hand_made(reader: Any, train: Sequence[Any], other: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Classical features of one input for training rows and others: two arrays (rows, features).

    Text: TF-IDF of tokens and pairs. Pictures: PCA of 24x24 pixels. Clips: the same of the mean picture and of the mean
    change. Motion: its extent and its course in thirds of the time, on 4x4 cells; bytes; the mean picture in 8x8 pixels.
    Sound: means and deviations of 20 MFCC and their changes. Columns: numbers, and one column a category.
    A missing input is a row of zeros and a last feature that says so.
    """
    if reader.modality == "text":
        vectorizer = TfidfVectorizer(
            analyzer=_pairs, min_df=2 if len(train) > 50 else 1, sublinear_tf=True, max_features=20_000
        )
        try:
            first = vectorizer.fit_transform([[] if ids is None else ids for ids in train])
        except ValueError:  # no token occurs often enough
            return np.zeros((len(train), 1)), np.zeros((len(other), 1))
        return first, vectorizer.transform([[] if ids is None else ids for ids in other])
    make = {
        "image": _image,
        "video": _video,
        "motion": _motion,
        "audio": _audio,
        "tabular": _tabular,
        "vector": _vector,
    }[reader.modality]
    both = [make(reader, rows) for rows in (train, other)]
    there = [np.array([row is not None for row in rows], dtype=float)[:, None] for rows in (train, other)]
    if reader.modality in {"image", "video"} and min(both[0].shape) > 64:
        pca = PCA(64, svd_solver="randomized", random_state=0).fit(both[0])
        both = [pca.transform(part) for part in both]
    scaler = StandardScaler().fit(both[0])
    return tuple(np.hstack([scaler.transform(part) * known, known]) for part, known in zip(both, there, strict=True))


def fit_linear(task: str, features: Any, target: np.ndarray) -> Any:
    """Logistic regression, or ridge regression for numbers, fitted."""
    if task == "regression":
        return Ridge(alpha=10.0).fit(features, target)
    # Rows of TF-IDF have length 1, in which a slope must be steep to mean anything.
    model = LogisticRegression(C=30.0 if sparse.issparse(features) else 1.0, max_iter=300, tol=1e-3)
    if task == "multilabel":
        model = OneVsRestClassifier(model)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Label .* is present in all training examples")  # or in none: no mistake
        return make_pipeline(model).fit(features, target if task == "multilabel" else target.astype(int))


def _pairs(ids: Sequence[int]) -> list[str]:
    """A text's tokens and pairs of neighbours, as the words of TF-IDF."""
    ids = [str(i) for i in ids]
    return [*ids, *map(" ".join, itertools.pairwise(ids))]


def _small(pictures: np.ndarray) -> np.ndarray:
    """Pictures (N, 3, H, W) as (N, 3 * 24 * 24)."""
    values = torch.from_numpy(pictures).float() / 255
    return F.interpolate(values, (24, 24), mode="area").flatten(1).numpy()


def _each(rows: Sequence[Any], size: int, make: Any) -> np.ndarray:
    out = np.zeros((len(rows), size), dtype=np.float32)
    for i, files in enumerate(rows):
        if files is not None:
            out[i] = np.mean([make(file) for file in files], axis=0)
    return out


def _image(reader: Any, rows: Sequence[Any]) -> np.ndarray:
    return _each(rows, 3 * 24 * 24, lambda file: _small(file[None])[0])


def _video(reader: Any, rows: Sequence[Any]) -> np.ndarray:
    def make(file: np.ndarray) -> np.ndarray:
        frames = _small(file)  # (T, 1728)
        change = np.abs(np.diff(frames, axis=0)).mean(0) if len(frames) > 1 else np.zeros_like(frames[0])
        return np.concatenate([frames.mean(0), change])

    return _each(rows, 2 * 3 * 24 * 24, make)


def _motion(reader: Any, rows: Sequence[Any]) -> np.ndarray:
    def make(file: np.ndarray) -> np.ndarray:
        field, sizes, pictures = map(torch.from_numpy, reader.parts(file))
        small = F.interpolate(torch.asinh(200 * field[:, :2]), (4, 4), mode="area").flatten(1)  # (steps, 32)
        thirds = F.interpolate(small.T[None], 3, mode="area")[0]  # (32, 3)
        parts = [small.abs().mean(0), thirds.flatten(), sizes]
        if len(pictures):
            parts.append(F.interpolate(pictures, (8, 8), mode="area").mean(0).flatten())
        return torch.cat(parts).numpy()

    pictures = 3 * 8 * 8 if reader.options["pictures"] else 0
    return _each(rows, 4 * 32 + reader.options["steps"] + pictures, make)


def _audio(reader: Any, rows: Sequence[Any]) -> np.ndarray:
    mfcc = MFCC(sample_rate=reader.options["sample_rate"], n_mfcc=20)

    def make(wave: np.ndarray) -> np.ndarray:
        values = torch.from_numpy(wave)[None]
        frames, real = mfcc(values, torch.ones_like(values, dtype=torch.bool))
        frames = frames[real].numpy()  # (T, 20)
        change = np.diff(frames, axis=0) if len(frames) > 1 else np.zeros_like(frames)
        return np.concatenate([frames.mean(0), frames.std(0), change.mean(0), change.std(0)])

    return _each(rows, 80, make)


def _tabular(reader: Any, rows: Sequence[Any]) -> np.ndarray:
    values, mask = reader.collate(rows)
    numbers = np.where(mask[:, : reader.numeric], values[:, : reader.numeric], 0).clip(-10, 10)
    parts = [numbers, mask[:, : reader.numeric].astype(np.float32)]
    for place, count in enumerate(reader.sizes, start=reader.numeric):
        codes = np.where(mask[:, place], values[:, place], 0).astype(int)
        parts.append(np.eye(count + 1, dtype=np.float32)[codes])
    return np.hstack(parts)


def _vector(reader: Any, rows: Sequence[Any]) -> np.ndarray:
    return reader.collate(rows)[0].clip(-10, 10)
