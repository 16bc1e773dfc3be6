"""Which task, learnt without labels, gives features whose Fréchet distance sees what is wrong with images.

    python -m benchmarks.pretext [--fashion-mnist FOLDER] [--json]

On textures made here, which look alike at any angle, and on Fashion-MNIST where its IDX files are: the classifier's
network learns each task for as long as the default configuration has it, and FD* from held-out images to others of
the same data is taken after each of four damages at rising strength. The table has by how many standard errors the
distance grew over that of the undamaged images, which is how sure a gate would be; in bold where it does not grow at
every step, or the mildest damage is not seen (under 2). The rank is the features' effective number of dimensions,
(Σλ)²/Σλ² of their covariance: what lies outside of them is not seen at all.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganops.config import ReferenceConfig
from ganops.evaluation.extractors.classifier import train_classifier
from ganops.evaluation.extractors.network import Backbone, PretextNetwork, Projection
from ganops.evaluation.extractors.pretext import train_pretext
from ganops.evaluation.extractors.training import as_tensor, batches, divided, fit, length, seeded, shifted
from ganops.evaluation.frechet import fd_star
from ganops.evaluation.threads import one_thread

Images = np.ndarray[Any, np.dtype[np.uint8]]
DIMENSIONS, COUNT = 64, 4000
SETTINGS = ReferenceConfig()


@final
@dataclass(frozen=True)
class Data:
    """images_u8 (N, 1, H, W) and labels (N,) to learn from, to be the reference, and to be damaged."""

    name: str
    train: tuple[Images, Images]
    reference: tuple[Images, Images]
    damaged: tuple[Images, Images]


# ---------------------------------------------------------------- data


def textures(count: int, seed: int = 0, side: int = 32) -> tuple[Images, Images]:
    """Filtered noise of eight kinds, isotropic: two scales, each plain, folded, cut at a threshold, and squared."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 8, count)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    centre = np.where(labels % 2 == 0, 0.09, 0.2) * np.exp(random.normal(0, 0.12, count))
    band = np.exp(-((frequency - centre[:, None, None]) ** 2) / (2 * (0.25 * centre[:, None, None]) ** 2))
    field = np.fft.ifft2(np.fft.fft2(random.standard_normal((count, side, side))) * band).real
    field /= field.std((1, 2), keepdims=True)
    shape = (labels // 2)[:, None, None]
    shaped = np.select([shape == 0, shape == 1, shape == 2], [field, 2 * np.abs(field) - 1.6, np.sign(field) * 1.2])
    shaped = np.where(shape == 3, field**2 - 1, shaped)
    grey = 128 + 45 * np.exp(random.normal(0, 0.15, count))[:, None, None] * shaped
    return grey.clip(0, 255).round().astype(np.uint8)[:, None], labels


def texture_data() -> Data:
    return Data("textures", textures(15_000, 0), textures(COUNT, 1), textures(COUNT, 2))


def fashion_mnist(folder: Path) -> Data:
    def idx(name: str, offset: int) -> Images:
        with gzip.open(folder / name) as file:
            return np.frombuffer(file.read(), np.uint8, offset=offset)

    images, labels = idx("train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28), idx("train-labels-idx1-ubyte.gz", 8)
    cuts = [slice(0, 15_000), slice(40_000, 40_000 + COUNT), slice(50_000, 50_000 + COUNT)]
    train, reference, damaged = ((images[cut], labels[cut].astype(np.int64)) for cut in cuts)
    return Data("Fashion-MNIST", train, reference, damaged)


# ---------------------------------------------------------------- damages


def blurred(images: Images, _: Images, sigma: float) -> Images:
    offset = torch.arange(-6, 7, dtype=torch.float32)
    kernel = torch.exp(-offset.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    x = F.pad(torch.from_numpy(images.astype(np.float32)), (6, 6, 6, 6), mode="replicate")
    x = F.conv2d(F.conv2d(x, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return x.round().clamp(0, 255).to(torch.uint8).numpy()


def noisy(images: Images, _: Images, deviation: float) -> Images:
    noise = np.random.default_rng(5).normal(0, deviation, images.shape)
    return (images + noise).round().clip(0, 255).astype(np.uint8)


def collapsed(images: Images, _: Images, share: float) -> Images:
    """So many of the images replaced by copies of ten of them."""
    random = np.random.default_rng(6)
    copies = random.random(len(images)) < share
    return np.where(copies[:, None, None, None], images[random.integers(0, 10, len(images))], images)


def dropped(images: Images, labels: Images, classes: float) -> Images:
    """Without the first so many classes, the rest repeated to the same count."""
    kept = images[labels >= classes]
    return np.resize(kept, images.shape)


Damage = Callable[[Images, Images, float], Images]
DAMAGES: Mapping[str, tuple[Damage, tuple[float, ...]]] = {
    "blur": (blurred, (0.4, 0.6, 0.8, 1.2)),
    "noise": (noisy, (5, 10, 20, 40)),
    "collapse": (collapsed, (0.1, 0.2, 0.4, 0.8)),
    "classes": (dropped, (1, 2, 3, 5)),
}


# ---------------------------------------------------------------- tasks


def rotations(images: Tensor) -> tuple[Tensor, Tensor]:
    """Each image at a quarter turn of chance, which is to be told (Gidaris et al. 2018). Square images."""
    turns = torch.randint(0, 4, (len(images),))
    turned = torch.stack([torch.rot90(image, int(turn), (1, 2)) for image, turn in zip(images, turns, strict=True)])
    return turned, turns


def positions(images: Tensor) -> tuple[Tensor, Tensor]:
    """A crop of three quarters, enlarged; which of nine places it is from is to be told (after Doersch et al. 2015)."""
    side = images.shape[2]
    size = side * 3 // 4
    places = torch.randint(0, 9, (len(images),))
    step = (side - size) // 2
    crops = [
        image[:, step * int(place // 3) :, step * int(place % 3) :][:, :size, :size]
        for image, place in zip(images, places, strict=True)
    ]
    return F.interpolate(torch.stack(crops), (side, side), mode="bilinear"), places


def told(task: Callable[[Tensor], tuple[Tensor, Tensor]], answers: int) -> Callable[[Data], tuple[Backbone, float]]:
    """A trainer of a task that has one of so many answers; gives the network and its held-out accuracy."""

    def train(data: Data) -> tuple[Backbone, float]:
        images_u8 = data.train[0]
        learnt, held_out = divided(images_u8)
        batch_size, steps = length(images_u8, learnt, SETTINGS)
        with seeded(0):
            network = PretextNetwork(images_u8.shape[1:], SETTINGS.features)
            head = nn.Sequential(nn.ReLU(), nn.Linear(SETTINGS.features, answers))
            both = nn.ModuleList([network, head])

            def logits(rows: Any) -> tuple[Tensor, Tensor]:
                seen, answer = task(shifted(as_tensor(images_u8[rows]), 2))
                return head(network(seen.contiguous(memory_format=torch.channels_last))[0]), answer

            def loss(rows: Any) -> Tensor:
                return F.cross_entropy(*logits(rows))

            fit(both, loss, lambda: loss(held_out).item(), batches(learnt, batch_size, 0), steps, lambda *_: None)
            with torch.inference_mode():
                given, answer = logits(held_out)
        return network, float((given.argmax(1) == answer).double().mean())

    return train


def untrained(data: Data) -> tuple[Backbone, float]:
    with seeded(0):
        network = PretextNetwork(data.train[0].shape[1:], SETTINGS.features)
        with torch.no_grad():  # its batch norms know the images at least
            for part in np.array_split(data.train[0][:5120], 40):
                network.train()(as_tensor(part))
    return network.eval(), float("nan")


def by_labels(data: Data) -> tuple[Backbone, float]:
    images, labels = data.train
    network = train_classifier(images, labels, int(labels.max()) + 1, SETTINGS)
    return network, float((seen(network, data.reference[0])[1].argmax(1).numpy() == data.reference[1]).mean())


TASKS: Mapping[str, Callable[[Data], tuple[Backbone, float]]] = {
    "untrained": untrained,
    "rotation": told(rotations, 4),
    "position": told(positions, 9),
    "instance (pretext)": lambda data: train_pretext(data.train[0], SETTINGS),
    "labels (classifier)": by_labels,
}


# ---------------------------------------------------------------- measuring


def seen(network: Backbone, images_u8: Images) -> tuple[Tensor, Tensor]:
    with torch.inference_mode():
        parts = [network(as_tensor(part)) for part in np.array_split(images_u8, max(1, len(images_u8) // 500))]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def measured(name: str, data: Data) -> dict[str, Any]:
    start = time.process_time()
    network, accuracy = TASKS[name](data)
    seconds = time.process_time() - start
    projection = Projection.fit(seen(network, data.train[0])[0], DIMENSIONS)

    def features(images_u8: Images) -> Any:
        return projection(seen(network, images_u8)[0]).numpy()

    reference = features(data.reference[0])
    undamaged = fd_star(features(data.damaged[0]), reference)
    growth = {
        damage: [fd_star(features(apply(*data.damaged, level)), reference).minus(undamaged) for level in levels]
        for damage, (apply, levels) in DAMAGES.items()
    }
    spread = np.linalg.eigvalsh(np.cov(reference.T))
    return {
        "data": data.name,
        "task": name,
        "accuracy": None if np.isnan(accuracy) else accuracy,
        "seconds": seconds,
        "rank": spread.sum() ** 2 / np.square(spread).sum(),
        "growth": {damage: [rise.value for rise in rises] for damage, rises in growth.items()},
        "standard_errors": {
            damage: [rise.value / rise.standard_error for rise in rises] for damage, rises in growth.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fashion-mnist", type=Path, help="folder of its four IDX files")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    data = [texture_data(), *([fashion_mnist(given.fashion_mnist)] if given.fashion_mnist else [])]
    with one_thread():
        rows = []
        for ground in data:
            for name in TASKS:
                row = measured(name, ground)
                rows.append(row)
                if not given.json:
                    print(_line(row), flush=True)
    if given.json:
        print(json.dumps(rows, indent=2))


def _line(row: Mapping[str, Any]) -> str:
    """Of the Markdown table."""
    cells = []
    for damage, certainty in row["standard_errors"].items():
        sees = certainty[0] >= 2 and (np.diff(row["growth"][damage]) > 0).all()
        text = " ".join(f"{value:.3g}" for value in certainty)
        cells.append(text if sees else f"**{text}**")
    accuracy = "" if row["accuracy"] is None else f"{row['accuracy']:.1%}"
    first = [row["data"], row["task"], accuracy, f"{row['seconds']:.0f} s", f"{row['rank']:.1f}"]
    return f"| {' | '.join([*first, *cells])} |"


if __name__ == "__main__":
    main()
