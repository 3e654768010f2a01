"""Videos that begin with an image or a clip: read, fitted, and gone on from."""

from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from t2v import cli
from t2v.cli.start import read_start
from t2v.errors import ConfigError, FileError
from t2v.events import Chunk, Start
from t2v.generator import Generator
from t2v.media.reader import read_frames
from t2v.media.video import VideoWriter
from t2v.pipeline.helios_loading import load_helios
from t2v.pipeline.helios_start import memory_of_start
from t2v.pipeline.start import begin
from t2v.starting import read_clip, read_image
from tests.support.odd_preset import install_odd_preset
from tests.support.small_helios import FRAME_SIZE, small_helios_preset, write_small_helios
from tests.support.small_stack import FRAME_SIZE as STACK_SIZE
from tests.support.small_stack import new_stack


RED, BLUE = (200, 30, 40), (30, 40, 200)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return small_helios_preset(write_small_helios(tmp_path_factory.mktemp("helios")))


@pytest.fixture(scope="module")
def stack(preset):
    return load_helios(preset, device="cpu")


def write_clip(path, num_frames, fps, size=(32, 48)):
    """Frames that grow brighter, one step a frame."""
    with VideoWriter(path, fps=fps) as writer:
        for number in range(num_frames):
            writer.write(np.full((1, *size, 3), 20 + 2 * number, np.uint8))
    return path


def halves(path, **options):
    """Red on the left, blue on the right, twice as wide as high."""
    pixels = np.empty((40, 80, 3), np.uint8)
    pixels[:, :40], pixels[:, 40:] = RED, BLUE
    Image.fromarray(pixels).save(path, **options)
    return path


def moving(num_frames, size=FRAME_SIZE):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (num_frames, *size, 3), np.uint8)


def test_a_wide_picture_is_cropped_around_its_middle(tmp_path):
    start = read_image(halves(tmp_path / "a.png"), (32, 32))
    assert start.is_image and start.frames.shape == (1, 32, 32, 3)
    assert tuple(start.anchor[16, 2]) == RED and tuple(start.anchor[16, -2]) == BLUE


def test_or_it_is_shown_whole_between_bars(tmp_path):
    frame = read_image(halves(tmp_path / "a.png"), (32, 32), "letterbox").anchor
    assert not frame[:7].any() and not frame[-7:].any()
    assert tuple(frame[16, 2]) == RED and tuple(frame[16, -2]) == BLUE


def test_a_picture_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    frame = read_image(halves(tmp_path / "a.png", exif=exif), (64, 32)).anchor
    assert tuple(frame[4, 16]) == RED and tuple(frame[-4, 16]) == BLUE


def test_what_is_transparent_becomes_black(tmp_path):
    Image.new("RGBA", (8, 8), (255, 255, 255, 0)).save(tmp_path / "a.png")
    assert not read_image(tmp_path / "a.png", (8, 8)).anchor.any()


@pytest.mark.parametrize("name, message", [("a.txt", "as an image"), ("none.png", "is not there")])
def test_what_is_no_picture_is_refused_in_a_sentence(tmp_path, name, message):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(FileError, match=f"^{name} .*{message}"):
        read_image(tmp_path / name, (32, 32))


def test_a_very_large_picture_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (14_000, 5_000)).save(tmp_path / "large.png")
    with pytest.raises(FileError, match="at most 67108864 pixels in all, got 14000x5000"):
        read_image(tmp_path / "large.png", (32, 32))


def test_there_are_two_ways_to_fit(tmp_path):
    with pytest.raises(ConfigError, match="fit must be one of crop, letterbox, got 'stretch'"):
        read_image(halves(tmp_path / "a.png"), (32, 32), "stretch")


def brightness(start):
    return [round(float(frame.mean())) for frame in start.frames]


def test_the_end_of_a_clip_and_its_first_frame_are_read(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", 30, fps=8)
    start, _ = read_clip(clip, (16, 16), "crop", fps=8, num_frames=5)
    assert start.anchor.mean() == pytest.approx(20, abs=3)
    assert brightness(start) == pytest.approx([70, 72, 74, 76, 78], abs=3)


@pytest.mark.parametrize("fps, num_frames", [(8, 30), (4, 15), (16, 60), (24, 90)])
def test_a_clip_is_played_at_the_rate_of_the_video(tmp_path, fps, num_frames):
    clip = write_clip(tmp_path / "a.mp4", 30, fps=8)
    start, _ = read_clip(clip, (16, 16), "crop", fps=fps, num_frames=200)
    assert len(start.frames) == num_frames
    assert brightness(start)[-1] == pytest.approx(78, abs=3)


def test_helios_remembers_an_image_as_its_anchor_and_a_still(preset, stack):
    config = preset.config(prompt="a red star", num_chunks=1, num_inference_steps=3)
    frame = moving(1)
    memory = memory_of_start(stack, config, Start(frame[0], frame))
    assert memory.history.shape == (1, 16, 19, 8, 16)
    assert not memory.history[:, :, :-1].any()  # one latent of the still
    # A little noise, as the authors add: between 0.111 and 0.135 of it.
    plain = stack.autoencoder.encode(torch.from_numpy(frame)[None]).numpy()
    share = np.std(memory.anchor - plain * (1 - 0.123)) / np.std(plain)
    assert 0.01 < share < 0.4
    assert np.array_equal(
        memory.anchor, memory_of_start(stack, config, Start(frame[0], frame)).anchor
    )


def test_helios_remembers_the_last_latents_of_a_clip(preset, stack):
    config = preset.config(prompt="a red star", num_chunks=1, num_inference_steps=3)
    frames = moving(70)
    memory = memory_of_start(stack, config, Start(frames[0], frames))
    later = Start(frames[0], frames[4:])  # whole chunks up to the last frame: the same ones
    assert np.array_equal(memory.history, memory_of_start(stack, config, later).history)
    assert not memory.history[:, :, 0].any() and memory.history[:, :, 1].any()  # 2 * 9 latents


def test_helios_goes_on_from_a_clip(preset, stack):
    generator = Generator.from_helios(preset, stack)
    config = preset.config(prompt="a red star", num_chunks=1, num_inference_steps=3)
    frames = moving(33)

    def drawn(start):
        events = generator.stream(config, start=start)
        return [event.frames for event in events if isinstance(event, Chunk)]

    [one], [other], [without] = map(
        drawn, (Start(frames[0], frames), Start(frames[0], frames[::-1].copy()), None)
    )
    assert one.shape == (33, *FRAME_SIZE, 3)
    assert not np.array_equal(one, other) and not np.array_equal(one, without)


def test_a_clip_that_is_too_short_is_refused(preset, stack):
    config = preset.config(prompt="a red star", num_inference_steps=3)
    frames = moving(32)
    with pytest.raises(ConfigError, match="at least 33 frames, and has 32"):
        memory_of_start(stack, config, Start(frames[0], frames))
    with pytest.raises(ConfigError, match="must have 64 x 128 pixels"):
        memory_of_start(stack, config, Start(frames[0, ::2], frames[:, ::2]))


@pytest.fixture(scope="module")
def small():
    return replace(new_stack(), image_first=True)


@pytest.fixture
def shapes_config():
    from t2v.settings.config import GenerationConfig

    return GenerationConfig(prompt="a red star", num_chunks=2, num_inference_steps=1, seed=3)


def test_the_papers_stack_takes_the_last_16_frames_as_its_first_chunk(small, shapes_config):
    frames = moving(20, STACK_SIZE)
    start = Start(frames[0], frames)
    first, second = [e for e in begin(small, shapes_config, start) if isinstance(e, Chunk)]
    assert np.array_equal(first.frames, frames[-16:])
    assert (first.index, second.index, second.start_frame) == (0, 1, 16)
    with pytest.raises(ConfigError, match="at least 16 frames, and has 15"):
        begin(small, shapes_config, Start(frames[0], frames[:15]))


def test_an_image_takes_the_place_of_the_one_that_is_drawn(small, shapes_config):
    one = replace(shapes_config, num_chunks=1)

    def first(image):
        events = begin(small, one, Start(image, image[None]))
        return next(event.frames for event in events if isinstance(event, Chunk))

    image = moving(1, STACK_SIZE)[0]
    assert np.array_equal(first(image), first(image.copy()))
    assert not np.array_equal(first(image), first(255 - image))


def test_a_first_chunk_from_text_alone_takes_no_image(small, shapes_config):
    image = moving(1, STACK_SIZE)
    with pytest.raises(ConfigError, match=r"cannot begin with an image.* It can go on from a clip"):
        begin(replace(small, image_first=False), shapes_config, Start(image[0], image))


def make(tmp_path, *options):
    words = ["generate", "--preset", "shapes", "--prompt", "a red star moving left", "--chunks"]
    return cli.main([*words, "2", "--steps", "1", "--out", str(tmp_path / "out.mp4"), *options])


def test_the_command_line_goes_on_from_a_clip(tmp_path, capsys):
    clip = write_clip(tmp_path / "clip.mp4", 20, fps=8)
    assert make(tmp_path, "--video", str(clip)) == 0
    frames = read_frames(tmp_path / "out.mp4")
    assert len(frames) == 24
    levels = [float(frame.mean()) for frame in frames[:16]]
    assert levels == pytest.approx([28 + 2 * number for number in range(16)], abs=4)
    # Its settings alone do not make it again.
    like = ["generate", "--like", str(tmp_path / "out.json"), "--out", str(tmp_path / "b.mp4")]
    assert cli.main(like) == 2
    assert "began with a clip; give the same again with --video" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, message",
    [
        (["--fit", "crop"], "--fit says how --image or --video are fitted"),
        (["--video", "none.mp4"], "none.mp4"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(tmp_path, capsys, options, message):
    assert make(tmp_path, *options) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes, option, message",
    [
        ({"base": "freenoise"}, "--video", "cannot begin with an image or a clip: it draws the"),
        ({"base": "freenoise"}, "--image", "cannot begin with an image or a clip: it draws the"),
        ({}, "--image", "cannot begin with an image: it can go on from a clip"),
    ],
)
def test_what_the_preset_cannot_begin_with_is_refused_before_anything_is_read_or_loaded(
    tmp_path, changes, option, message
):
    preset = install_odd_preset(tmp_path, **changes)
    options = {"image": None, "video": None, "fit": None, option[2:]: tmp_path / "none"}
    with pytest.raises(ConfigError, match=f"^the odd preset {message}"):
        read_start(Namespace(**options), preset, preset.config(prompt="a red star"))


def test_a_short_clip_is_refused_before_anything_is_loaded(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Generator, "load", lambda *_, **__: pytest.fail("networks were loaded"))
    assert make(tmp_path, "--video", str(write_clip(tmp_path / "a.mp4", 9, fps=8))) == 2
    assert "--video must have at least 16 frames for the shapes preset (2.0 s)" in (
        capsys.readouterr().err
    )
