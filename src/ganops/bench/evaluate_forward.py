"""The Inception network's images per second, beside the straightforward loop over the same network.

Both look at two sets of images, and the Fréchet distance between these says what a faster form costs in accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ganops.bench.rows import NO_TARGET, Row, Target, in_turns, relative
from ganops.evaluation.extractors.inception import InceptionNetwork
from ganops.evaluation.extractors.published import published_network, without_numbers
from ganops.evaluation.frechet import frechet_distance_of
from ganops.evaluation.threads import side_by_side
from ganops.training.precision import resolve_precision

PART = "Inception"
PLAIN = "float32, NCHW, batches of 50"
_PLAIN_BATCH, _GPU_BATCH = 50, 256
_LEAST_IMAGES, _IMAGES_OF_A_THREAD, _GPU_IMAGES = 64, 16, 4096
_SIDE = 32

Ways = tuple[tuple[str, torch.dtype, Target], ...]
WAYS: Ways = (
    ("cpu", torch.float32, Target(ratio=1.5)),
    ("cpu", torch.bfloat16, NO_TARGET),
    ("cuda", torch.float32, NO_TARGET),
    ("cuda", torch.bfloat16, Target(ratio=4.0, difference=1e-3)),
    ("cuda", torch.float16, Target(ratio=4.0, difference=1e-3)),
)
"""Device, what the convolutions compute in, and what is to be reached."""


def inception_rows(turns: int, weights: Path | None, ways: Ways = WAYS, images: int | None = None) -> Iterator[Row]:
    """A row for each way. images: in each of the two sets; None: enough for this machine.

    Raises:
        UserError: the weights cannot be read.
        DamagedFile: they are not the published ones.
    """
    network = random_network() if weights is None else published_network(weights, "2048")
    for device, dtype, target in ways:
        name = f"forward in {str(dtype).removeprefix('torch.')}"
        if reason := _unavailable(device, dtype):
            yield Row(PART, name, PLAIN, device, "images/s", target=target, note=reason)
            continue
        count = images or _enough(device)
        sets = torch.cat([noise(count, 256), noise(count, 160)]).to(device)
        plain = partial(straightforward, network.to(device), sets)
        ours = partial(quick, network.for_inference(dtype).to(device), sets)
        for work in (plain, ours):
            work()  # the first pass prepares weights and memory
        fast, usual = in_turns([ours, plain], turns)
        fd, expected = (
            frechet_distance_of(*found.result.double().cpu().numpy().reshape(2, count, -1)) for found in (fast, usual)
        )
        yield Row(
            PART,
            name,
            PLAIN,
            device,
            "images/s",
            len(sets) / fast.seconds,
            len(sets) / usual.seconds,
            target,
            difference=relative(fd, expected),
            note="" if weights else "random weights",
        )
        network.cpu()


def straightforward(network: InceptionNetwork, images_u8: Tensor) -> Tensor:
    """Features float32 (N, d) on the CPU, as usual evaluators take them: batch after batch, with torch's threads."""
    with torch.no_grad():
        return torch.cat([network(batch)[0].cpu() for batch in torch.split(images_u8, _PLAIN_BATCH)])


def quick(network: InceptionNetwork, images_u8: Tensor) -> Tensor:
    """The same by a network `for_inference`, as `Extractor.observe` does it; they stay on their device."""

    def look(batch: Tensor) -> Tensor:
        with torch.inference_mode():
            features: Tensor = network(batch)[0]
            return features

    if images_u8.device.type == "cpu":
        return torch.cat(list(side_by_side(look, torch.split(images_u8, network.images_at_once))))
    features = torch.cat([look(batch) for batch in torch.split(images_u8, _GPU_BATCH)])
    torch.cuda.synchronize()
    return features


def random_network() -> InceptionNetwork:
    """As fast as the published one; drawn so that features neither vanish nor grow."""
    network = without_numbers("2048").to_empty(device="cpu").requires_grad_(False).eval()
    random = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if not value.is_floating_point():
            continue
        if value.ndim > 1:
            value.normal_(0, math.sqrt(2 / value[0].numel()), generator=random)
        else:
            value.normal_(0, 0.1, generator=random)
        if name.endswith("running_var"):
            value.exp_()
        elif name.endswith("bn.weight"):
            value.add_(1)
    return network


def noise(count: int, levels: int) -> Tensor:
    """images_u8, uint8 (count, 3, 32, 32), of so many grey levels in each channel."""
    random = torch.Generator().manual_seed(levels)
    return torch.randint(0, levels, (count, 3, _SIDE, _SIDE), generator=random, dtype=torch.uint8)


def _enough(device: str) -> int:
    """For a few seconds, and for every thread to have work."""
    return _GPU_IMAGES if device == "cuda" else max(_LEAST_IMAGES, _IMAGES_OF_A_THREAD * torch.get_num_threads())


def _unavailable(device: str, dtype: torch.dtype) -> str:
    if device == "cuda" and not torch.cuda.is_available():
        return "no GPU"
    if dtype == torch.bfloat16 and resolve_precision("auto", torch.device(device)) != "bfloat16":
        return "this processor does not compute in bfloat16"
    return ""
