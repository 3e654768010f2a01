"""A setting is declared once: validation, command line, metadata and restoring follow from it."""

import argparse
import json
from dataclasses import dataclass
from typing import no_type_check

import pytest

from t2v.cli.arguments import add_settings, given, naming_options
from t2v.errors import ConfigError
from t2v.media.video import VideoWriter
from t2v.provenance import Provenance, describe, read_provenance
from t2v.settings.config import GenerationConfig
from t2v.settings.declaration import setting
from t2v.settings.presets import find_preset
from tests.support.fakes import paint


@no_type_check
@dataclass(frozen=True, slots=True, kw_only=True)
class Extended(GenerationConfig):
    """All settings, and one more: this declaration is all that is written for it."""

    motion: float = setting(
        1.0, kind="number", label="Motion", help="How fast things move.", range=(0.0, 4.0)
    )


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser()
    add_settings(parser, Extended)
    return parser


def test_the_command_line_has_the_option_with_its_help_and_range(parser):
    text = " ".join(parser.format_help().split())
    assert "--motion N How fast things move. (0.0 to 4.0)" in text


def test_the_option_reaches_the_config(parser):
    options = parser.parse_args(["--prompt", "a red star", "--motion", "2"])
    config = find_preset("shapes").config_of(Extended, given(options, Extended))
    assert (config.motion, config.num_inference_steps) == (2.0, 4)


def test_without_the_option_the_default_holds(parser):
    config = Extended(**given(parser.parse_args(["--prompt", "a red star"]), Extended))
    assert config.motion == 1.0


def test_a_value_out_of_range_is_refused_with_the_name_of_the_option(parser):
    options = parser.parse_args(["--prompt", "a red star", "--motion", "9"])
    with (
        pytest.raises(ConfigError, match=r"^--motion must be a number from 0\.0 to 4\.0, got 9$"),
        naming_options(Extended),
    ):
        Extended(**given(options, Extended))


def test_a_setting_for_other_surfaces_has_no_option():
    @no_type_check
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Hidden(GenerationConfig):
        motion: float = setting(
            1.0, kind="number", label="Motion", help="", range=(0.0, 4.0), surfaces=("page",)
        )

    parser = argparse.ArgumentParser()
    add_settings(parser, Hidden)
    assert "--motion" not in parser.format_help()
    assert "--prompt" in parser.format_help()


def test_video_and_sidecar_carry_it_and_give_it_back(tmp_path):
    config = Extended(prompt="a red star", motion=2.5)
    provenance = Provenance(config=config, preset="shapes")
    with VideoWriter(tmp_path / "a.mp4", fps=8, metadata=provenance.to_json()) as writer:
        writer.write(paint(1)[None])
    sidecar = tmp_path / "a.json"
    sidecar.write_text(json.dumps(describe(provenance, "a.json", {}, [])))
    for path in (tmp_path / "a.mp4", sidecar):
        assert read_provenance(path, Extended).config == config


def test_a_file_from_before_the_setting_has_its_default(tmp_path):
    path = tmp_path / "a.json"
    before = Provenance(config=GenerationConfig(prompt="a red star", seed=7), preset="shapes")
    path.write_text(json.dumps(before.to_json()))
    config = read_provenance(path, Extended).config
    assert (config.seed, config.motion) == (7, 1.0)


def test_a_version_without_the_setting_still_reads_the_file(tmp_path):
    path = tmp_path / "a.json"
    later = Provenance(config=Extended(prompt="a red star", seed=7, motion=3), preset="shapes")
    path.write_text(json.dumps(later.to_json()))
    assert read_provenance(path).config == GenerationConfig(prompt="a red star", seed=7)
