from dataclasses import FrozenInstanceError

import pytest

from t2v.errors import ConfigError
from t2v.settings.config import (
    BLENDINGS,
    MAX_PROMPT_LENGTH,
    SCHEDULERS,
    SETTINGS,
    GenerationConfig,
    RefinerSettings,
)
from t2v.settings.declaration import brief, settings_of
from t2v.settings.sizes import fit_area, parse_size


REFINER_SETTINGS = settings_of(RefinerSettings)


def numbers_of(declared):
    return [name for name, one in declared.items() if one.kind in ("whole", "number")]


NUMBERS, REFINER_NUMBERS = numbers_of(SETTINGS), numbers_of(REFINER_SETTINGS)


def new_config(**settings):
    return GenerationConfig(**{"prompt": "a red star"} | settings)


@pytest.mark.parametrize(
    "name, value",
    [
        ("num_chunks", 0),
        ("num_chunks", 10_001),
        ("num_chunks", 1_000_000_000),
        ("num_chunks", 2.5),
        ("num_chunks", float("inf")),
        ("num_inference_steps", 0),
        ("num_inference_steps", 501),
        ("num_inference_steps", float("nan")),
        ("guidance_scale", 0.9),
        ("guidance_scale", 31),
        ("guidance_scale", float("inf")),
        ("seed", -5),
        ("seed", 2**32),
        ("seed", 0.5),
        ("seed", 10**400),
        ("apm_strength", -0.1),
        ("apm_strength", 9),
        ("apm_strength", 10**400),
        ("apm_strength", float("nan")),
    ],
)
def test_a_number_out_of_range_is_reported_with_the_range_and_the_value(name, value):
    low, high = SETTINGS[name].range
    with pytest.raises(ConfigError) as error:
        new_config(**{name: value})
    message = str(error.value)
    assert message.startswith(f"{name} must be ")
    assert f"from {low} to {high}" in message
    assert message.endswith(f"got {brief(value)}")
    assert len(message) < 200


@pytest.mark.parametrize("value", [True, False, None, "3", [3], 3j])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_of_the_wrong_type_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"^{name} must be"):
        new_config(**{name: value})


@pytest.mark.parametrize("name", NUMBERS)
def test_both_ends_of_a_range_are_allowed(name):
    for value in SETTINGS[name].range:
        assert getattr(new_config(**{name: value}), name) == value


@pytest.mark.parametrize("name", ["num_chunks", "num_inference_steps", "seed"])
def test_a_whole_float_becomes_an_integer(name):
    value = getattr(new_config(**{name: 7.0}), name)
    assert value == 7 and type(value) is int


@pytest.mark.parametrize("name", ["guidance_scale", "apm_strength"])
def test_an_integer_becomes_a_float_where_fractions_are_allowed(name):
    value = getattr(new_config(**{name: 2}), name)
    assert value == 2 and type(value) is float


@pytest.mark.parametrize("prompt", ["", " ", "\n\t "])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(ConfigError, match="prompt must not be empty"):
        new_config(prompt=prompt)


def test_a_negative_prompt_may_be_empty():
    assert new_config(negative_prompt="").negative_prompt == ""


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_a_prompt_that_is_too_long_is_refused(name):
    too_long = "a" * (MAX_PROMPT_LENGTH + 1)
    with pytest.raises(ConfigError, match=f"^{name} must have at most 2000 .* got 2001$"):
        new_config(**{name: too_long})


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
@pytest.mark.parametrize("value", [None, 3, b"a red star", ["a red star"]])
def test_a_prompt_of_the_wrong_type_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"^{name} must be text, got {type(value).__name__}$"):
        new_config(**{name: value})


@pytest.mark.parametrize("scheduler", ["DDIM", "euler", "", None, 3])
def test_an_unknown_scheduler_is_reported_with_the_known_ones(scheduler):
    with pytest.raises(ConfigError) as error:
        new_config(scheduler=scheduler)
    assert str(error.value).endswith(f"got {scheduler!r}")
    assert all(name in str(error.value) for name in SCHEDULERS)


@pytest.mark.parametrize("blending", ["Joint", "", None, 3, ["causal"]])
def test_an_unknown_blending_is_reported_with_the_known_ones(blending):
    with pytest.raises(ConfigError) as error:
        new_config(blending=blending)
    assert str(error.value) == f"blending must be one of {', '.join(BLENDINGS)}, got {blending!r}"


@pytest.mark.parametrize("value", [0, 1, None, "no"])
@pytest.mark.parametrize("name", ["use_cam", "refine"])
def test_a_switch_is_on_or_off(name, value):
    with pytest.raises(ConfigError, match=f"^{name} must be true or false, got "):
        new_config(**{name: value})


def test_settings_are_immutable():
    config = new_config()
    with pytest.raises(FrozenInstanceError):
        config.seed = 8


def new_refiner_settings(**settings):
    sizes = {"frame_size": (36, 52), "display_size": (72, 104)}
    numbers = {"num_inference_steps": 30, "start_timestep": 599, "guidance_scale": 7.5}
    return RefinerSettings(**sizes | numbers | settings)


@pytest.mark.parametrize("name", REFINER_NUMBERS)
@pytest.mark.parametrize("value", ["low", "high", None, True, "3", float("nan")])
def test_a_refiner_number_out_of_range_is_reported_with_the_range(name, value):
    low, high = REFINER_SETTINGS[name].range
    value = {"low": low - 1, "high": high + 1}.get(value, value)
    with pytest.raises(ConfigError, match=f"^{name} must be a .* from {low} to {high}, got "):
        new_refiner_settings(**{name: value})


@pytest.mark.parametrize("name", ["schedule", "prediction_type", "cut_rule"])
def test_an_unknown_refiner_choice_is_reported(name):
    with pytest.raises(ConfigError, match=f"^{name} must be one of .*, got 'magic'$"):
        new_refiner_settings(**{name: "magic"})


@pytest.mark.parametrize("name", ["frame_size", "display_size"])
@pytest.mark.parametrize("size", [64, (64,), (64, 0), (64, 5000), (64.0, 64), "64x64", (64, True)])
def test_an_invalid_refiner_size_is_reported(name, size):
    with pytest.raises(ConfigError, match=rf"^{name} must be \[height, width\], 16 to 4096 each, "):
        new_refiner_settings(**{name: size})


def test_at_most_two_refined_chunks_share_a_frame():
    assert new_refiner_settings(chunk_frames=24, overlap=12).overlap == 12
    with pytest.raises(ConfigError, match=r"^overlap must be at most half of chunk_frames=24, "):
        new_refiner_settings(chunk_frames=24, overlap=13)


def test_a_refiner_has_at_most_as_many_steps_as_timesteps():
    assert new_refiner_settings(start_timestep=30).num_inference_steps == 30
    with pytest.raises(ConfigError, match=r"^num_inference_steps must be at most start_timestep=9"):
        new_refiner_settings(start_timestep=9)


def test_scaling_the_start_is_on_or_off():
    with pytest.raises(ConfigError, match=r"^scale_start must be true or false, got 1$"):
        new_refiner_settings(scale_start=1)


@pytest.mark.parametrize(
    "num_frames, num_chunks", [(1, 1), (24, 1), (25, 2), (40, 2), (41, 3), (240, 15)]
)
def test_a_refined_chunk_adds_16_frames(num_frames, num_chunks):
    assert new_refiner_settings().num_chunks(num_frames) == num_chunks


@pytest.mark.parametrize(
    "size, multiple, fitted",
    [((64, 64), 1, (176, 176)), ((64, 64), 2, (176, 176)), ((90, 160), 2, (132, 234))],
)
def test_fit_area_keeps_the_proportions(size, multiple, fitted):
    assert fit_area(size, (176, 176), multiple) == fitted


@pytest.mark.parametrize(
    "size",
    [64, (64,), (64, 0), (64, 100), (64, 2048), (64.0, 64), "64x64", (64, True), (64, 64, 3)],
)
def test_an_invalid_frame_size_is_reported(size):
    with pytest.raises(
        ConfigError, match=r"^frame_size must be \[height, width\], multiples of 64 "
    ):
        new_config(frame_size=size)


def test_a_frame_size_may_be_a_list():
    assert new_config(frame_size=[64, 128]).frame_size == (64, 128)


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_text_that_is_not_utf_8_is_refused(name):
    with pytest.raises(ConfigError, match=f"^{name} must be text in UTF-8"):
        new_config(**{name: "a red \udcff star"})


@pytest.mark.parametrize("text, size", [("256x448", (256, 448)), (" 64 x 128 ", (64, 128))])
def test_a_size_can_be_written_as_text(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "256", "256x", "x448", "-1x64", "a" * 5000, "640000x64"])
def test_text_that_is_not_a_size_is_reported(text):
    with pytest.raises(ConfigError, match=r"^frame_size must be like 256x448") as error:
        parse_size(text)
    assert len(str(error.value)) < 200
