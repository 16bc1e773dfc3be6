from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ganops import config as configuration
from ganops.errors import ConfigError, UnknownName

ROOT = Path(__file__).resolve().parents[2]


def params() -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())


def changed(dotted: str, value: Any) -> dict[str, Any]:
    mapping = copy.deepcopy(params())
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
            "'candidates.lite.family' is 'stylegan', but input should be 'dcgan' or",
        ),
        ("data.split.select", 0.9, "'data.split.select' is 0.9, but input should be less than 0.5"),
        ("data.image_size", [4, 8], "'data.image_size.0' is 4"),
        ("train.kimg", 3, "unknown key 'train.kimg'"),
        ("candidates", {}, "'candidates'"),
        ("candidates.dcgan.gamma", 1.0, "batch norm"),
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
        ("validation.mode.allowed", [], "'validation.mode.allowed' is []"),
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


def test_an_unknown_candidate_names_those_that_exist() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'lite'.*dcgan, lite"):
        configuration.parse(params()).candidate("lit")


def test_a_configuration_is_frozen() -> None:
    config = configuration.parse(params())
    with pytest.raises(Exception, match="frozen"):
        config.seed = 1  # type: ignore[misc]
