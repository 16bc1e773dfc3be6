"""The families of networks, side by side at one image size: a table and its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ganops.models import FAMILIES, Family, ModelSpec, family_spec
from ganops.models.cost import Cost, ModelCost, model_cost
from ganops.models.spec import LARGEST_SIDE, SMALLEST_SIDE


@final
@dataclass(frozen=True)
class FamilyRow:
    """A family at an image size. spec, cost: at its default width; None where it cannot do the size."""

    name: str
    family: Family
    spec: ModelSpec | None
    cost: ModelCost | None
    refusal: str | None

    def to_json(self) -> dict[str, Any]:
        family, cost = self.family, self.cost
        return {
            "name": self.name,
            "title": family.title,
            "source": family.source,
            "trained": family.trained,
            "good_for": family.good_for,
            "width": family.default_width,
            "z_dim": self.spec.z_dim if self.spec else family.default_z_dim,
            "noise_image": family.noise_image,
            "generator": _cost_json(cost.generator if cost else None),
            "discriminator": _cost_json(cost.discriminator if cost else None),
            "gradient_penalty": not family.batch_norm,
            "spectral_norm": family.spectral_norm,
            "promotable": family.promotable,
            "sizes": family.sizes,
            "refusal": self.refusal,
        }


def family_rows(image_shape: tuple[int, int, int]) -> list[FamilyRow]:
    """One row for each family at images (C, H, W)."""
    return [_row(name, family, image_shape) for name, family in FAMILIES.items()]


def print_families(console: Console, image_shape: tuple[int, int, int], rows: list[FamilyRow]) -> None:
    """The table, and below it what its marks mean."""
    channels, height, width = image_shape
    table = Table(
        title=f"Families at {height}x{width} pixels, {channels} channel{'s' * (channels > 1)}, default widths",
        caption=_caption(rows),
        title_justify="left",
        caption_justify="left",
        show_lines=True,
    )
    table.add_column("family", no_wrap=True)
    table.add_column("what it is, its source, as trained there", ratio=1)
    for column in ("weights\nG", "weights\nD", "MMAC\nG", "MMAC\nD"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("good for", ratio=1)
    for row in rows:
        table.add_row(*table_cells(row))
    console.print(table)


def _row(name: str, family: Family, image_shape: tuple[int, int, int]) -> FamilyRow:
    if refusal := family.refusal(image_shape):
        return FamilyRow(name, family, None, None, refusal)
    spec = family_spec(name, image_shape)
    return FamilyRow(name, family, spec, model_cost(spec), None)


def _caption(rows: list[FamilyRow]) -> str:
    limited = [row for row in rows if row.family.largest_pixels < LARGEST_SIDE**2]
    limits = [f"{row.name} at most {row.family.largest_pixels:,} pixels in all." for row in limited]
    return (
        "Weights, and millions of multiply-accumulates (MMAC) for one image, of generator (G) and discriminator (D).\n"
        "† batch norm in D: no gradient penalty. § never promoted.\n"
        f"Sizes: heights and widths from {SMALLEST_SIDE} to {LARGEST_SIDE}. {' '.join(limits)}"
    )


def table_cells(row: FamilyRow) -> list[str]:
    """Name, title, source and recipe, weights of G and D, millions of MACs of G and D, what it is good for."""
    family = row.family
    marks = "†" * family.batch_norm + "§" * (not family.promotable)
    trained = (
        f"{family.trained}; width {family.default_width}, z {row.spec.z_dim if row.spec else family.default_z_dim}"
    )
    names = [f"[bold]{row.name}[/]{marks}", f"{family.title}\n[dim]{family.source}\n{escape(trained)}[/]"]
    if row.cost is None:
        return [*names, "", "", "", "", f"Not at this size: {row.refusal}."]
    players = (row.cost.generator, row.cost.discriminator)
    return [
        *names,
        *(_thousands(player.parameters) for player in players),
        *(f"{player.macs / 1e6:,.1f}" for player in players),
        family.good_for,
    ]


def _thousands(count: int) -> str:
    return f"{count / 1e6:.1f}M" if count >= 1e6 else f"{count / 1e3:.0f}k"


def _cost_json(cost: Cost | None) -> dict[str, int | None]:
    return {"parameters": cost.parameters if cost else None, "macs": cost.macs if cost else None}
