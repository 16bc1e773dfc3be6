"""The sections of measuring: what generators are judged by, and on how many images."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ganops.config.section import Fraction, ImageCount, PositiveFloat, Section, Seed, whole_number


def _hex_digest(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError("must be the 64 hexadecimal digits, in quotes, that `sha256sum FILE` prints")
    return value


Sha256 = Annotated[str, AfterValidator(_hex_digest)]
ImageSide = Annotated[int, Field(ge=8, le=1024)]
Extraction = Literal["auto", "classifier", "pretext", "inception", "custom"]


def _tap_as_text(value: object) -> object:
    """YAML reads 2048 as a number."""
    return str(value) if type(value) is int else value


class InceptionConfig(Section):
    """Of extractor inception; see `evaluation.extractors.inception`."""

    weights: Annotated[str, Field(min_length=1)] | None = None
    """The published file, from the workspace's root; null: from the cache, downloaded once."""
    tap: Annotated[Literal["64", "192", "768", "2048", "logits_unbiased", "logits"], BeforeValidator(_tap_as_text)] = (
        "2048"
    )


class PreprocessingConfig(Section):
    """What a custom network takes: images are resized to `size`, scaled to `range`, less `mean`, over `std`."""

    size: tuple[ImageSide, ImageSide] = (224, 224)
    """[height, width]; bilinear, antialiased where it shrinks, half-pixel centres."""
    channels: Annotated[Literal[1, 3], BeforeValidator(whole_number)] = 3
    """Grey is repeated to 3; colour becomes grey by its luminance (Rec. 601)."""
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    range: tuple[float, float] = (0.0, 1.0)
    """What 0 and 255 become."""
    mean: Annotated[tuple[float, ...], Field(min_length=1, max_length=3)] = (0.0,)
    std: Annotated[tuple[PositiveFloat, ...], Field(min_length=1, max_length=3)] = (1.0,)
    """One number for all channels, or one for each."""

    @model_validator(mode="after")
    def _fits_the_channels(self) -> Self:
        for name in ("mean", "std"):
            if len(getattr(self, name)) not in (1, self.channels):
                raise ValueError(f"{name} must have one number, or as many as there are channels ({self.channels})")
        if self.range[0] == self.range[1]:
            raise ValueError("range has the same number twice, so that all images would be the same")
        return self


class CustomConfig(Section):
    """Of extractor custom: a network of the user's, as ONNX."""

    onnx: Annotated[str, Field(min_length=1)] | None = None
    """The file, from the workspace's root."""
    sha256: Sha256 | None = None
    preprocessing: PreprocessingConfig = PreprocessingConfig()


class ReferenceConfig(Section):
    """The pinned extractor that generators are judged by, and its reference features."""

    extractor: Extraction = "auto"
    """auto: classifier where every image has one of two or more labels, else pretext."""
    seed: Seed = 0
    features: Annotated[int, Field(ge=8, le=2048)] = 128
    """Width of the feature layer that is trained; a pinned PCA reduces any extractor's features where a split has
    under 10 images per dimension."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 5
    """At most; a training that no longer gets better on held-out images ends early."""
    batch_size: Annotated[int, Field(ge=8, le=8192)] = 256
    min_accuracy: Fraction = 0.7
    """Held-out accuracy under which a classifier is refused as a judge."""
    inception: InceptionConfig = InceptionConfig()
    custom: CustomConfig = CustomConfig()

    @model_validator(mode="after")
    def _a_custom_extractor_is_named(self) -> Self:
        if self.extractor == "custom" and (self.custom.onnx is None or self.custom.sha256 is None):
            raise ValueError("extractor custom needs custom.onnx (the file) and custom.sha256 (its digest)")
        return self


class EvaluateConfig(Section):
    """How a candidate is measured on `select`; where and by how many processes holds for the gate, too."""

    num_images: ImageCount = 10_000
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """That divide the images among themselves; on CUDA each has a device of its own."""
