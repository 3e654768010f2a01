"""The Python API: t2v.Generator."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

import t2v
from t2v.errors import ConfigError, MediaError, PresetError
from t2v.events import Chunk, ResumeState, StepDone
from t2v.generator import Generator
from t2v.media.images import hash_frames
from t2v.media.reader import read_frames
from t2v.media.video import read_metadata
from t2v.settings.presets import Preset
from tests.support.fakes import (
    PaintedRefiner,
    PaintingStream,
    is_yellow,
    paint,
    painted_preset,
    read_numbers,
    refuse_start,
)


SETTINGS = {"prompt": "a red star", "num_chunks": 3, "num_inference_steps": 2}


@pytest.fixture
def refiners():
    """The refiners that were loaded."""
    return []


@pytest.fixture
def generator(refiners):
    def load_refiner():
        refiners.append(PaintedRefiner())
        return lambda config, pieces, state: refiners[-1](pieces, state)

    return Generator(painted_preset(), PaintingStream(), load_refiner, refuse_start)


def chunks_of(events):
    return [event for event in events if isinstance(event, Chunk)]


def test_importing_the_package_and_the_api_loads_no_model_library():
    code = (
        "import sys, t2v; assert 't2v.generator' not in sys.modules; "
        "from t2v import Generator; assert not {'torch', 'gradio', 'av'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert t2v.Generator is Generator
    with pytest.raises(AttributeError, match="NoSuchName"):
        t2v.NoSuchName  # noqa: B018


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["generate", "--prompt", "x", "--out", "a.mp4", "--steps", "0"], "--steps must be "),
        (["generate", "--prompt", "x", "--out", "a.avi"], "--out must end in .mp4"),
        (["generate", "--prompt", "x", "--out", "a.mp4", "--memory", "tiny"], "--memory must be"),
        (["generate", "--out", "a.mp4"], "say what to show with --prompt"),
        (["refine", "no.mp4", "--prompt", "x", "--out", "a.mp4"], "there is no file no.mp4"),
        (["app", "--host", "0.0.0.0"], "add --login"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options_are_refused_before_torch_and_gradio_are_imported(arguments, complaint):
    code = (
        "import sys; from t2v.cli import main; status = main(sys.argv[1:]); "
        "print(status, *{'torch', 'gradio'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code, *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["2"]
    assert complaint in process.stderr


def test_load_refuses_an_unknown_preset():
    with pytest.raises(PresetError, match=r"preset must be one of .*shapes"):
        Generator.load("shape")


def test_stream_yields_steps_and_chunks(generator):
    events = list(generator.stream(**SETTINGS))
    assert sum(isinstance(event, StepDone) for event in events) == 6
    frames = np.concatenate([chunk.frames for chunk in chunks_of(events)])
    assert read_numbers(frames) == list(range(32))


def test_settings_override_the_preset_and_the_config(generator):
    config = generator.configure(prompt="a red star")
    assert (config.num_chunks, config.num_inference_steps) == (6, 4)
    config = generator.configure(config, num_chunks=2)
    assert (config.num_chunks, config.num_inference_steps) == (2, 4)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"num_chunks": 0}, "num_chunks must be a whole number"),
        ({"num_chunk": 3}, "unknown settings num_chunk"),
        ({"prompt": ""}, "prompt must not be empty"),
    ],
)
def test_stream_checks_settings_when_it_is_called(generator, settings, complaint):
    config = generator.configure(**SETTINGS)
    for call in (
        lambda: generator.stream(**SETTINGS | settings),
        lambda: generator.stream(config, **settings),
        lambda: generator.save("a.mp4", **SETTINGS | settings),
    ):
        with pytest.raises(ConfigError, match=complaint):
            call()


def test_a_preset_without_a_refiner_refuses_to_refine():
    preset = painted_preset(Preset, refiner=None)
    generator = Generator(preset, PaintingStream(), PaintedRefiner, refuse_start)
    with pytest.raises(PresetError, match="cannot refine"):
        generator.stream(**SETTINGS, refine=True)


def test_the_refiner_is_loaded_once_and_only_when_it_is_needed(generator, refiners):
    list(generator.stream(**SETTINGS))
    assert refiners == []
    for _ in range(2):
        list(generator.stream(**SETTINGS, refine=True))
    assert len(refiners) == 1


def test_refined_chunks_come_between_those_of_the_preview(generator):
    chunks = chunks_of(generator.stream(**SETTINGS | {"num_chunks": 8}, refine=True))
    stages = [chunk.stage == "refinement" for chunk in chunks]
    assert stages.index(True) < len(stages) - 1 - stages[::-1].index(False)
    refined = np.concatenate([chunk.frames for chunk in chunks if chunk.stage == "refinement"])
    assert read_numbers(refined) == list(range(72))
    assert is_yellow(refined)


def test_joint_blending_refines_after_the_whole_preview(generator):
    config = generator.configure(**SETTINGS, refine=True, blending="joint")
    chunks = chunks_of(generator.stream(config))
    stages = [chunk.stage == "refinement" for chunk in chunks]
    assert stages == sorted(stages)
    refined = np.concatenate([chunk.frames for chunk in chunks if chunk.stage == "refinement"])
    assert read_numbers(refined) == list(range(32))


@pytest.mark.parametrize("blending", ["causal", "joint"])
def test_a_resumed_video_continues_and_refines_the_frames_that_exist(generator, blending):
    config = generator.configure(**SETTINGS, refine=True, blending=blending)
    drawn = chunks_of(generator.stream(replace(config, refine=False)))[:2]
    frames = [chunk.frames for chunk in drawn]
    memory = t2v.events.Memory(cond_frames=frames[-1][-8:], anchor_frame=paint(0))
    resume = ResumeState(
        num_chunks=2, memory=memory, refiner=None, read_frames=lambda first: iter(frames[first:])
    )
    chunks = chunks_of(generator.stream(config, resume=resume))
    assert [chunk.index for chunk in chunks if chunk.stage != "refinement"] == [2]
    refined = np.concatenate([chunk.frames for chunk in chunks if chunk.stage == "refinement"])
    assert read_numbers(refined) == list(range(32))


def test_closing_a_stream_stops_the_work(generator):
    events = generator.stream(**SETTINGS)
    next(events)
    events.close()
    assert generator._draw.num_closed == 1


def test_save_writes_the_video_its_refined_video_and_the_sidecar(generator, tmp_path):
    saved = generator.save(tmp_path / "a.mp4", **SETTINGS, refine=True)
    assert [file.path.name for file in saved.files] == ["a.mp4", "a-refined.mp4"]
    assert [file.num_frames for file in saved.files] == [32, 32]
    assert saved.preview.seconds == 4.0
    assert len(read_frames(saved.refined.path)) == 32
    assert read_metadata(saved.preview.path)["prompt"] == "a red star"
    sidecar = json.loads(saved.sidecar.read_text())
    assert tuple(sidecar["chunks"]) == saved.preview.chunk_hashes
    assert tuple(sidecar["refined_chunks"]) == saved.refined.chunk_hashes
    first = next(iter(chunks_of(generator.stream(**SETTINGS))))
    assert saved.preview.chunk_hashes[0] == hash_frames(first.frames)


def test_save_overwrites_and_can_leave_the_metadata_out(generator, tmp_path):
    (tmp_path / "a.mp4").write_text("old")
    saved = generator.save(str(tmp_path / "a.mp4"), **SETTINGS, write_metadata=False)
    assert saved.sidecar is saved.refined is None
    assert list(tmp_path.iterdir()) == [tmp_path / "a.mp4"]
    assert read_metadata(tmp_path / "a.mp4") == {}


@pytest.mark.parametrize(("name", "error"), [("a.avi", ConfigError), ("no/a.mp4", MediaError)])
def test_save_checks_the_path_before_the_work(generator, tmp_path, name, error):
    with pytest.raises(error):
        generator.save(tmp_path / name, **SETTINGS)
    assert generator._draw.num_steps_done == 0


def test_ctrl_c_keeps_the_finished_chunks_and_their_hashes(tmp_path):
    stream = PaintingStream()

    def interrupted(config, resume):
        yield from islice(stream(config, resume), 6)  # two chunks of two steps
        raise KeyboardInterrupt

    generator = Generator(painted_preset(), interrupted, PaintedRefiner, refuse_start)
    with pytest.raises(KeyboardInterrupt):
        generator.save(tmp_path / "a.mp4", **SETTINGS)
    assert len(read_frames(tmp_path / "a.mp4")) == 24
    assert len(json.loads((tmp_path / "a.json").read_text())["chunks"]) == 2


def test_an_error_keeps_the_finished_chunks_too(tmp_path):
    stream = PaintingStream(fails_at=1, error=MediaError("broken"))
    generator = Generator(painted_preset(), stream, PaintedRefiner, refuse_start)
    with pytest.raises(MediaError, match="broken"):
        generator.save(tmp_path / "a.mp4", **SETTINGS)
    assert len(read_frames(tmp_path / "a.mp4")) == 16
