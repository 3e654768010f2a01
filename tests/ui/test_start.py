"""A video that begins with an uploaded image or clip: checked, kept with its run, and told."""

import asyncio
import re
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from gradio.data_classes import FileData
from PIL import Image

from t2v.media.reader import read_frames
from t2v.media.video import VideoWriter
from t2v.provenance import read_provenance
from t2v.runs.folder import RunFolder, iter_folders
from t2v.runs.worker import Worker
from t2v.settings.presets import list_presets
from t2v.ui.start import begins_with_text, describe_abilities
from tests.support.fakes import (
    PaintedPreset,
    PaintingStream,
    opener,
    paint,
    painted_preset,
    read_number,
    read_numbers,
)
from tests.support.page import Page


class TextOrClip(PaintedPreset):
    takes_image = False


PRESETS = {
    "painted": painted_preset(),
    "whole": painted_preset(TextOrClip, name="whole", base="freenoise"),
    "strict": painted_preset(TextOrClip, name="strict"),
}


@pytest.fixture
def page(worker):
    return Page(worker, PRESETS)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """23 frames of the numbers 40 to 62, larger than those that are drawn."""
    path = tmp_path_factory.mktemp("clip") / "before.mp4"
    with VideoWriter(path, fps=8) as writer:
        frames = np.stack([paint(number) for number in range(40, 63)])
        writer.write(frames.repeat(3, axis=1).repeat(3, axis=2))
    return path


def upload(path):
    return FileData(path=str(path), orig_name=path.name)


def generate(page, path, **values):
    """What the page shows at the end, and the run's folder."""

    async def last():
        values_of_form = {"prompt": "a red star", "num_chunks": 3, "num_inference_steps": 2}
        values_of_form |= {"preset": "painted", "seed": 5, "start": upload(path)} | values
        return [shown async for shown in page.generate(**values_of_form)]

    every = asyncio.run(last())
    run_id = next(shown.run_id for shown in every if isinstance(shown.run_id, str))
    return every, RunFolder.open(page.worker.runs_dir, run_id)


def refused(page, path, **values):
    with pytest.raises(gr.Error) as error:
        generate(page, path, **values)
    assert list(iter_folders(page.worker.runs_dir)) == []  # it never waits
    return error.value.message


def numbers_of(folder):
    return read_numbers(read_frames(folder.video_path()))


def test_a_video_goes_on_from_the_end_of_an_uploaded_clip(page, clip):
    shown, folder = generate(page, clip)
    assert numbers_of(folder) == list(range(63, 63 + 32))
    told = next(one.facts for one in shown if isinstance(one.facts, str))
    assert re.search("Begins with</dt><dd>the end of a clip .SHA-256 [0-9a-f]{12}", told)
    made = read_provenance(folder.video_path())
    assert re.fullmatch("clip [0-9a-f]{64}", made.begins_with)


def test_a_video_begins_with_an_uploaded_image(page, tmp_path):
    Image.fromarray(paint(77)).save(tmp_path / "a.webp", lossless=True)
    _, folder = generate(page, tmp_path / "a.webp")
    assert numbers_of(folder)[:2] == [77, 78]
    assert folder.read().settings.begins_with.startswith("image ")


def test_another_process_regenerates_from_what_the_run_has_kept(page, clip, tmp_path):
    _, folder = generate(page, clip)
    page.worker.close()
    stream = PaintingStream()
    other = Worker(opener(stream), tmp_path / "runs")
    try:
        other.commands.redo(folder.id, 0, seed=9)
        list(other.watch(folder.id))
        frames = read_frames(folder.video_path())
        assert [read_number(frame) for frame in frames[:2]] == [(63, 9), (64, 9)]
    finally:
        other.close()


def damage(path):
    with np.load(path) as values:
        frames = values["frames"]
    np.savez(path, anchor=frames[0], frames=frames[::-1])


@pytest.mark.parametrize(
    "harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PK"), damage]
)
def test_a_run_whose_start_is_damaged_fails_with_a_sentence(page, clip, harm):
    _, folder = generate(page, clip)
    harm(folder.start_path)
    page.worker.commands.redo(folder.id, 0, seed=9)
    *_, end = page.worker.watch(folder.id)
    assert "start.npz" in end.message
    _, other = generate(page, clip)  # the next is made
    assert numbers_of(other)[0] == 63


def test_an_ablation_begins_with_the_same_clip(page, clip):
    _, folder = generate(page, clip)

    async def ablate():
        return [
            updates[page.stage.ablation.other_run]
            async for updates in page.ablation.ablate(folder.id, "both memories")
        ]

    other = RunFolder.open(page.worker.runs_dir, asyncio.run(ablate())[-1])
    assert other.read().settings.begins_with == folder.read().settings.begins_with
    assert numbers_of(other) == numbers_of(folder)


def test_what_cannot_be_used_is_refused_before_the_run_waits(page, clip, tmp_path):
    Image.fromarray(paint(1)).save(tmp_path / "a.png")
    text = tmp_path / "notes.png"
    text.write_text("no picture")
    short = tmp_path / "short.mp4"
    with VideoWriter(short, fps=8) as writer:
        writer.write(np.stack([paint(number) for number in range(11)]))
    assert "cannot begin with an image" in refused(page, tmp_path / "a.png", preset="strict")
    for path in (tmp_path / "a.png", clip):
        assert "cannot begin with an image or a clip" in refused(page, path, preset="whole")
    assert "cannot be read as an image" in refused(page, text)
    assert "is not there" in refused(page, tmp_path / "gone.png")
    assert "at least 2.0 s" in refused(page, short)
    assert "Fit must be one of crop, letterbox, got 'stretch'" in refused(page, clip, fit="stretch")
    assert "Image or clip must be one uploaded file" in refused(page, clip, start=str(clip))


def test_a_clip_of_hours_is_not_decoded(page, tmp_path, monkeypatch):
    video = SimpleNamespace(num_frames=24 * 301, fps=24)
    monkeypatch.setattr("t2v.ui.start.Video", lambda path: video)
    assert "may have 5 minutes" in refused(page, tmp_path / "long.mkv")


def test_the_page_shows_what_is_used_of_an_upload(page, clip, tmp_path):
    def look(path, fit="crop", preset="painted", size=""):
        chosen = path and upload(path)
        return asyncio.run(page.generation.starts.look(chosen, fit, preset, size))

    Image.fromarray(paint(1)).save(tmp_path / "a.png")
    assert "begins with this picture" in look(tmp_path / "a.png")
    assert "the last 2.0 s are used" in look(clip)
    wide = look(tmp_path / "a.png", "letterbox", size="64x128")
    assert wide != look(tmp_path / "a.png", "crop", size="64x128")
    assert 'role="alert"' in look(tmp_path / "a.png", preset="strict")
    assert look(None) == describe_abilities(PRESETS["painted"])


def test_each_preset_says_what_it_can_begin_with():
    said = {name: describe_abilities(preset) for name, preset in list_presets().items()}
    assert "An image becomes the first picture" in said["shapes"]
    assert "An image" in said["helios"] and "1.4 s" in said["helios"]
    assert "cannot begin with an image." in said["modelscope"]
    assert "cannot begin with an image or a clip" in said["freenoise"]


def test_what_a_foreign_run_began_with_is_no_markup():
    assert begins_with_text("") == ""
    assert begins_with_text("image " + "ab" * 32) == "an image (SHA-256 abababababab)"
