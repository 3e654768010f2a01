"""Examples: what they show is what they make."""

import json
import shutil

import gradio as gr
import numpy as np
import pytest
from PIL import Image, ImageSequence

from t2v.events import Chunk
from t2v.generator import Generator
from t2v.media.images import resize
from t2v.media.reader import read_frames
from t2v.provenance import read_provenance
from t2v.settings.presets import list_presets, named_preset
from t2v.ui.examples import (
    EXAMPLES,
    describe_schedule,
    examples_html,
    preset_examples,
    read_examples,
    showcase,
)
from tests.support.fakes import painted_preset
from tests.support.page import Page


SHAPES = named_preset("shapes")
with_pictures = pytest.mark.parametrize(
    "preset", [named_preset("storybook"), SHAPES], ids=lambda preset: preset.name
)
MAX_BYTES = 300_000  # of one file: they are parts of the page


def chosen(page, preset, index):
    event = gr.SelectData(None, {"index": index, "value": preset})
    return page.settings(page.form_events.choose_example(event))


def frames_of(picture) -> np.ndarray:
    with Image.open(picture) as image:
        return np.stack([np.asarray(one.convert("RGB")) for one in ImageSequence.Iterator(image)])


@with_pictures
def test_every_example_of_a_bundled_preset_has_a_small_picture_of_its_defaults(preset):
    examples = preset_examples(preset)
    assert [example.prompt for example in examples] == list(preset.examples)
    for example in examples:
        assert example.config == preset.config(prompt=example.prompt)
        assert example.picture.stat().st_size < 10_000
        assert example.moving.stat().st_size < 50_000
        assert len(frames_of(example.moving)) >= 16
    for path in EXAMPLES.rglob("*.*"):
        assert path.stat().st_size < MAX_BYTES


@with_pictures
def test_the_video_of_the_first_view_is_one_of_the_examples(preset):
    [example] = [example for example in preset_examples(preset) if example.video]
    assert read_provenance(example.video).config == example.config
    assert len(read_frames(example.video)) == 88
    text = showcase(preset)
    assert "data:video/mp4;base64," in text and example.prompt in text
    assert showcase(painted_preset()) == ""


@pytest.mark.parametrize("name", list(list_presets()))
def test_the_example_of_a_schedule_has_words_that_the_preset_knows(name):
    preset = named_preset(name)
    schedule = describe_schedule(preset).split("`")[1]
    first, second = (change.text for change in preset.config(prompt=schedule).prompts)
    assert {first, second} <= set(preset.examples) and first != second


@pytest.mark.parametrize("name", list(list_presets()))
def test_examples_are_buttons_with_alternative_texts(name):
    preset = named_preset(name)
    html = examples_html(preset)
    assert f'data-preset="{name}"' in html  # a click says whose example it was
    assert html.count("<button") == len(preset.examples)
    for prompt in preset.examples:
        assert prompt in html
        assert (f'<img alt="{prompt}"' in html) == (name in ("shapes", "storybook"))


def test_text_of_presets_is_never_html():
    assert "<b>" not in examples_html(painted_preset(examples=("<b>a star</b>",)))


def test_an_example_without_a_picture_fills_in_its_prompt_alone(worker):
    page = Page(worker, {"painted": painted_preset()})
    assert chosen(page, "painted", 1) == {"prompt": "two blue rings"}


def test_an_example_with_a_picture_fills_in_all_that_the_picture_depends_on(worker):
    page = Page(worker, {"shapes": SHAPES})
    values = chosen(page, "shapes", 3)
    config = SHAPES.config(prompt=SHAPES.examples[3])
    assert values["prompt"] == config.prompt
    assert (values["seed"], values["randomize_seed"]) == (config.seed, False)
    assert values["num_inference_steps"] == config.num_inference_steps
    assert values["num_chunks"] == config.num_chunks


def test_an_example_that_is_damaged_or_of_another_version_is_left_out(tmp_path):
    folder = shutil.copytree(EXAMPLES / "shapes", tmp_path / "shapes")
    values = json.loads((folder / "examples.json").read_text())
    values["examples"][0]["settings"]["scheduler"] = "of another version"
    (folder / "examples.json").write_text(json.dumps(values))
    (folder / "1-moving.webp").unlink()
    assert list(read_examples(folder)) == list(SHAPES.examples[2:])
    assert read_examples(tmp_path / "absent") == {}


@pytest.mark.slow
@with_pictures
def test_pictures_are_what_their_settings_make(preset):
    generator, examples = Generator.load(preset), preset_examples(preset)[:2]
    shown = [frames_of(example.moving)[:16].astype(float) for example in examples]
    for number, example in enumerate(examples):
        [frames] = [
            event.frames
            for event in generator.stream(example.config, num_chunks=1)
            if isinstance(event, Chunk)
        ]
        drawn = resize(frames, shown[number].shape[1:3]).astype(float)
        own, other = (abs(drawn - picture).mean() for picture in (shown[number], shown[1 - number]))
        assert own < 8 < other
