"""Convolutional generators and discriminators, their latents and their snapshots.

This package needs torch, numpy, safetensors and, of ganops, only `errors` and `files`:
it is what travels to the machine that serves a model.
"""

from ganops.models.families import FAMILIES, family_spec
from ganops.models.family import Family
from ganops.models.latents import class_labels, latents
from ganops.models.networks import Discriminator, Generator, build_discriminator, build_generator
from ganops.models.sampling import generate, images_by_class, to_uint8
from ganops.models.snapshot import Snapshot, load_snapshot, save_snapshot
from ganops.models.spec import ModelSpec

__all__ = [
    "FAMILIES",
    "Discriminator",
    "Family",
    "Generator",
    "ModelSpec",
    "Snapshot",
    "build_discriminator",
    "build_generator",
    "class_labels",
    "family_spec",
    "generate",
    "images_by_class",
    "latents",
    "load_snapshot",
    "save_snapshot",
    "to_uint8",
]
