"""The article's network: an image of 224 x 224, a vector of a text (100) and one of a sound (128), to yes or no.

python examples/article/train.py                    # by the configuration, config.yaml
python examples/article/train.py --blocks           # the same network as Python blocks, in a loop of its own
python examples/article/train.py --rows 128 --side 64   # smaller and faster
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import sensorium as sm

CONFIG = Path(__file__).parent / "config.yaml"


def arrays(rows: int, side: int = 224, seed: int = 0) -> dict[str, np.ndarray]:
    """Rows whose label is the majority of three hints, one in each input: alone each is right in three of four rows.

    Returns:
        image (rows, side, side, 3) float32 0..1, text (rows, 100), audio (rows, 128), label (rows,) 0 or 1.
    """
    random = np.random.default_rng(seed)
    hints = random.choice([-1, 1], (rows, 3))
    image = random.uniform(0.3, 0.5, (rows, side, side, 3))
    image[:, : side // 2] += 0.1 * hints[:, 0, None, None, None]  # the upper half is lighter or darker
    text = random.normal(size=(rows, 100)) + 0.5 * hints[:, 1:2]
    audio = random.normal(size=(rows, 128)) + 0.5 * hints[:, 2:3]
    label = (hints.sum(1) > 0).astype(int)
    return {"image": image.astype(np.float32), "text": text, "audio": audio, "label": label}


def network(side: int = 224) -> sm.MultimodalModel:
    """What config.yaml describes, block by block."""
    return sm.MultimodalModel(
        encoders={
            "image": sm.encoders.ImageFlatCNN(width=64, size=(side, side), channels=(32, 64)),
            "text": sm.encoders.VectorReLU(size=100, width=64),
            "audio": sm.encoders.VectorReLU(size=128, width=64),
        },
        fusion=sm.fusion.PlainConcat(width=128, token_width=64),
        heads={"label": sm.heads.Binary(width=128)},
    )


def train_blocks(rows: dict[str, np.ndarray], epochs: int = 10) -> tuple[sm.MultimodalModel, float]:
    """A loop of one's own over the blocks: the network, and its accuracy on the last fifth of the rows."""
    torch.manual_seed(0)
    model = network(rows["image"].shape[1])
    inputs = {name: torch.tensor(rows[name], dtype=torch.float32) for name in ("image", "text", "audio")}
    inputs["image"] = inputs["image"].permute(0, 3, 1, 2)  # (rows, 3, H, W)
    label = torch.tensor(rows["label"], dtype=torch.float32)
    split = int(0.8 * len(label))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        losses = []
        for part in torch.randperm(split).split(32):
            outputs = model({name: values[part] for name, values in inputs.items()})
            loss = model.head("label").loss(outputs["label"], label[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}/{epochs}  loss {np.mean(losses):.3f}")
    model.eval()
    with torch.no_grad():
        logits = model({name: values[split:] for name, values in inputs.items()})["label"]
    return model, ((logits > 0) == (label[split:] > 0.5)).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=320)
    parser.add_argument("--side", type=int, default=224, help="pixels")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--blocks", action="store_true", help="train the Python blocks, not the configuration")
    given = parser.parse_args()
    rows = arrays(given.rows, given.side)
    if given.blocks:
        _, accuracy = train_blocks(rows, given.epochs)
        print(f"accuracy on the last fifth of the rows: {accuracy:.3f}")
        return
    settings = [f"inputs.image.size={given.side}", f"training.epochs={given.epochs}"]
    predictor = sm.fit(rows, config=CONFIG, settings=settings, say=print)
    scores = predictor.metrics["targets"]["label"]
    print(f"validation accuracy: {scores['valid']['accuracy']['value']:.3f}")
    for kind in ("alone", "floors", "probes"):
        print(f"{kind}:", ", ".join(f"{name} {found['accuracy']['value']:.3f}" for name, found in scores[kind].items()))


if __name__ == "__main__":
    main()
