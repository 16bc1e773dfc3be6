from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from PIL import Image

from ganops.data.image_set import ImageSet, read_image_set
from ganops.data.sources import open_source
from ganops.errors import DamagedFile, DataRefused, SnapshotError, SourceRefused, TooFewImages, UnknownName, UserError
from ganops.evaluation import judge
from ganops.evaluation.estimate import Measurement
from ganops.evaluation.extractors import load_extractor, training
from ganops.evaluation.fd_star import fd_star
from ganops.evaluation.manifold import ManifoldReference, manifold_values
from ganops.evaluation.pixels import pixel_features
from ganops.evaluation.reference import FORMAT, METRIC_VERSION, ReferenceSample, array_digests
from ganops.files import sha256_file, write_json
from ganops.models import ModelSpec, build_generator, generate, load_snapshot, save_snapshot
from ganops.ports import ModelRegistry, ModelVersion
from ganops.stages.score import Score, score
from ganops.stages.score_cache import Cache
from ganops.stages.score_inputs import Images, Model, Pinned, Wanted, open_input
from ganops.stages.score_looking import Seen
from ganops.stages.score_neighbours import neighbour_groups
from ganops.stages.score_notes import coverage_of_equals, notes_on_extractor
from ganops.stages.score_request import ScoreRequest
from ganops.stages.score_shared import Shared

U8 = np.ndarray[Any, np.dtype[np.uint8]]
CLASSES = ("bright", "dark")


def no_registry(name: str) -> ModelRegistry:
    raise UserError(f"no registry of {name}")


def silent(step: str, done: int, total: int, note: str) -> None:
    """Nobody watches."""


def scored(*sides: str | Path, cache: Cache | None = None, own: Path | None = None, **asked: Any) -> Score:
    words = {name: str(value) if isinstance(value, Path) else value for name, value in asked.items()}
    request = ScoreRequest(str(sides[0]), str(sides[1]), **words)
    return score(request, words.pop("registries", no_registry), own, cache or Cache(None), silent)


def shown(side: Seen, rows: Any) -> U8:
    assert side.shown is not None
    return side.shown(rows)


def value(found: Score, metric: str) -> float:
    return found.metrics[metric].value


# ---------------------------------------------------------------- features


def normal(seed: int, count: int, shift: float = 0.0, dim: int = 6) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(shift, 1.0, (count, dim))


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A folder of features that were computed before."""
    np.save(tmp_path / "a.npy", normal(1, 300, 0.3))
    np.save(tmp_path / "b.npy", normal(2, 200))
    np.savez(tmp_path / "both.npz", a=normal(1, 300, 0.3), b=normal(2, 200))
    return tmp_path


def test_progress_spells_out_what_would_steer_the_terminal(given: Path) -> None:
    told: list[str] = []
    (given / "\x1b[31mimages").mkdir()
    Image.new("L", (8, 8)).save(given / "\x1b[31mimages" / "0.png")
    request = ScoreRequest(str(given / "\x1b[31mimages"), str(given / "missing.npy"))
    with pytest.raises(UserError, match="missing"):
        score(request, no_registry, None, Cache(None), lambda step, *_: told.append(step))
    assert told and all(r"\x1b[31mimages" in step and step.isprintable() for step in told)


def test_features_are_measured_by_the_gates_own_estimator(given: Path) -> None:
    found = scored(given / "a.npy", given / "b.npy")
    a, b = normal(1, 300, 0.3), normal(2, 200)
    expected = fd_star(a, b).measurement
    assert value(found, "fd_star") == pytest.approx(expected.value, abs=4 * expected.standard_error)
    assert found.metrics["fd_star"].standard_error == pytest.approx(expected.standard_error)
    assert found.score == "fd_features" and found.protocol.num_images == 300
    assert {"fd", "kid", "kid_subsets", "precision", "recall", "density", "coverage"} <= set(found.metrics)
    assert {"class_coverage", "inception_score", "memorisation", "copies"} <= set(found.missing)


def test_the_same_content_scores_the_same_whatever_it_lies_in(given: Path) -> None:
    one, other = scored(given / "a.npy", given / "b.npy"), scored(f"{given}/both.npz:a", f"{given}/both.npz:b")
    assert one.metrics == other.metrics
    assert one.sides["b"].sha256 == other.sides["b"].sha256


def test_images_that_lie_sorted_are_drawn_from_all_over(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics over pairs look at the first few only, and folders list class after class."""
    monkeypatch.setattr(judge, "PAIRWISE_LIMIT", 100)
    for name, seed in (("a", 5), ("b", 6)):
        clusters = [normal(seed + shift, 200, shift) for shift in (0, 50)]
        np.save(given / f"{name}.npy", np.concatenate(clusters))
    assert value(scored(given / "a.npy", given / "b.npy"), "recall") > 0.8


def test_a_number_of_images_is_drawn_from_a_by_its_seed(given: Path) -> None:
    found = [scored(given / "a.npy", given / "b.npy", num_images=100, seed=seed) for seed in (0, 0, 1)]
    assert found[0].protocol.num_images == 100 and found[0].protocol.num_reference == 200
    assert found[0].metrics == found[1].metrics != found[2].metrics


def test_metrics_are_chosen_by_name(given: Path) -> None:
    found = scored(given / "a.npy", given / "b.npy", metrics=("KID", "fd-star"))
    assert set(found.metrics) == {"kid", "fd_star"} and found.missing == {}


def test_the_json_is_strict_and_has_each_interval(given: Path) -> None:
    facts = scored(given / "a.npy", given / "b.npy").to_json()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    for item in facts["metrics"].values():
        assert set(item) == {"value", "se", "low", "high"} and item["low"] <= item["value"] <= item["high"]
    assert facts["train"] is None and facts["a"]["num_images"] == 300
    assert {"extractor", "extractor_sha256", "reference_hash", "num_images", "num_reference", "seed"} <= set(
        facts["protocol"]
    )


# ---------------------------------------------------------------- images


def pictures(seed: int, count: int) -> tuple[U8, np.ndarray[Any, Any]]:
    """images_u8 (N, 8, 8) of two classes, bright (0) and dark (1), and their labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    pixels = random.integers(0, 100, (count, 8, 8)) + 120 * (1 - labels[:, None, None])
    return pixels.astype(np.uint8), labels


def image_folder(folder: Path, seed: int, count: int) -> Path:
    """With a subfolder for each class."""
    for number, (pixels, label) in enumerate(zip(*pictures(seed, count), strict=True)):
        (folder / CLASSES[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / CLASSES[label] / f"{number:03}.png")
    return folder


@dataclass
class Gallery:
    """Images in several shapes, and a cache that has what was fitted to them."""

    root: Path
    remarks: list[str] = field(default_factory=list)

    @property
    def cache(self) -> Cache:
        return Cache(self.root / "cache", say=self.remarks.append)

    @property
    def real(self) -> Path:
        return self.root / "real"

    @property
    def bare(self) -> Path:
        return self.root / "bare.npy"

    @property
    def entries(self) -> set[Path]:
        return set((self.root / "cache").rglob("*.entry"))


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    root = tmp_path_factory.mktemp("gallery")
    image_folder(root / "real" / "train", 1, 120)
    image_folder(root / "real" / "test", 2, 120)
    np.save(root / "bare.npy", pictures(3, 150)[0])
    spec = ModelSpec("lite", (1, 8, 8), z_dim=4, width=4)
    save_snapshot(root / "model", build_generator(spec), spec, {})
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(training, "MIN_STEPS", 60)  # bright and dark are soon told apart
        yield Gallery(root)


def test_images_are_looked_at_by_a_classifier_that_is_fitted_once(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"split": ":test", "cache": gallery.cache}
    first = scored(gallery.bare, gallery.real, **asked)
    assert first.chosen is not None and first.chosen.extractor.card.classes == CLASSES
    assert first.score == f"fd_classifier@{first.protocol.extractor_sha256[:8]}"
    assert first.chosen.fitted_on == "b" and any("fitted to B itself" in note for note in first.notes)
    assert [share.name for share in first.classes] == list(CLASSES)
    for share in first.classes:
        assert share.made == pytest.approx(0.5, abs=0.15) and share.real == pytest.approx(0.5, abs=0.15)
    assert value(first, "class_coverage") > 0.8

    def fit(*arguments: object, **named: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("ganops.stages.score_fitting._fit", fit)
    monkeypatch.setattr("ganops.evaluation.extractors.Extractor.observe", fit)
    assert scored(gallery.bare, gallery.real, **asked).metrics == first.metrics
    moved = gallery.root / "under another name"
    (gallery.real / "test").rename(moved)
    try:
        assert scored(gallery.bare, moved, cache=gallery.cache).metrics == first.metrics
    finally:
        moved.rename(gallery.real / "test")


def test_a_model_of_no_images_is_named_and_not_scored(gallery: Gallery, tmp_path: Path) -> None:
    spec = ModelSpec("lite", (1, 8, 8), z_dim=4, width=4)
    generator = build_generator(spec)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.fill_(1e38)[::2].neg_()
    save_snapshot(tmp_path / "overflowing", generator, spec, {})
    with pytest.raises(SnapshotError, match=r"overflowing.* cannot be scored\. .*not finite numbers"):
        scored(tmp_path / "overflowing", gallery.real, split=":test", cache=gallery.cache, num_images=64)


def test_damage_in_the_cache_is_told_and_changes_no_figure(gallery: Gallery) -> None:
    asked: dict[str, Any] = {"split": ":test", "cache": gallery.cache}
    first = scored(gallery.bare, gallery.real, **asked)
    for entry in gallery.entries:
        entry.write_bytes(entry.read_bytes()[:-3])
    assert scored(gallery.bare, gallery.real, **asked).metrics == first.metrics
    assert len(gallery.remarks) == 3 and all("damaged" in remark for remark in gallery.remarks)


def test_training_images_fit_the_extractor_where_they_are_given(gallery: Gallery) -> None:
    found = scored(gallery.bare, gallery.real, split=":test", train=gallery.real, cache=gallery.cache)
    assert found.chosen is not None and found.chosen.fitted_on == "train"
    assert found.sides["train"].split == "train" and len(found.sides["train"]) == 120
    assert not any("fitted to B" in note for note in found.notes)
    assert {"memorisation", "copies"} <= set(found.metrics) and "mifid" in found.missing
    assert found.sides["train"].features.shape[0] == 0, "not looked at, where no metric asks for it"


def test_without_labels_an_extractor_is_fitted_that_needs_none(gallery: Gallery) -> None:
    found = scored(gallery.bare, gallery.bare, cache=gallery.cache)
    assert found.chosen is not None and found.chosen.extractor.card.kind == "pretext"
    assert found.score.startswith("fd_pretext@") and found.classes == ()
    assert "knows classes" in found.missing["class_coverage"]


def test_copies_of_training_images_are_seen(gallery: Gallery, tmp_path: Path) -> None:
    train = read_image_set(open_source(str(gallery.real)), "train").images_u8[:, 0]
    np.save(tmp_path / "a.npy", np.concatenate([pictures(9, 80)[0], train[:40]]))
    np.save(tmp_path / "held_out.npy", pictures(8, 150)[0])
    asked: dict[str, Any] = {"split": ":test", "train": gallery.real, "cache": gallery.cache}
    copied = scored(tmp_path / "a.npy", gallery.real, **asked)
    honest = scored(gallery.bare, gallery.real, **asked)
    assert copied.metrics["copies"].low > 0.1 > honest.metrics["copies"].value
    assert value(copied, "memorisation") > value(honest, "memorisation")
    aside = scored(tmp_path / "a.npy", gallery.real, heldout=tmp_path / "held_out.npy", **asked)
    assert aside.metrics["copies"].low > 0.1 and aside.metrics["memorisation"] != copied.metrics["memorisation"]
    assert aside.metrics["fd_star"] == copied.metrics["fd_star"] and len(aside.sides["heldout"]) == 150


def test_a_model_is_streamed_to_the_extractor(gallery: Gallery) -> None:
    asked: dict[str, Any] = {"split": "test", "cache": gallery.cache, "num_images": 300, "seed": 4}
    found = scored(gallery.root / "model", gallery.real, **asked)
    assert found.sides["a"].kind == "model" and len(found.sides["a"]) == 300
    assert found.sides["a"].sha256 == sha256_file(gallery.root / "model" / "model.json")
    made = next(generate(load_snapshot(gallery.root / "model").generator, 10, seed=4))
    assert np.array_equal(shown(found.sides["a"], np.arange(10)), made.numpy())


def test_a_model_against_itself_makes_other_images(gallery: Gallery) -> None:
    extractor = scored(gallery.bare, gallery.real, split=":test", cache=gallery.cache).chosen
    assert extractor is not None
    model = gallery.root / "model"
    asked: dict[str, Any] = {"train": gallery.real, "num_images": 200, "cache": gallery.cache}
    found = scored(model, model, **asked)
    assert not np.array_equal(found.sides["a"].features, found.sides["b"].features)


def test_what_was_trained_on_is_told(gallery: Gallery, tmp_path: Path) -> None:
    origins = np.sort(read_image_set(open_source(str(gallery.real)), "test").origins()[:30])
    spec = ModelSpec("lite", (1, 8, 8), z_dim=4, width=4)
    save_snapshot(tmp_path / "model", build_generator(spec), spec, {})
    np.save(tmp_path / "model" / "training_images.npy", origins)
    found = scored(tmp_path / "model", gallery.real, split=":test", num_images=100, cache=gallery.cache)
    assert any("trained on 30 of the 120 images of B" in note for note in found.notes)


def test_a_weak_judge_is_told(gallery: Gallery) -> None:
    chosen = scored(gallery.bare, gallery.real, split=":test", cache=gallery.cache).chosen
    assert chosen is not None
    weak = replace(chosen, extractor=chosen.extractor.with_card(accuracy=0.4))
    assert not any("weak judge" in note for note in notes_on_extractor(chosen))
    assert any("only 40.0% of held-out images right (2 classes)" in note for note in notes_on_extractor(weak))


def test_equal_images_are_told(gallery: Gallery) -> None:
    found = scored(gallery.real, gallery.real, split="train:test", cache=gallery.cache, train=gallery.real)
    assert "120 of 120 images of A are among the training images, pixel for pixel." in found.notes
    found = scored(gallery.real, gallery.real, split="test", cache=gallery.cache)
    assert any(note.startswith("A and B are the same") for note in found.notes)


def test_equal_features_are_told(given: Path) -> None:
    shutil.copy(given / "b.npy", given / "copy.npy")
    for seed in (0, 1):
        found = scored(given / "copy.npy", given / "b.npy", seed=seed)
        assert found.notes[0].startswith("A and B are the same")
        assert found.sides["a"].sha256 == found.sides["b"].sha256
    np.save(given / "mixed.npy", np.concatenate([normal(2, 200)[50:80], normal(4, 90)]).astype(np.float64))
    found = scored(given / "mixed.npy", given / "b.npy")
    assert "30 of 120 images of A are among B, number for number." in found.notes


def test_of_one_and_the_same_set_every_distance_is_zero(given: Path) -> None:
    found = scored(given / "b.npy", given / "b.npy", seed=3)
    for name in ("fd", "fd_star", "kid", "kid_subsets", "kernel_distance"):
        assert found.metrics[name] == Measurement(0.0, 0.0), name
    assert value(found, "precision") == value(found, "coverage") == 1.0
    part = scored(given / "b.npy", given / "b.npy", num_images=100)
    assert value(part, "fd") > 0
    assert "200 of 200 images of A are among B, number for number." in part.notes


def test_shares_are_shown_between_zero_and_one(given: Path) -> None:
    np.save(given / "few.npy", normal(3, 20))
    facts = scored(given / "few.npy", given / "b.npy").to_json()
    for name in ("precision", "recall", "coverage"):
        assert 0 <= facts["metrics"][name]["low"] <= facts["metrics"][name]["high"] <= 1
    assert (
        "A has only 20 images, each of which is 5.0% of precision and of density: the interval is rough."
        in (facts["notes"])
    )
    assert not any("% of recall" in note for note in facts["notes"])
    swapped = scored(given / "b.npy", given / "few.npy", metrics=("recall",)).notes
    assert "B has only 20 images, each of which is 5.0% of recall: the interval is rough." in swapped


def test_coverage_is_told_to_depend_on_the_counts_and_by_how_much(given: Path) -> None:
    """By the closed form, against draws of one distribution."""
    np.save(given / "few.npy", normal(3, 20))
    (note,) = (note for note in scored(given / "few.npy", given / "b.npy").notes if "depend on the counts" in note)
    assert f"coverage of {coverage_of_equals(20, 200):.2f}" in note
    drawn = [
        manifold_values(normal(2 * seed, 20), ManifoldReference.of(normal(2 * seed + 1, 200)))["coverage"]
        for seed in range(50)
    ]
    assert coverage_of_equals(20, 200) == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 50**0.5)
    for name, seed in (("many-a", 1), ("many-b", 2)):
        np.save(given / f"{name}.npy", normal(seed, 1000, dim=2))
    assert not any("depend on the counts" in note for note in scored(given / "many-a.npy", given / "many-b.npy").notes)


def test_of_too_few_images_for_the_features_fd_is_called_biased(given: Path) -> None:
    for name, count in (("a", 30), ("b", 40)):
        np.save(given / f"{name}.npy", normal(count, count))
    assert sum("fd is biased upward" in note for note in scored(given / "a.npy", given / "b.npy").notes) == 2
    assert scored(given / "a.npy", given / "b.npy", metrics=("kid",)).notes == ()


def test_without_more_images_than_features_there_is_no_fd_star(given: Path) -> None:
    for name, count in (("a", 40), ("b", 41)):
        np.save(given / f"{name}-wide.npy", normal(count, count, dim=40))
    found = scored(given / "a-wide.npy", given / "b-wide.npy")
    assert "fd" in found.metrics and found.missing["fd_star"].startswith("needs more images than features")
    with pytest.raises(UserError, match=r"'fd_star' cannot be measured here: it needs more images .* 41 here"):
        scored(given / "a-wide.npy", given / "b-wide.npy", metrics=("fd_star",))
    assert "fd_star" in scored(given / "b-wide.npy", given / "b-wide.npy").metrics, "0, by definition"


def test_a_generator_that_makes_one_image_for_ever_is_measured_and_fares_worst(given: Path) -> None:
    np.save(given / "constant.npy", np.tile(normal(2, 200)[:1], (300, 1)))
    honest, collapsed = scored(given / "a.npy", given / "b.npy"), scored(given / "constant.npy", given / "b.npy")
    assert set(collapsed.metrics) == set(honest.metrics)
    for name in ("fd", "fd_star", "kid", "kid_subsets", "kernel_distance"):
        assert collapsed.metrics[name].low > honest.metrics[name].high, name
    assert value(collapsed, "recall") == 0.0 and value(collapsed, "coverage") < 0.1
    assert collapsed.notes[0].startswith("All 300 images of A look the same: it has collapsed")
    assert not any("look the same as 5 others" in note for note in collapsed.notes)
    collapsed.to_json()


def test_images_of_one_kind_only_are_measured(gallery: Gallery, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.repeat(pictures(3, 1)[0], 100, axis=0))
    asked: dict[str, Any] = {"split": ":test", "train": gallery.real, "cache": gallery.cache}
    one, many = scored(tmp_path / "one.npy", gallery.real, **asked), scored(gallery.bare, gallery.real, **asked)
    assert one.metrics["fd_star"].low > many.metrics["fd_star"].high and value(one, "recall") == 0.0
    assert {"memorisation", "copies"} <= set(one.metrics) and value(one, "class_coverage") < 0.7


def test_what_says_nothing_is_left_out_with_the_reason(given: Path) -> None:
    np.save(given / "far-a.npy", normal(1, 100) + 1e8)
    np.save(given / "far-b.npy", normal(2, 100) + 1e8)
    assert "rounding" in scored(given / "far-a.npy", given / "far-b.npy").missing["kid"]
    np.save(given / "repeated.npy", np.repeat(normal(1, 20), 10, axis=0))
    found = scored(given / "repeated.npy", given / "repeated.npy")
    assert "most images of B have 5 others" in found.missing["coverage"] and value(found, "fd") == 0
    found = scored(given / "repeated.npy", given / "b.npy")
    assert value(found, "recall") == 0.0
    assert any(note.startswith("200 of 200 images of A look the same as 5 others") for note in found.notes)


def test_held_out_images_that_are_training_images_tell_nothing_of_copies(gallery: Gallery) -> None:
    asked: dict[str, Any] = {"train": gallery.real, "cache": gallery.cache}
    found = scored(gallery.bare, gallery.real, split=":train", **asked)
    for name in ("memorisation", "copies"):
        assert "needs held-out images that are not among the training images" in found.missing[name]
    found = scored(gallery.bare, gallery.real, split=":train", heldout=gallery.real, **asked)
    assert {"memorisation", "copies"} <= set(found.metrics)


def test_a_model_against_itself_is_not_the_same_images(gallery: Gallery) -> None:
    model = gallery.root / "model"
    found = scored(model, model, train=gallery.real, num_images=200, cache=gallery.cache)
    assert not any(note.startswith("A and B are the same") for note in found.notes)


def test_images_of_a_workspaces_reference_are_told(gallery: Gallery, tmp_path: Path) -> None:
    """By the digests of held-out images, and the small pixels of training images."""
    train, held_out = (read_image_set(open_source(str(gallery.real)), split) for split in ("train", "test"))
    own, images = load_extractor(pinned(gallery, tmp_path / "extractor")), pictures(9, 80)[0][:, None]
    small = [pixel_features(part.images_u8) for part in (train, held_out)]
    origins = ImageSet.bare(held_out.images_u8).origins()
    sample = ReferenceSample(
        split="test",
        features=np.zeros((120, 1), np.float32),
        classes=np.zeros(120, np.int64),
        ids=np.concatenate([origins[:, None].astype(">u8").view(np.uint8), np.zeros((120, 24), np.uint8)], axis=1),
        train_features=np.zeros((120, 1), np.float32),
        num_classes=0,
        hash="r" * 64,
        extractor="pretext",
        extractor_sha256=own.sha256,
        preprocessing="p@1",
        metric_version=2,
        pixels=small[1],
        train_pixels=small[0],
    )
    mixed = np.concatenate([images, held_out.images_u8[:7], train.images_u8[:5]])
    a, b = Images("a", ImageSet.bare(mixed), None), Pinned("b", sample, own)
    seen = {
        role: Seen(role, kind, role, None, len(pixels), np.zeros((len(pixels), 1)), pixels=pixels)
        for role, kind, pixels in (("a", "images", pixel_features(mixed)), ("b", "reference", small[1]))
    }
    seen["train"] = replace(seen["b"], pixels=small[0])
    common = Shared({"a": a, "b": b, "train": b}, seen)
    assert common.count("a", "b") == (7, 92)
    assert common.count("a", "train") == (5, 92)
    assert common.count("b", "train") == (0, 120)
    assert common.count("heldout", "train") is None


def pinned(gallery: Gallery, folder: Path) -> Path:
    """The directory of an extractor of 8x8 images, as `ganops reference` leaves one: here one in the cache."""
    scored(gallery.bare, gallery.real, split=":test", cache=gallery.cache)
    kept = [safetensors.numpy.load(entry.read_bytes()[64:]) for entry in gallery.entries]
    files = next(files for files in kept if "extractor.json" in files)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content.tobytes())
    return folder


def test_the_workspaces_own_extractor_is_taken_where_it_fits(gallery: Gallery, tmp_path: Path) -> None:
    own = pinned(gallery, tmp_path / "extractor")
    found = scored(gallery.bare, gallery.real, own=own)
    assert found.chosen is not None and found.chosen.origin == "the workspace's own"
    assert found.protocol.extractor_sha256 == load_extractor(own).sha256
    assert scored(gallery.bare, gallery.bare, own=own).protocol.extractor_sha256 == load_extractor(own).sha256
    named = scored(gallery.bare, gallery.real, extractor=own)
    assert named.metrics == found.metrics and named.chosen is not None and named.chosen.origin == f"from {own}"


def test_a_reference_named_as_training_images_stands_for_its_own(gallery: Gallery, tmp_path: Path) -> None:
    own = load_extractor(pinned(gallery, tmp_path / "extractor"))
    splits = {"train": pictures(20, 90)[0], "select": pictures(21, 80)[0]}
    for name, images in splits.items():
        (tmp_path / name).mkdir()
        seen = own.observe(images[:, None])
        np.save(tmp_path / name / "features.npy", seen.features)
        np.save(tmp_path / name / "classes.npy", seen.classes)
        np.save(tmp_path / name / "ids.npy", np.zeros((len(images), 32), np.uint8))
        np.save(tmp_path / name / "pixels.npy", pixel_features(images[:, None]))
    facts = {
        "format": FORMAT,
        "metric_version": METRIC_VERSION,
        "extractor": {"kind": "classifier", "sha256": own.sha256, "dim": own.dim, "accuracy": 0.9},
        "classes": list(own.card.classes),
        "preprocessing": "p@1",
        "splits": {
            name: {"count": len(images), "hash": name, "sha256": array_digests(tmp_path / name)}
            for name, images in splits.items()
        },
    }
    write_json(tmp_path / "reference.json", facts)
    found = scored(gallery.bare, gallery.real, split=":test", train=tmp_path)
    train = found.sides["train"]
    assert (train.split, len(train), len(train.pixels)) == ("train", 90, 90)
    judged = scored(gallery.bare, tmp_path, split=":select")
    assert judged.sides["b"].sha256 == "select" and judged.sides["train"].sha256 == train.sha256 != "select"
    assert "copies" in found.metrics and found.protocol.extractor_sha256 == own.sha256
    alone = scored(gallery.bare, tmp_path, split=":select", metrics=("copies", "memorisation"))
    assert alone.metrics == {name: judged.metrics[name] for name in ("copies", "memorisation")} and alone.chosen is None
    with pytest.raises(UserError, match="of the splits select and test: choose one with --split"):
        scored(tmp_path, gallery.real, split="train")


def test_the_workspaces_own_extractor_is_left_where_it_does_not_fit(gallery: Gallery, tmp_path: Path) -> None:
    own = pinned(gallery, tmp_path / "extractor")
    np.save(tmp_path / "large.npy", np.random.default_rng(0).integers(0, 256, (12, 9, 9), np.uint8))
    with pytest.raises(DataRefused, match=r"large.npy has 12 images, too few to fit an extractor to"):
        scored(tmp_path / "large.npy", tmp_path / "large.npy", own=own)


# ---------------------------------------------------------------- a registry's models


@dataclass
class Registry:
    """Two versions of one snapshot."""

    snapshot: Path
    asked: list[str] = field(default_factory=list)

    def versions(self) -> Sequence[ModelVersion]:
        sha256 = sha256_file(self.snapshot / "model.json")
        return (
            ModelVersion("generator", 2, sha256, "Staging", ("challenger",), {}, "run"),
            ModelVersion("generator", 1, sha256, "Production", ("champion",), {}, "run"),
        )

    def download(self, version: ModelVersion, folder: Path) -> Path:
        self.asked.append(str(version.version))
        shutil.copytree(self.snapshot, folder / "snapshot")
        return folder / "snapshot"

    register = promote = tag = None


@pytest.mark.parametrize(
    ("uri", "version"),
    [
        ("models:/generator/1", "1"),
        ("models:/generator/latest", "2"),
        ("models:/generator/Production", "1"),
        ("models:/generator/staging", "2"),
        ("models:/generator@champion", "1"),
    ],
)
def test_a_registered_model_by_version_stage_or_alias(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, uri: str, version: str
) -> None:
    registry = Registry(gallery.root / "model")
    opened = open_input(Wanted(uri), lambda name: registry, lambda done, total, note: None)  # type: ignore[arg-type, return-value]
    assert isinstance(opened, Model) and registry.asked == [version]
    assert opened.snapshot.sha256 == registry.versions()[0].snapshot_sha256


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("models:/generator/3", r"no 'models:/generator/3'. Versions of generator: 2 \(Staging, @challenger\), 1 "),
        ("models:/generator@best", r"no 'models:/generator@best'"),
        ("models:/generator", r"names no model: write models:/NAME/VERSION"),
        ("models:generator/1", r"names no model"),
    ],
)
def test_a_model_that_is_not_registered(gallery: Gallery, uri: str, said: str) -> None:
    registry = Registry(gallery.root / "model")
    with pytest.raises(UserError, match=said):
        open_input(Wanted(uri), lambda name: registry, lambda done, total, note: None)  # type: ignore[arg-type, return-value]


# ---------------------------------------------------------------- wrong use, and data that is refused


def broken(folder: Path) -> None:
    """Files that cannot be scored, beside `a.npy` and `b.npy` of 6 features each."""
    np.save(folder / "wide.npy", normal(0, 50, dim=9))
    np.save(folder / "nan.npy", np.where(np.eye(50, 6) > 0, np.nan, normal(0, 50)))
    np.save(folder / "constant.npy", np.ones((50, 6)))
    np.save(folder / "one.npy", normal(0, 1))
    np.save(folder / "five.npy", normal(0, 5))
    np.save(folder / "none.npy", normal(0, 0))
    np.save(folder / "huge.npy", normal(0, 50) * 1e160)
    np.save(folder / "largest.npy", np.sign(normal(0, 50)) * np.finfo(np.float64).max)
    np.save(folder / "whole.npy", np.ones((50, 6), np.int64))
    np.save(folder / "floats.npy", np.ones((50, 3, 8, 8), np.float32))
    np.save(folder / "grey.npy", pictures(0, 20)[0])
    np.save(folder / "few.npy", pictures(0, 15)[0])
    np.save(folder / "many.npy", pictures(0, 70)[0])
    np.save(folder / "large.npy", np.zeros((20, 9, 8), np.uint8))
    np.save(folder / "colour.npy", np.zeros((20, 8, 8, 3), np.uint8))
    np.save(folder / "no-images.npy", np.zeros((0, 8, 8), np.uint8))
    (folder / "empty").mkdir()
    image_folder(folder / "mixed", 0, 3)
    Image.new("L", (9, 9)).save(folder / "mixed" / "other.png")
    image_folder(folder / "classes", 0, 30)
    write_json(folder / "damaged" / "extractor.json", {"format": 1})


@pytest.mark.filterwarnings("error::RuntimeWarning")  # a person would see them beside the one paragraph
@pytest.mark.parametrize(
    ("a", "b", "asked", "error", "said"),
    [
        ("a.npy", "wide.npy", {}, UserError, r"differ in width: .*a.npy has 6 .*wide.npy has 9"),
        ("nan.npy", "b.npy", {}, DataRefused, r"features of 6 of 50 images of nan.npy .* not finite"),
        ("a.npy", "constant.npy", {}, DataRefused, r"All 50 images of .*constant.npy have the same features"),
        ("grey.npy", "large.npy", {}, DataRefused, r"All 20 images of .*large.npy are the same"),
        ("one.npy", "b.npy", {}, TooFewImages, r"1 image of .*one.npy would be measured, and at least 12"),
        ("a.npy", "five.npy", {}, TooFewImages, r"5 images of .*five.npy would"),
        ("none.npy", "b.npy", {}, DataRefused, r"none.npy holds no features"),
        ("a.npy", "b.npy", {"train": "one.npy"}, TooFewImages, r"one.npy has 1 image, .*--train.* at least 2 are"),
        (
            "grey.npy",
            "grey.npy",
            {"train": "few.npy"},
            TooFewImages,
            r"few.npy has 15 images, .*--train.* at least \d\d",
        ),
        (
            "grey.npy",
            "grey.npy",
            {"train": "many.npy", "heldout": "few.npy"},
            TooFewImages,
            r"few.npy has 15 .*heldout",
        ),
        ("whole.npy", "b.npy", {}, SourceRefused, r"int64 of shape \(50, 6\), which is neither images nor features"),
        ("floats.npy", "b.npy", {}, SourceRefused, r"Images are uint8"),
        ("no-images.npy", "b.npy", {}, SourceRefused, r"no-images.npy is empty"),
        ("colour.npy", "grey.npy", {}, UserError, r"colour.npy holds colour images and .*grey.npy grey ones"),
        ("large.npy", "grey.npy", {}, UserError, r"large.npy holds images of 9x8 .*grey.npy of 8x8"),
        ("empty", "b.npy", {}, SourceRefused, r"empty is empty"),
        ("mixed", "grey.npy", {}, SourceRefused, r"different sizes"),
        ("grey.npy", "grey.npy", {"extractor": "classifier"}, UserError, r"not a label.* --train"),
        ("missing.npy", "b.npy", {}, UserError, r"no file '.*missing.npy'"),
        ("missing", "b.npy", {}, UserError, r"no file or folder '.*missing'.*FILE.npz:KEY.*models:/"),
        ("a.npy", "grey.npy", {}, UserError, r"a.npy holds features and not images.*--extractor DIR"),
        ("a.npy", "b.npy", {"extractor": "classifier"}, UserError, r"Leave it out"),
        ("a.npy", "b.npy", {"metrics": ("fd_str",)}, UnknownName, r"no metric 'fd_str', did you mean 'fd_star'\?"),
        ("a.npy", "b.npy", {"metrics": ("",)}, UserError, r"--metrics has an empty name"),
        (
            "a.npy",
            "b.npy",
            {"metrics": ("copies",)},
            UserError,
            r"'copies' .* needs images of one size|'copies' .* needs training images \(--train\)",
        ),
        ("a.npy", "b.npy", {"metrics": ("copies",), "train": "b.npy"}, UserError, r"needs images of one size"),
        ("a.npy", "b.npy", {"metrics": ("class_coverage",)}, UserError, r"'class_coverage' cannot be measured here"),
        ("a.npy", "b.npy", {"heldout": "b.npy"}, UserError, r"--heldout .* --train"),
        ("a.npy", "b.npy", {"split": "test"}, UserError, r"Neither '.*a.npy' nor '.*b.npy' has a split 'test'"),
        ("a.npy", "b.npy", {"split": "train:test"}, UserError, r"is an array and has no split 'train'"),
        ("a.npy", "b.npy", {"split": "a:b:c"}, UserError, r"more than two parts"),
        (
            "grey.npy",
            "classes",
            {"extractor": "clasifier"},
            UserError,
            r"no extractor 'clasifier', did you mean 'classifier'\?",
        ),
        ("grey.npy", "classes", {"extractor": "custom:none.onnx"}, UserError, r"There is no file none.onnx"),
        ("grey.npy", "classes", {"extractor": "custom"}, UserError, r"write custom:FILE.onnx"),
        ("grey.npy", "classes", {"extractor": "pretext:x"}, UserError, r"write pretext alone"),
        ("grey.npy", "classes", {"extractor": "inception:/dev/zero"}, SourceRefused, r"/dev/zero is a device"),
        ("grey.npy", "classes", {"extractor": "inception:a.npy"}, DamagedFile, r"not the published Inception"),
        ("grey.npy", "classes", {"extractor": "damaged"}, DamagedFile, r"extractor.json"),
        ("grey.npy", "classes", {"extractor": "empty"}, UserError, r"empty is no pinned extractor"),
        ("models:/generator/1", "b.npy", {}, UserError, r"no registry of generator"),
        ("huge.npy", "b.npy", {}, DataRefused, r"huge.npy reach .*too large for float64"),
        ("b.npy", "largest.npy", {}, DataRefused, r"largest.npy reach .*too large for float64"),
    ],
)
def test_what_cannot_be_scored_is_told_in_one_sentence_or_two(
    given: Path,
    monkeypatch: pytest.MonkeyPatch,
    a: str,
    b: str,
    asked: dict[str, Any],
    error: type[Exception],
    said: str,
) -> None:
    broken(given)
    monkeypatch.chdir(given)
    with pytest.raises(error, match=said):
        scored(a, b, **asked)


def without_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever fits an extractor or looks through one fails."""

    def work(*arguments: object, **named: object) -> None:
        raise AssertionError("minutes of work")

    monkeypatch.setattr("ganops.stages.score_fitting._fit", work)
    monkeypatch.setattr("ganops.evaluation.extractors.Extractor.observe", work)


@pytest.mark.parametrize(
    ("a", "b", "asked", "said"),
    [
        (
            "bare.npy",
            "real",
            {"split": ":train", "train": "real", "metrics": ("copies", "fd")},
            "not among the training",
        ),
        ("bare.npy", "bare.npy", {"metrics": ("class_coverage",)}, "needs an extractor that knows classes"),
        ("bare.npy", "real", {"metrics": ("inception_score",)}, r"the Inception network \(--extractor inception\)"),
        ("bare.npy", "real", {"metrics": ("mifid",)}, r"inception\), and training images \(--train\)"),
        ("bare.npy", "one.npy", {}, r"All 120 images of .*one.npy are the same"),
        ("bare.npy", "real", {"split": ":test", "train": "one.npy"}, r"All 120 images of .*one.npy are the same"),
    ],
)
def test_what_cannot_be_scored_is_refused_before_the_work(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, a: str, b: str, asked: dict[str, Any], said: str
) -> None:
    np.save(gallery.root / "one.npy", np.repeat(pictures(3, 1)[0], 120, axis=0))
    monkeypatch.chdir(gallery.root)
    without_work(monkeypatch)
    with pytest.raises((UserError, DataRefused), match=said):
        scored(a, b, **asked)


def test_what_looks_at_pixels_alone_needs_no_extractor(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"split": ":test", "train": gallery.real}
    whole = scored(gallery.bare, gallery.real, cache=gallery.cache, **asked)
    without_work(monkeypatch)
    pixels = scored(gallery.bare, gallery.real, metrics=("copies", "memorisation"), **asked)
    assert pixels.metrics == {name: whole.metrics[name] for name in ("copies", "memorisation")}
    assert pixels.chosen is None and pixels.score == pixels.protocol.extractor == "pixels"
    assert [len(group.strips) for group in neighbour_groups(pixels)] == [2, 2]
    assert json.loads(json.dumps(pixels.to_json(), allow_nan=False))["protocol"]["dim"] == 0
    model = scored(gallery.root / "model", gallery.real, metrics=("copies",), num_images=100, **asked)
    assert set(model.metrics) == {"copies"} and model.notes == ()


def test_as_many_images_are_needed_as_the_metrics_that_are_asked_for_look_at(given: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        np.save(given / f"few-{name}.npy", normal(seed, 5, dim=2))
    few = given / "few-a.npy", given / "few-b.npy"
    assert set(scored(*few, metrics=("fd_star", "kid")).metrics) == {"fd_star", "kid"}
    with pytest.raises(TooFewImages, match=r"5 images .* at least 12 are needed on either side for recall"):
        scored(*few, metrics=("fd_star", "recall"))
    for count in (1, 0, -3):
        with pytest.raises(TooFewImages, match=f"{count} images? of .*a.npy would be measured, and at least 4 "):
            scored(given / "a.npy", given / "b.npy", num_images=count, metrics=("fd",))


# ---------------------------------------------------------------- what the picture shows


def test_each_image_of_a_stands_over_its_nearest_in_b(gallery: Gallery) -> None:
    found = scored(gallery.bare, gallery.real, split=":test", cache=gallery.cache, num_images=50)
    drawn, farthest = neighbour_groups(found)
    a, b = found.sides["a"], found.sides["b"]
    distances = np.square(a.features[:, None].astype(float) - b.features[None].astype(float)).sum(2)
    ours, nearest, second = drawn.strips
    columns = len(ours.images_u8)
    assert np.array_equal(ours.images_u8, shown(a, np.arange(columns)))
    ranks = distances.argsort(1)[:columns]
    assert np.array_equal(nearest.images_u8, shown(b, ranks[:, 0]))
    assert np.array_equal(second.images_u8, shown(b, ranks[:, 1]))
    assert np.array_equal(farthest.strips[0].images_u8, shown(a, distances.min(1).argsort()[::-1][:columns]))


def test_copies_of_training_images_come_first(gallery: Gallery, tmp_path: Path) -> None:
    train = read_image_set(open_source(str(gallery.real)), "train").images_u8[:, 0]
    fresh = pictures(9, 400)[0]  # more than could be looked at by drawing a few
    np.save(tmp_path / "a.npy", np.concatenate([fresh, train[:4]]))
    found = scored(tmp_path / "a.npy", gallery.real, split=":test", train=gallery.real, cache=gallery.cache)
    (suspects,) = (group for group in neighbour_groups(found) if group.title.startswith("Nearest to training"))
    ours, _, theirs = suspects.strips
    assert np.array_equal(ours.images_u8[:4], theirs.images_u8[:4])
    assert {image.tobytes() for image in ours.images_u8[:4]} == {image.tobytes() for image in train[:4]}


def test_images_of_a_model_are_made_again_to_be_shown(gallery: Gallery) -> None:
    asked: dict[str, Any] = {"split": "test", "train": gallery.real, "cache": gallery.cache, "num_images": 300}
    found = scored(gallery.root / "model", gallery.real, **asked)
    *_, suspects = neighbour_groups(found)
    made = next(generate(load_snapshot(gallery.root / "model").generator, 300, 0, 300)).numpy().astype(int)
    assert suspects.title.endswith("of 300")
    for image in suspects.strips[0].images_u8:
        assert np.abs(made - image).reshape(300, -1).max(1).min() <= 1, "rounded to one level or the next"


def test_features_have_nothing_to_show(given: Path) -> None:
    assert neighbour_groups(scored(given / "a.npy", given / "b.npy")) == []
