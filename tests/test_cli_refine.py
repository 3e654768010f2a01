"""`longtake refine`, and `longtake generate --refine`."""

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from t2v import cli
from t2v.errors import NotFiniteError
from t2v.events import Chunk
from t2v.media.reader import Video, read_frames
from t2v.media.video import VideoWriter, read_metadata
from t2v.pipeline import loading, refinement, refiner_loading, stack
from t2v.settings.config import RefinerSettings
from tests.support.odd_preset import install_odd_preset
from tests.support.small_refiner import PixelRefiner, config, new_refiner
from tests.support.small_stack import new_stack


SETTINGS = RefinerSettings(
    frame_size=(36, 52),
    display_size=(72, 104),
    num_inference_steps=2,
    start_timestep=599,
    guidance_scale=1.0,
)


@pytest.fixture
def preset(tmp_path, monkeypatch):
    """`odd`, a preset that can run and refine; its networks are small and random."""
    preset = install_odd_preset(tmp_path, refiner=SETTINGS)
    monkeypatch.setattr("t2v.settings.presets.list_presets", lambda: {"odd": preset})
    monkeypatch.setattr(loading, "load_stack", lambda preset, **_: new_stack())
    monkeypatch.setattr(
        refiner_loading, "load_refiner", lambda preset, **_: new_refiner(num_inference_steps=2)
    )
    return preset


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def refine(preset, folder):
    """Runs `longtake refine` on a file of the folder, into another."""

    def refine(video="in.mp4", *options, out="out.mp4", prompt="a red star"):
        given = [folder / video, "--preset", "odd", "--prompt", prompt, "--out", folder / out]
        return cli.main(["refine", *map(str, [*given, *options])])

    return refine


@pytest.fixture
def generate(preset, folder):
    def generate(*options):
        given = ["--preset", "odd", "--prompt", "a red star", "--out", folder / "a.mp4", *options]
        return cli.main(["generate", *map(str, given)])

    return generate


def write_video(path, num_frames=41, size=(38, 50), fps=Fraction(8)):
    with VideoWriter(path, fps=fps) as writer:
        writer.write(np.full((num_frames, *size, 3), 120, np.uint8))
    return path


def only_sentence(capsys):
    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.splitlines()
    return line


@pytest.mark.parametrize("num_frames", [1, 41])
def test_the_refined_video_has_as_many_frames_as_its_input(refine, folder, capsys, num_frames):
    write_video(folder / "in.mp4", num_frames)
    assert refine() == 0
    assert len(read_frames(folder / "out.mp4")) == num_frames
    assert capsys.readouterr().out.startswith(f"{folder / 'out.mp4'}: {num_frames} frames, ")


@pytest.mark.parametrize("fps", [Fraction(7), Fraction(30000, 1001)])
def test_the_frame_rate_is_kept(refine, folder, fps):
    write_video(folder / "in.mp4", 17, fps=fps)
    assert refine() == 0
    assert Video(folder / "out.mp4").fps == fps


@pytest.mark.parametrize(
    "size, refined", [((36, 52), (72, 104)), ((64, 64), (86, 86)), ((100, 26), (170, 44))]
)
def test_the_aspect_ratio_is_kept(refine, folder, size, refined):
    write_video(folder / "in.mp4", 3, size)
    assert refine() == 0
    assert read_frames(folder / "out.mp4").shape[1:3] == refined


def test_the_file_has_its_settings_as_metadata(refine, folder):
    write_video(folder / "in.mp4", 3)
    assert refine("in.mp4", "--seed", 5, "--blending", "joint") == 0
    expected = {"prompt": "a red star", "seed": 5, "blending": "joint"}
    assert expected.items() <= read_metadata(folder / "out.mp4").items()


def test_show_prints_no_generate_command_for_a_refined_file(refine, folder, capsys):
    write_video(folder / "in.mp4", 3)
    assert refine("in.mp4", "--seed", 5) == 0
    capsys.readouterr()
    assert cli.main(["show", str(folder / "out.mp4")]) == 2
    said = capsys.readouterr().err
    assert "made sharper" in said and "seed 5" in said


def test_metadata_can_be_left_out_of_a_refined_file(refine, folder):
    write_video(folder / "in.mp4", 3)
    assert refine("in.mp4", "--no-metadata") == 0
    assert read_metadata(folder / "out.mp4") == {}


def test_an_unknown_word_is_reported_and_the_video_made(refine, folder, capsys):
    write_video(folder / "in.mp4", 3)
    assert refine(prompt="a red elephant") == 0
    assert "The odd model does not know 'elephant'." in capsys.readouterr().err


def test_a_missing_file_is_reported(refine, folder, capsys):
    assert refine("nowhere.mp4") == 2
    assert only_sentence(capsys) == "longtake refine: there is no file nowhere.mp4"


@pytest.mark.parametrize("content", [b"", b"a red star", b"\0" * 5000], ids=["none", "text", "0"])
def test_a_file_that_is_not_a_video_is_reported(refine, folder, capsys, content):
    (folder / "in.mp4").write_bytes(content)
    assert refine() == 2
    assert only_sentence(capsys).startswith("longtake refine: in.mp4 cannot be read as a video: ")
    assert not (folder / "out.mp4").exists()


@pytest.mark.parametrize("size", [(14, 40), (20, 90)])
def test_a_size_that_cannot_be_refined_is_reported(refine, folder, capsys, size):
    write_video(folder / "in.mp4", 3, size)
    assert refine() == 2
    sentence = only_sentence(capsys)
    assert "in.mp4 must have sides of 16 to 4096 pixels, the longer one at most 4 " in sentence
    assert sentence.endswith(f"got {size[1]}x{size[0]}")


def test_a_video_that_is_too_long_is_reported(refine, folder, capsys, monkeypatch):
    monkeypatch.setattr(cli.refine, "MAX_FRAMES", 16)
    write_video(folder / "in.mp4", 17)
    assert refine() == 2
    assert only_sentence(capsys).endswith("in.mp4 must have at most 16 frames, got 17")


def test_the_input_video_is_not_overwritten(refine, folder, capsys):
    path = write_video(folder / "in.mp4", 3)
    before = path.read_bytes()
    assert refine("in.mp4", "--force", out="in.mp4") == 2
    assert "--out is the video that is read" in only_sentence(capsys)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "options, complaint",
    [
        (
            ["--blending", "magic"],
            "--blending must be one of causal, joint, shared_noise, ",
        ),
        (["--seed", "-5"], "--seed must be a whole number from 0 to 4294967295, got -5"),
        (["--preset", "shape"], "preset must be one of odd, got 'shape'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_invalid_setting_gives_one_sentence(refine, folder, capsys, options, complaint):
    write_video(folder / "in.mp4", 3)
    assert refine("in.mp4", *options) == 2
    assert complaint in only_sentence(capsys)


def test_a_preset_without_a_refiner_is_reported(refine, generate, preset, folder, capsys):
    write_video(folder / "in.mp4", 3)
    (preset.weights_folder / "refiner" / "config.json").unlink()
    for command in (refine, lambda: generate("--refine")):
        assert command() == 2
        sentence = only_sentence(capsys)
        assert "preset odd cannot refine: The weights of its refiner are not in " in sentence
    assert list(folder.iterdir()) == [folder / "in.mp4"]


def test_generate_writes_a_second_refined_file(generate, folder, capsys):
    assert generate("--refine") == 0
    assert read_frames(folder / "a.mp4").shape == (32, 40, 56, 3)
    assert read_frames(folder / "a-refined.mp4").shape == (32, 72, 104, 3)
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        str(folder / "a.mp4"),
        str(folder / "a-refined.mp4"),
    ]


def test_generate_refines_the_pixels_before_compression(generate, folder, monkeypatch):
    """No lossy file lies between the two stages, and the frames are not yet resized."""
    seen = []
    encode = stack.Refiner.encode

    def write_down(self, frames):
        seen.append(frames)
        return encode(self, frames)

    monkeypatch.setattr(stack.Refiner, "encode", write_down)
    assert generate("--refine", "--chunks", 3) == 0
    assert {frames.shape[1:] for frames in seen} == {(20, 28, 3)}
    assert sum(map(len, seen)) == 32


def test_without_refine_generate_writes_one_video(generate, folder):
    assert generate() == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a.json", "a.mp4"]


def test_an_existing_refined_file_is_not_overwritten(generate, folder, capsys):
    (folder / "a-refined.mp4").write_text("precious")
    assert generate("--refine") == 2
    assert only_sentence(capsys).endswith("a-refined.mp4 exists; --force overwrites it")
    assert [path.name for path in folder.iterdir()] == ["a-refined.mp4"]


def test_ctrl_c_keeps_both_files(generate, folder, monkeypatch):
    def interrupted(refiner, config, frames, state):
        yield from original(PixelRefiner(lambda x, t: x), config, frames, state)
        raise KeyboardInterrupt

    original = refinement.refine
    monkeypatch.setattr(refinement, "refine", interrupted)
    assert generate("--refine") == 130
    assert len(read_frames(folder / "a.mp4")) == len(read_frames(folder / "a-refined.mp4")) == 32


@pytest.mark.parametrize("num_chunks, num_frames", [(0, 0), (2, 32)])
def test_ctrl_c_keeps_the_refined_chunks(
    refine, folder, monkeypatch, capsys, num_chunks, num_frames
):
    def interrupted(*arguments):
        chunks = (event for event in original(*arguments) if isinstance(event, Chunk))
        yield from islice(chunks, num_chunks)
        raise KeyboardInterrupt

    original = refinement.refine
    monkeypatch.setattr(refinement, "refine", interrupted)
    write_video(folder / "in.mp4", 56)
    assert refine() == 130
    if num_frames:
        assert len(read_frames(folder / "out.mp4")) == num_frames
    else:
        assert not (folder / "out.mp4").exists()
        assert "no file was written" in only_sentence(capsys)


def test_a_failure_keeps_the_refined_chunks_and_says_where(refine, folder, monkeypatch, capsys):
    def failing(*arguments):
        chunks = (event for event in original(*arguments) if isinstance(event, Chunk))
        yield from islice(chunks, 2)
        raise NotFiniteError("no numbers in refined chunk 2")

    original = refinement.refine
    monkeypatch.setattr(refinement, "refine", failing)
    write_video(folder / "in.mp4", 56)
    assert refine() == 2
    assert len(read_frames(folder / "out.mp4")) == 32
    assert capsys.readouterr().err.splitlines()[-2:] == [
        f"kept {folder / 'out.mp4'}: the first 32 frames, 4.0 s",
        "longtake refine: no numbers in refined chunk 2",
    ]


def test_the_command_and_the_function_give_the_same_video(refine, folder, monkeypatch):
    write_video(folder / "in.mp4", 25, (36, 52))
    written = []
    write = VideoWriter.write

    def write_down(writer, frames):
        written.append(frames)
        write(writer, frames)

    monkeypatch.setattr(VideoWriter, "write", write_down)
    monkeypatch.setattr("t2v.media.images.resize", lambda frames, size: frames)
    assert refine("in.mp4", "--seed", 5) == 0
    events = refinement.refine(
        new_refiner(num_inference_steps=2), config(seed=5), [read_frames(folder / "in.mp4")]
    )
    expected = [event.frames for event in events if isinstance(event, Chunk)]
    assert np.array_equal(np.concatenate(written), np.concatenate(expected))
