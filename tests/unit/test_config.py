from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from ganops import config as configuration
from ganops.errors import ConfigError, UnknownName
from ganops.models import FAMILIES
from ganops.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]


@cache
def read_once() -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())


def params() -> dict[str, Any]:
    return copy.deepcopy(read_once())


def changed(dotted: str, value: Any) -> dict[str, Any]:
    mapping = params()
    *sections, key = dotted.split(".")
    section = mapping
    for part in sections:
        section = section[part]
    section[key] = value
    return mapping


def test_the_commented_params_name_every_key_and_its_default() -> None:
    written = configuration.parse(params())
    assert written == configuration.Config(candidates=written.candidates)
    for section, model in configuration.Config.model_fields.items():
        assert section in params(), f"params.yaml does not show '{section}'"
        if hasattr(model.annotation, "model_fields"):
            assert set(params()[section]) == set(model.annotation.model_fields), section


@pytest.mark.parametrize(
    ("dotted", "value", "said"),
    [
        ("sed", 1, "unknown key 'sed', did you mean 'seed'?"),
        ("data.image_sise", [8, 8], "did you mean 'image_size'?"),
        ("candidates.lite.gama", 1, "did you mean 'gamma'?"),
        ("candidates.lite.gamma", -1, "'candidates.lite.gamma' is -1"),
        (
            "candidates.lite.family",
            "stylegan",
            "'candidates.lite.family' is 'stylegan', but input should be 'conv_flat', 'dense_dcgan'",
        ),
        ("candidates.lite.family", "dcgann", "'lite' or 'r3gan' (did you mean 'dcgan'?)."),
        ("candidates.lite.objective", "relativ", "or 'relativistic' (did you mean 'relativistic'?)."),
        ("candidates.lite.width", 2, "'candidates.lite.width' is 2, but input should be greater than or equal to 4"),
        ("train.resident", "maybe", "'train.resident' is 'maybe', but input should be 'auto', true or false"),
        ("train.resident", 1, "'train.resident' is 1, but must be auto, true or false"),
        ("train.resident", 0, "'train.resident' is 0, but"),
        ("train.resident", -0.0, "'train.resident' is -0.0, but"),
        ("train.resident", None, "'train.resident' is null, but"),
        ("train.device", "tpu", "'train.device' is 'tpu', but must be auto, cpu, cuda, or cuda:"),
        ("train.device", "cuda:01", "from 0 to 99"),
        ("train.device", "cuda:0000", "from 0 to 99"),
        ("train.device", "cuda:256", "from 0 to 99"),
        ("train.device", "cuda:١", "from 0 to 99"),
        ("reference.extractor", "clasifier", "(did you mean 'classifier'?)"),
        (
            "reference.extractor",
            "custom",
            "'reference': extractor custom needs custom.onnx (the file) and custom.sha256",
        ),
        ("reference.inception.tap", 2047, "'reference.inception.tap' is '2047', but input should be '64', '192'"),
        ("reference.custom.sha256", "abc", "'reference.custom.sha256' is 'abc', but must be the 64 hexadecimal digits"),
        ("reference.custom.preprocessing", {"mean": [0.1, 0.2]}, "mean must have one number, or as many as there are"),
        ("reference.custom.preprocessing", {"range": [1, 1]}, "range has the same number twice"),
        ("data.image_size", [8, 257], "'data.image_size.1' is 257"),
        ("data.split.select", 0.9, "'data.split.select' is 0.9, but input should be less than 0.5"),
        ("data.image_size", [4, 8], "'data.image_size.0' is 4"),
        ("train.kimg", 3, "unknown key 'train.kimg', which belongs to a candidate (known here: device,"),
        ("candidates.lite.batch_size", 3, "unknown key 'candidates.lite.batch_size', which belongs to the section 't"),
        ("candidates.lite.learning_rate", 1e-3, "did you mean 'generator_lr' and 'discriminator_lr'?"),
        ("candidates.lite.lr", 1e-3, "did you mean 'generator_lr' and 'discriminator_lr'?"),
        ("candidates.lite.GAMMA", 1, "did you mean 'gamma'?"),
        ("candidates.lite.family", "LITE", "(did you mean 'lite'?)"),
        ("candidates.lite.preset", "28x28-cpu", "did you mean '28x28-grey-cpu'?"),
        ("candidates.lite.preset", "Digits-CPU", "did you mean 'digits-cpu'?"),
        (
            "candidates",
            {},
            "'candidates' is empty, but must be a section that holds one section for each candidate.",
        ),
        ("candidates.lite.augment", "color", "is 'color', but must be a list, in square brackets: write [color]."),
        ("candidates.lite.augment", "color,cutout", "in square brackets: write [color, cutout]."),
        ("candidates.lite.augment", None, "is null, but must be a list, in square brackets."),
        ("candidates.lite.betas", 0.5, "is 0.5, but must be a list, in square brackets, such as [0.5, 0.999]."),
        ("candidates.lite.betas", [0.5, 0.9, 0.9], "is [0.5, 0.9, 0.9], but must have at most 2 values, not 3."),
        ("data.image_size", 28, "'data.image_size' is 28, but must be a list, in square brackets: write [28, 28]."),
        ("validation.mode.allowed", "L", "but must be a list, in square brackets, such as [1, L, P, RGB, RGBA]."),
        ("candidates.lite.conditional", "yes", "is 'yes', but must be true or false, written so and without quotes."),
        ("train.device", None, "'train.device' is null, but must be text."),
        ("reference.custom.onnx", "", "'reference.custom.onnx' is '', but must not be empty."),
        ("model.name", 65 * "x", "but must have at most 64 characters."),
        (
            "candidates.lite.burn_in",
            {"generator_lr": 1e-9, "gamma": 99},
            "'candidates.lite.burn_in': generator_lr and gamma would have no effect without kimg, over which",
        ),
        ("candidates.lite.warm_up_kimg", 601, "warm_up_kimg 601 is longer than the training, kimg 600, so that"),
        (
            "candidates.lite",
            {"family": "sngan", "objective": "hinge", "spectral_norm": False},
            "'candidates.lite': spectral_norm cannot be false with family sngan, whose discriminator always has it;",
        ),
        ("candidates.lite.objective", "wgan", "but input should be 'minimax'"),
        ("candidates.dcgan.gamma", 1.0, "'candidates.dcgan': gamma must be 0 with family dcgan: its discriminator"),
        ("candidates.dcgan.burn_in", {"kimg": 9, "gamma": 1.0}, "burn_in.gamma must be 0 with family dcgan: its dis"),
        ("candidates.dcgan.objective", "wasserstein", "slope is bounded; set spectral_norm: true."),
        ("candidates.lite.objective", "wasserstein", "set penalty: gp with gamma: 10, or spectral_norm: true"),
        ("candidates.lite.optimizer", "sgd", "betas and burn_in.beta2 belong to adam and adamw"),
        ("candidates.lite.momentum", 0.5, "momentum belongs to optimizer sgd; with adam set betas"),
        ("candidates.lite.weight_decay", 0.1, "weight_decay above 0 and optimizer adamw belong together"),
        ("candidates.lite.optimizer", "adamw", "weight_decay above 0 and optimizer adamw belong together"),
        ("candidates.lite.burn_in", {"gama": 1.0}, "unknown key 'candidates.lite.burn_in.gama', did you mean 'gamma'?"),
        ("candidates.lite.augment", ["colour"], "'candidates.lite.augment.0' is 'colour', but input should be 'color'"),
        ("candidates.lite.discriminator_steps", 0, "'candidates.lite.discriminator_steps' is 0"),
        ("train.guard", {"max_rolbacks": 1}, "did you mean 'max_rollbacks'?"),
        ("candidates.lite.preset", "cifar-cpus", "'candidates.lite': there is no preset 'cifar-cpus', did you mean"),
        ("candidates.lite.preset", 3, "there is no preset '3' (presets: digits-cpu, "),
        ("candidates.lite.preset", {}, "'candidates.lite': preset must be a name (presets: digits-cpu, "),
        ("candidates.lite.preset", ["digits-cpu"], "'candidates.lite': preset must be a name (presets: digits-cpu, "),
        ("candidates.lite", None, "'candidates.lite' is null, but must be a section with `family: …` and `objective:"),
        ("candidates", None, "'candidates' is null, but must be a section that holds one section for each candidate."),
        ("candidates", {None: {}}, "the key null in 'candidates' is no name"),
        ("candidates.lite.3", 4, "unknown key 'candidates.lite.3'"),
        ("train", {7: 1}, "the key 7 in 'train' is no name: keys are words."),
        ("data", None, "'data' is null, but must be a section with `image_size: …`."),
        (
            "candidates.lite",
            {"family": "lite", "objective": "hinge", "penalty": "r1"},
            "no effect with gamma 0; set gamma",
        ),
        (
            "candidates.lite",
            {
                "family": "lite",
                "objective": "wasserstein",
                "penalty": "gp",
                "gamma": 10,
                "burn_in": {"kimg": 5, "gamma": 0},
            },
            "burn_in.gamma 0 takes it away",
        ),
        ("train.micro_batch", 0, "'train.micro_batch' is 0"),
        ("seed", "many", "'seed' is 'many'"),
        ("gate.alpha", float("nan"), "'gate.alpha' is nan"),
        ("seed", True, "'seed' is true, but input should be a valid integer"),
        ("seed", "3", "'seed' is the text '3': write 3"),
        ("seed", 3.0, "'seed' is 3.0: write 3"),
        ("seed", 3.5, "'seed' is 3.5, but input should be a valid integer"),
        ("gate.alpha", False, "'gate.alpha' is false"),
        ("gate.min_improvement", "1e-3", "'gate.min_improvement' is the text '1e-3': write 1.0e-3, without quotes"),
        ("data.channels", True, "'data.channels' is true, but must be a whole number"),
        ("data.channels", 2, "'data.channels' is 2, but input should be 1 or 3"),
        ("git.commit", "no", "'git.commit' is 'no'"),
        ("data.image_size", [8], "'data.image_size.1' is missing"),
        ("data.image_size", [8, True], "'data.image_size.1' is true"),
        ("validation.size.min", [28, 5000], "'validation.size': min (5000) is greater than max (4096)"),
        ("validation.brightness.min", 255, "'validation.brightness': min (255) is greater than max (254)"),
        ("validation.contrast.max", 0.5, "'validation.contrast': min (1) is greater than max (0.5)"),
        ("validation.label_balance.min_share", 0.95, "min_share (0.95) is greater than max_share (0.9)"),
        ("validation.mode.allowed", [], "'validation.mode.allowed' is [], but must have at least 1 value, not 0."),
        ("validation.mode.allowed", ["L", "RBG"], "'validation.mode.allowed.1' is 'RBG', but input should be '1', 'L'"),
        ("candidates.lite.kimg", 1e300, "'candidates.lite': kimg is 1e+300, but must be from 0.001 (one image) to"),
        ("candidates.lite.kimg", 1e-9, "'candidates.lite': kimg is 1e-09, but"),
        ("train.evaluate_every_kimg", 1e-9, "'train': evaluate_every_kimg is 1e-09, but"),
        ("evaluate.num_images", 10**12, "'evaluate.num_images' is 1000000000000, but input should be less than"),
        ("gate.num_images", 10**12, "less than or equal to 1000000"),
        ("train.evaluate_images", 10**12, "'train': evaluate_images is 1000000000000, but must be at most 1000000"),
        ("reference.epochs", 10**12, "less than or equal to 10000"),
        ("data", {"by": 1}, "unknown key 'data.by'"),
        ("data", [1, 2], "'data' is [1, 2], but"),
    ],
)
def test_a_mistake_names_field_value_and_what_is_allowed(dotted: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        configuration.parse(changed(dotted, value))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    for jargon in ("tuple", "dictionary", "boolean", "after validation", "valid string"):
        assert jargon not in str(raised.value)


def test_of_many_mistakes_the_first_are_said_and_how_many_more() -> None:
    wrong = {"family": "dcgan", "objective": "hinge", "gamma": 1}
    with pytest.raises(ConfigError) as raised:
        configuration.parse({"candidates": {f"c{number}": wrong for number in range(50)}})
    assert str(raised.value).count("gamma must be 0") == 5
    assert str(raised.value).endswith("; and 45 more mistakes.")


LONG = 100_000
"""Characters: more digits than Python writes of a number."""


@pytest.mark.parametrize(
    ("dotted", "value"),
    [
        ("candidates.lite.preset", LONG * "x"),
        ("candidates.lite.preset", int(LONG * "f", 16)),
        ("candidates.lite.family", LONG * "x"),
        ("candidates.lite.augment", 1000 * ["x"]),
        ("candidates.lite", {LONG * "x": 1}),
        ("data", {f"key{number}": 1 for number in range(1000)}),
        ("data", dict.fromkeys(range(1000), 1)),
        ("train.device", [LONG * "x", [LONG * "x"]]),
        ("train.resident", int(LONG * "f", 16)),
        ("seed", int(LONG * "f", 16)),
        ("seed", LONG * "0" + "3"),
        ("gate.alpha", LONG * "9"),
    ],
    ids=range(12),
)
def test_what_is_shown_of_a_mistake_is_short(dotted: str, value: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        configuration.parse(changed(dotted, value))
    assert len(str(raised.value)) < 3000


def floats_of(section: type[BaseModel], at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Where each number with a fraction may stand: the section's keys, the field, and how a value is put into it."""
    for name, field in section.model_fields.items():
        of_candidates = get_args(field.annotation)[-1:]
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from floats_of(field.annotation, (*at, name))
        elif name == "candidates":
            yield from floats_of(get_args(of_candidates[0])[0], (*at, name, "lite"))
        elif "float" in str(field.annotation):
            yield at, name, len(get_args(field.annotation)) if "tuple" in str(field.annotation) else 0


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_every_number_is_finite(value: float) -> None:
    fields = list(floats_of(configuration.Config))
    written = params()
    assert len(fields) > 40 and (("train", "guard"), "fd_factor", 0) in fields
    assert (("candidates", "lite"), "betas", 2) in fields
    for at, name, length in fields:
        section = mapping = copy.deepcopy(written)
        for part in at:
            section = section.setdefault(part, {})
        section[name] = length * [value] if length else value
        with pytest.raises(ConfigError) as raised:
            configuration.parse(mapping)
        assert f"'{'.'.join((*at, name))}" in str(raised.value)


@pytest.mark.parametrize(
    "keys",
    [
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "momentum": 0.5},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "adam"},
    ],
)
@pytest.mark.parametrize("name", ["digits-cpu", "digits-gpu"])
def test_another_optimizer_leaves_the_presets_keys_of_its_own_behind(name: str, keys: dict[str, Any]) -> None:
    candidate = configuration.parse({"candidates": {"a": {"preset": name, **keys}}}).candidate("a")
    kept = keys["optimizer"] != "sgd"
    assert (candidate.betas == PRESETS[name]["betas"]) is kept
    assert candidate.burn_in.beta2 == (PRESETS[name].get("burn_in", {}).get("beta2") if kept else None)
    assert candidate.gamma == PRESETS[name]["gamma"]
    assert configuration.CandidateConfig.model_validate(candidate.model_dump()) == candidate


def test_what_is_written_beside_another_optimizer_is_refused_with_a_preset_too() -> None:
    with pytest.raises(ConfigError, match=r"betas and burn_in\.beta2 belong to adam"):
        configuration.parse({"candidates": {"a": {"preset": "digits-cpu", "optimizer": "sgd", "betas": [0.1, 0.9]}}})


@pytest.mark.parametrize(
    "keys",
    [
        {"objective": "wasserstein", "penalty": "gp", "gamma": 10.0},
        {"objective": "wasserstein", "spectral_norm": True},
        {"family": "sngan", "objective": "wasserstein"},
        {"family": "bn_conv_gan", "objective": "minimax", "optimizer": "sgd", "momentum": 0.5},
        {"optimizer": "adamw", "weight_decay": 0.1, "mixed_batch": True, "gamma": 1.0},
        {"objective": "wasserstein", "penalty": "gp", "gamma": 10.0, "burn_in": {"kimg": 0, "gamma": 0}},
        {"penalty": "r1", "gamma": 0},
        {"penalty": "r1", "burn_in": {"kimg": 5, "gamma": 1.0}},
        {"kimg": 1},
        {"kimg": 10, "warm_up_kimg": 10},
        {"family": "sngan"},
        {"family": "sngan", "spectral_norm": True},
        {"spectral_norm": False},
        {"burn_in": {"generator_lr": None}},
    ],
)
def test_combinations_that_work_are_accepted(keys: dict[str, Any]) -> None:
    candidate = configuration.CandidateConfig.model_validate({"family": "lite", "objective": "hinge"} | keys)
    assert configuration.CandidateConfig.model_validate(candidate.model_dump()) == candidate


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_candidate_that_says_its_gamma(name: str) -> None:
    candidate = configuration.parse({"candidates": {"a": {"preset": name}}}).candidate("a")
    assert candidate.preset == name
    assert candidate.gamma > 0
    assert FAMILIES[candidate.family].promotable
    assert configuration.CandidateConfig.model_validate(candidate.model_dump()) == candidate


def test_the_candidates_own_keys_hold_over_its_presets() -> None:
    keys = {"preset": "cifar-gpu", "width": 32, "burn_in": {"kimg": 10}}
    candidate = configuration.parse({"candidates": {"a": keys}}).candidate("a")
    assert (candidate.width, candidate.gamma, candidate.burn_in.kimg, candidate.burn_in.beta2) == (32, 0.05, 10, 0.99)


def test_the_families_are_those_of_the_models() -> None:
    assert set(configuration.FAMILIES) == set(FAMILIES)
    assert {name for name, family in FAMILIES.items() if family.batch_norm} == configuration.BATCH_NORM_FAMILIES
    assert {name for name, family in FAMILIES.items() if family.spectral_norm} == configuration.SPECTRAL_NORM_FAMILIES
    assert {name for name, family in FAMILIES.items() if not family.promotable} == configuration.BASELINE_FAMILIES


@pytest.mark.parametrize(
    ("family", "promotable", "expected"),
    [("lite", None, True), ("lite", False, False), ("mlp_gan", None, False), ("mlp_gan", True, True)],
)
def test_a_candidate_may_be_promoted_as_it_says_or_as_its_family_does(
    family: str, promotable: bool | None, expected: bool
) -> None:
    keys = {"family": family, "objective": "hinge", "promotable": promotable}
    assert configuration.CandidateConfig.model_validate(keys).may_be_promoted is expected


def test_a_mistake_in_a_combination_does_not_print_the_whole_section() -> None:
    with pytest.raises(ConfigError) as raised:
        configuration.parse(changed("candidates.dcgan.gamma", 1.0))
    assert "'candidates.dcgan': gamma must be 0" in str(raised.value) and "z_dim" not in str(raised.value)


@pytest.mark.parametrize(("one", "other"), [("lite", "Lite"), ("wide_lite", "wide-lite")])
def test_names_that_would_share_a_folder_or_a_page_are_refused(one: str, other: str) -> None:
    mapping = params()
    lite = mapping["candidates"]["lite"]
    with pytest.raises(ConfigError, match=f"the names '{one}' and '{other}' differ only"):
        configuration.parse(mapping | {"candidates": {one: lite, other: lite}})


def test_whole_numbers_may_stand_for_others_and_lists_for_pairs() -> None:
    config = configuration.parse(changed("gate.first.max_fd", 7) | {"data": {"image_size": [8, 16], "channels": 3}})
    assert config.gate.first.max_fd == 7.0
    assert (config.data.image_size, config.data.channels) == ((8, 16), 3)


def test_a_tap_may_be_written_as_a_number() -> None:
    written = configuration.parse(changed("reference.inception.tap", 768))
    assert written.reference.inception.tap == "768"


def test_an_unknown_candidate_names_those_that_exist() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'lite'.*dcgan, lite"):
        configuration.parse(params()).candidate("lit")


def test_a_configuration_is_frozen() -> None:
    config = configuration.parse(params())
    with pytest.raises(Exception, match="frozen"):
        config.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "lock", ["file", "env:GANOPS_LOCK", "postgresql://ganops@db.example:5432/locks", "host=db dbname=locks user=ganops"]
)
def test_the_promotion_lock_is_a_file_or_a_dsn(lock: str) -> None:
    assert configuration.parse(changed("promotion.lock", lock)).promotion.lock == lock


@pytest.mark.parametrize(
    "lock",
    [
        "postgresql://me:s3cret@db/locks",
        "postgres://me:s3cret@db/locks",
        "postgresql://me:s3/cr et@db/locks",
        "postgresql://db/locks?user=me&password=s3cret",
        "host=db password = s3cret",
        "host=db sslpassword=s3cret",
    ],
)
def test_a_password_has_no_place_in_params(lock: str) -> None:
    with pytest.raises(ConfigError, match=r"PGPASSWORD or a pgpass file.*env:NAME") as raised:
        configuration.parse(changed("promotion.lock", lock))
    assert "s3cret" not in str(raised.value)
