"""The Inception-v3 network of the Fréchet Inception Distance: TensorFlow's graph of 2015-12-05, in torch.

Szegedy et al. 2015 (arXiv:1512.00567), as Heusel et al. 2017 use it. Where this graph is not what is usually
called Inception-v3: average pooling does not count the padding, the last block pools by the maximum, there are
1008 logits, and images are enlarged by TensorFlow 1's bilinear resize, which is not symmetric. Modules have the
names of the published weights.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Literal, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ganops.evaluation.extractors.network import Backbone

Tap = Literal["64", "192", "768", "2048", "logits_unbiased", "logits"]
TAPS: tuple[Tap, ...] = get_args(Tap)
"""Where features are read: after the first and second max pool, Mixed_6e and the last pool; then the logits without
and with their bias. Spatial ones are averaged over all positions."""
SIDE, CLASSES = 299, 1008

_WIDTHS: Mapping[Tap, int] = {
    "64": 64,
    "192": 192,
    "768": 768,
    "2048": 2048,
    "logits_unbiased": CLASSES,
    "logits": CLASSES,
}

_Size = int | tuple[int, int]


@final
class InceptionNetwork(Backbone):
    """images_u8 (N, 1 or 3, H, W) of any size to (features (N, width) at `tap`, logits).

    logits: (N, 1008) without bias, as the Inception score takes them; (N, 0) with a tap before they are known.
    Grey images are repeated to three channels.
    """

    images_at_once = 32

    def __init__(self, tap: Tap = "2048") -> None:
        super().__init__()
        self.tap, self.width = tap, _WIDTHS[tap]
        self.Conv2d_1a_3x3 = _Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = _Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = _Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = _Conv(80, 192, 3)
        self.Mixed_5b = _BlockA(192, 32)
        self.Mixed_5c = _BlockA(256, 64)
        self.Mixed_5d = _BlockA(288, 64)
        self.Mixed_6a = _BlockB(288)
        self.Mixed_6b = _BlockC(768, 128)
        self.Mixed_6c = _BlockC(768, 160)
        self.Mixed_6d = _BlockC(768, 160)
        self.Mixed_6e = _BlockC(768, 192)
        self.Mixed_7a = _BlockD(768)
        self.Mixed_7b = _BlockE(1280, by_maximum=False)
        self.Mixed_7c = _BlockE(2048, by_maximum=True)
        self.fc = nn.Linear(2048, CLASSES)

    def for_inference(self, dtype: torch.dtype = torch.float32) -> InceptionNetwork:
        """The same function with batch norm folded into the convolutions, which compute in `dtype`, channels last."""
        quick = copy.deepcopy(self)
        for module in quick.modules():
            if isinstance(module, _Conv):
                module.fold()
                module.conv.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return quick

    def forward(self, images_u8: Tensor) -> tuple[Tensor, Tensor]:
        found = self.taps(images_u8, self.tap)
        return found[self.tap], found.get("logits_unbiased", images_u8.new_zeros(len(images_u8), 0, dtype=torch.float))

    def taps(self, images_u8: Tensor, last: Tap = "logits") -> dict[Tap, Tensor]:
        """All features up to `last`, float32 (N, width) each; from 2048 on, all of them."""
        found: dict[Tap, Tensor] = {}
        x = tf1_resize(images_u8.float().expand(-1, 3, -1, -1), SIDE).sub(128).div(128)
        x = x.to(self.Conv2d_1a_3x3.conv.weight.dtype)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = F.max_pool2d(x, 3, stride=2)
        found["64"] = _averaged(x)
        if last == "64":
            return found
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, stride=2)
        found["192"] = _averaged(x)
        if last == "192":
            return found
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        found["768"] = _averaged(x)
        if last == "768":
            return found
        found["2048"] = _averaged(self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))))
        found["logits_unbiased"] = found["2048"] @ self.fc.weight.T
        found["logits"] = found["logits_unbiased"] + self.fc.bias
        return found


def tf1_resize(images: Tensor, side: int) -> Tensor:
    """float32 (N, C, H, W) to (N, C, side, side) as TensorFlow 1's `resize_bilinear` does it.

    Pixel i of the result is read at i·H/side: corners are not aligned and there are no half-pixel centres, so that
    the picture moves a little to the lower right.
    """
    if images.shape[2:] == (side, side):
        return images
    rows, columns = (_weights(size, side, images.device) for size in images.shape[2:])
    return rows @ (images @ columns.T)


def _weights(size: int, side: int, device: torch.device) -> Tensor:
    """float32 (side, size): how much of each pixel is in each pixel of the result. A product with it takes a fifth of
    the time of picking and mixing neighbours."""
    position = torch.arange(side, device=device, dtype=torch.float32) * (size / side)
    low = position.long().clamp(max=size - 1)
    beyond = (position - low)[:, None]
    here = torch.eye(size, device=device)
    return here[low] * (1 - beyond) + here[(low + 1).clamp(max=size - 1)] * beyond


@final
class _Conv(nn.Module):
    """Convolution, batch norm, rectifier."""

    def __init__(self, channels: int, out: int, size: _Size, stride: int = 1, padding: _Size = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, size, stride=stride, padding=padding, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(out, eps=0.001)

    def fold(self) -> None:
        """Let the convolution do what batch norm does with what it has learnt."""
        assert isinstance(self.bn, nn.BatchNorm2d)
        self.conv, self.bn = fuse_conv_bn_eval(self.conv, self.bn), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


def _averaged(x: Tensor) -> Tensor:
    """Over all positions, in float32 whatever the network computes in."""
    return x.float().mean((2, 3))


def _mean_around(x: Tensor) -> Tensor:
    """3x3 average pooling that, as TensorFlow's, does not count the padding."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


@final
class _BlockA(nn.Module):
    def __init__(self, channels: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = _Conv(channels, 64, 1)
        self.branch5x5_1 = _Conv(channels, 48, 1)
        self.branch5x5_2 = _Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = _Conv(channels, 64, 1)
        self.branch3x3dbl_2 = _Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, padding=1)
        self.branch_pool = _Conv(channels, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(_mean_around(x))], 1)


@final
class _BlockB(nn.Module):
    """Halves the picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch3x3 = _Conv(channels, 384, 3, stride=2)
        self.branch3x3dbl_1 = _Conv(channels, 64, 1)
        self.branch3x3dbl_2 = _Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), three, F.max_pool2d(x, 3, stride=2)], 1)


@final
class _BlockC(nn.Module):
    """7x7 convolutions as pairs of 1x7 and 7x1."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.branch1x1 = _Conv(channels, 192, 1)
        self.branch7x7_1 = _Conv(channels, inner, 1)
        self.branch7x7_2 = _Conv(inner, inner, (1, 7), padding=(0, 3))
        self.branch7x7_3 = _Conv(inner, 192, (7, 1), padding=(3, 0))
        self.branch7x7dbl_1 = _Conv(channels, inner, 1)
        self.branch7x7dbl_2 = _Conv(inner, inner, (7, 1), padding=(3, 0))
        self.branch7x7dbl_3 = _Conv(inner, inner, (1, 7), padding=(0, 3))
        self.branch7x7dbl_4 = _Conv(inner, inner, (7, 1), padding=(3, 0))
        self.branch7x7dbl_5 = _Conv(inner, 192, (1, 7), padding=(0, 3))
        self.branch_pool = _Conv(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(_mean_around(x))], 1)


@final
class _BlockD(nn.Module):
    """Halves the picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch3x3_1 = _Conv(channels, 192, 1)
        self.branch3x3_2 = _Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = _Conv(channels, 192, 1)
        self.branch7x7x3_2 = _Conv(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = _Conv(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = _Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, F.max_pool2d(x, 3, stride=2)], 1)


@final
class _BlockE(nn.Module):
    """3x3 convolutions as 1x3 beside 3x1. by_maximum: how it pools; true of the last block alone."""

    def __init__(self, channels: int, by_maximum: bool) -> None:
        super().__init__()
        self.by_maximum = by_maximum
        self.branch1x1 = _Conv(channels, 320, 1)
        self.branch3x3_1 = _Conv(channels, 384, 1)
        self.branch3x3_2a = _Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = _Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = _Conv(channels, 448, 1)
        self.branch3x3dbl_2 = _Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = _Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = _Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = _Conv(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.by_maximum else _mean_around(x)
        branches = [self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three)]
        branches += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double), self.branch_pool(pooled)]
        return torch.cat(branches, 1)
