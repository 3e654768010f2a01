"""A baseline through the whole product: download, runs on disk, command line, page."""

import json
import threading
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from t2v import cli
from t2v.errors import CheckpointError, PresetError, RunError
from t2v.events import Chunk, Notice
from t2v.generator import Generator, stream_function
from t2v.media.reader import read_frames
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_segments
from t2v.runs.record import RunSettings
from t2v.runs.worker import Worker
from t2v.settings import presets
from t2v.ui.ablation import without_memories
from t2v.weights.install import install
from tests.support.processes import PATIENCE, started, wait_until
from tests.support.runs import finished, hashes
from tests.support.small_baselines import (
    DENOISERS,
    FRAME_SIZE,
    STREAMED,
    small_preset,
    write_published,
)


@pytest.fixture(scope="module", params=(*STREAMED, "freenoise"))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def preset(installed, name):
    return installed(name)


@pytest.fixture(scope="module")
def generator(preset, loaded, name):
    return Generator.from_baseline(preset, loaded(name))


@pytest.fixture
def settings(preset, name):
    # Chunks of a whole video leave quickly, one after another.
    num_chunks = 12 if name == "freenoise" else 3
    return RunSettings(
        config=preset.config(
            prompt="a red star", num_chunks=num_chunks, num_inference_steps=2, seed=5
        ),
        preset=name,
        fps=preset.fps,
        display_size=preset.display_size,
        chunking=preset.chunking,
    )


@pytest.fixture
def gate():
    """Open: chunks follow each other. Closed: the next one waits."""
    gate = threading.Event()
    gate.set()
    return gate


@pytest.fixture
def worker(generator, gate, tmp_path):
    def stream(*arguments):
        with closing(stream_function(generator)(*arguments)) as events:
            for event in events:
                yield event
                if isinstance(event, Chunk):
                    gate.wait(60)

    worker = Worker(lambda name: stream, tmp_path / "runs")
    yield worker
    worker.close()


def test_a_stopped_run_resumes_at_its_next_chunk_with_the_same_frames(worker, settings, gate):
    gate.clear()
    run_id, whole_id = worker.submit(settings), worker.submit(settings)
    for event in worker.watch(run_id):
        if hasattr(event, "sha256"):
            worker.commands.stop(run_id)
            break
    gate.set()
    list(worker.watch(run_id))
    assert (
        worker.record(run_id).state == "stopped"
        and len(hashes(worker, run_id)) < settings.config.num_chunks
    )
    worker.commands.resume(run_id)
    record = finished(worker, run_id)
    finished(worker, whole_id)
    assert record.num_frames == settings.chunking.num_frames(settings.config.num_chunks)
    assert hashes(worker, run_id) == hashes(worker, whole_id)


def test_redoing_a_chunk_changes_only_what_follows(worker, settings, name):
    """Nothing, where one seed is for the whole video."""
    run_id = worker.submit(settings)
    finished(worker, run_id)
    before = hashes(worker, run_id)
    worker.commands.redo(run_id, 2, seed=12)
    finished(worker, run_id)
    same = [one == other for one, other in zip(before, hashes(worker, run_id), strict=True)]
    assert same[:2] == [True, True]
    assert all(same[2:]) == (name == "freenoise")


def test_it_has_no_memory_that_an_ablation_could_leave_out(worker, settings, name):
    run_id = worker.submit(settings)
    record = finished(worker, run_id)
    with pytest.raises(RunError, match=f"the {name} preset has no memory that can be left out"):
        without_memories(record, "both memories")


@pytest.mark.slow
def test_a_killed_run_resumes_with_the_same_frames(worker, settings, preset, name, tmp_path):
    whole_id = worker.submit(settings)
    finished(worker, whole_id)
    folder = RunFolder.create(tmp_path / "killed", settings)
    program = ("crashing_baseline", name, preset.weights_folder, tmp_path / "killed")
    with started(*program) as app:
        wait_until(lambda: list(iter_segments(folder)) or app.poll() is not None)
    assert folder.read().state == "running"
    with started(*program) as app:
        assert app.wait(PATIENCE) == 0
    assert folder.read().state == "finished"
    stores = [
        one.frame_store(settings.chunking)
        for one in (folder, RunFolder(worker.runs_dir / whole_id))
    ]
    for index in range(settings.config.num_chunks):
        one, other = (store.read(settings.chunking.num_frames(index)) for store in stores)
        assert np.array_equal(one, other)


def test_the_command_line_makes_a_video(preset, name, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(presets, "list_presets", lambda: {name: preset})
    words = ["generate", "--preset", name, "--prompt", "a red star", "--steps", "1"]
    assert cli.main([*words, "--chunks", "2", "--out", str(tmp_path / "out.mp4")]) == 0
    num_frames = preset.chunking.num_frames(2)
    assert read_frames(tmp_path / "out.mp4").shape == (num_frames, *FRAME_SIZE, 3)
    sidecar = json.loads((tmp_path / "out.json").read_text())
    assert sidecar["preset"] == name
    network = DENOISERS.get(name, "unet")
    assert any(file.startswith(f"{network}/") for file in sidecar["weights"])
    assert f"{num_frames} frames" in capsys.readouterr().out


def test_settings_of_other_presets_are_named_and_not_used(generator, name):
    events = generator.stream(prompt="a red star", apm_strength=0.5, use_anchor=False)
    assert next(events) == Notice(f"Not used by the {name} preset: APM strength, Anchor.")
    events.close()


def test_it_cannot_be_refined(generator, name):
    with pytest.raises(PresetError, match=f"The {name} preset has no refiner"):
        generator.configure(prompt="a red star", refine=True)


def test_the_files_are_kept_as_they_are_published(preset, home):
    """Each repository's in its own folder, so that files of one name do not collide."""
    for source in preset.sources:
        kept, published = preset.weights_folder / source.into, home / source.repo
        config = next(iter(published.rglob("config.json"))).relative_to(published)
        assert (kept / config).samefile(published / config)


def test_a_repository_without_its_files_is_refused(home, name, tmp_path):
    """The model in the repository's own folder is missing, or the network is."""
    preset = small_preset(name, tmp_path / "weights" / name)
    empty = tmp_path / "home"
    empty.mkdir()
    write_published(empty, replace(preset, sources=preset.sources[:-1]))
    with pytest.raises(CheckpointError, match=f"offline, and not all .*{preset.sources[-1].repo}"):
        install(preset, weights_dir=empty, offline=True, say=lambda line: None)
    assert preset.unavailable.endswith(f"`longtake download {name}` gets them.")
