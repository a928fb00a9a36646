"""One side of article.py: trains the article's network on arrays of a folder, an epoch a turn; Keras' or sensorium's.

It waits for a line before each epoch, and writes one of JSON after it: what the epoch took. Run by article.py.
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


class Turns:
    """The seconds of this process, on the wall and of its processors, while it is its turn."""

    def __init__(self) -> None:
        print(json.dumps({"ready": True}), flush=True)
        self._wait()

    def _wait(self) -> None:
        if not sys.stdin.readline():
            sys.exit(1)  # who asked has gone
        self.began = self.epoch = (time.perf_counter(), time.process_time())

    def epoch_begins(self) -> None:
        self.epoch = (time.perf_counter(), time.process_time())

    def epoch_trained(self) -> None:
        """All steps are done; what follows is validation."""
        self.steps = [
            now - then for now, then in zip((time.perf_counter(), time.process_time()), self.epoch, strict=True)
        ]

    def epoch_ends(self, rows: int, accuracy: float, last: bool) -> None:
        turn, cpu = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
        told = {
            "rows": rows, "seconds": self.steps[0], "cpu": self.steps[1], "turn": turn, "turn_cpu": cpu,
            "accuracy": accuracy, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        }  # fmt: skip
        print(json.dumps(told), flush=True)
        if last:
            os._exit(0)  # what comes after the training is not asked for
        self._wait()


def keras_side(rows: dict[str, np.ndarray], epochs: int, threads: int) -> None:
    """The article's program, written as its Keras would have it."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf
    from keras import layers

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    side = rows["image"].shape[1]
    image, text, audio = keras.Input((side, side, 3)), keras.Input((100,)), keras.Input((128,))
    x = layers.Conv2D(32, (3, 3), activation="relu")(image)
    x = layers.MaxPooling2D((2, 2))(x)
    x = layers.Conv2D(64, (3, 3), activation="relu")(x)
    x = layers.MaxPooling2D((2, 2))(x)
    x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    parts = [x, layers.Dense(64, activation="relu")(text), layers.Dense(64, activation="relu")(audio)]
    x = layers.Dense(128, activation="relu")(layers.concatenate(parts))
    model = keras.Model([image, text, audio], layers.Dense(1, activation="sigmoid")(x))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    count = len(rows["label"])
    turns = Turns()

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            turns.epoch_begins()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            turns.epoch_trained()  # the last one's counts

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            turns.epoch_ends(count - count // 5, float(logs["accuracy"]), epoch + 1 == epochs)

    given = [rows[name] for name in ("image", "text", "audio")]
    model.fit(
        given, rows["label"], epochs=epochs, batch_size=32, validation_split=0.2, callbacks=[Watch()], verbose=0
    )  # fmt: skip


def sensorium_side(rows: dict[str, np.ndarray], epochs: int, threads: int, config: Path, precision: str) -> None:
    """`sensorium.fit` by the example's configuration."""
    import lightning  # noqa: F401  (what `fit` would import, as Keras is imported by now on the other side)
    import torch

    import sensorium as sm
    from sensorium.training.module import TrainingModule

    torch.set_num_threads(threads)
    seen: list[tuple[int, int]] = []  # of an epoch: answers that were right, rows
    loss_of, epoch_begins = sm.heads.Binary.loss, TrainingModule.on_train_epoch_start

    def counted(self: Any, logits: Any, target: Any, mask: Any = None) -> Any:
        if self.training:
            seen.append((int(((logits > 0) == (target > 0.5)).sum()), len(logits)))
        return loss_of(self, logits, target, mask)

    def begins(self: Any) -> None:
        seen.clear()  # measuring the precision took steps, too
        turns.epoch_begins()
        epoch_begins(self)

    sm.heads.Binary.loss, TrainingModule.on_train_epoch_start = counted, begins

    def report(told: dict[str, Any]) -> None:
        if "row" not in told:
            turns.epoch_trained()
            return
        right, count = map(sum, zip(*seen, strict=True))
        turns.epoch_ends(count, right / count, told["epoch"] == epochs)

    side = rows["image"].shape[1]
    settings = [f"inputs.image.size={side}", f"training.epochs={epochs}", f"training.threads={threads}"]
    settings += [f"training.precision={precision}", "training.probes=false", f"training.patience={epochs}"]
    turns = Turns()
    sm.fit(rows, config=config, settings=settings, report=report)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=["keras", "sensorium"])
    parser.add_argument("folder", type=Path, help="of the arrays: one .npy a name")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--precision", default="auto")
    given = parser.parse_args()
    rows = {path.stem: np.load(path) for path in sorted(given.folder.glob("*.npy"))}
    if given.side == "keras":
        keras_side(rows, given.epochs, given.threads)
    else:
        sensorium_side(rows, given.epochs, given.threads, given.config, given.precision)


if __name__ == "__main__":
    main()
