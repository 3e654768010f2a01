"""`longtake benchmark` on the command line: refused at once, and with runs of the page."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from t2v import cli
from t2v.cli.benchmark import check_base
from t2v.cli.measured_runs import video_of_run
from t2v.errors import PresetError, RunError
from t2v.media.video import VideoWriter
from t2v.runs.folder import RunFolder
from t2v.runs.record import RunSettings
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import list_presets


ROOT = Path(__file__).parent.parent.parent


def sentence(capsys, *options):
    """What the command says when it is refused."""
    assert cli.main(["benchmark", *map(str, options)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    return line.removeprefix("longtake benchmark: ")


@pytest.mark.parametrize(
    "options, complaint",
    [
        (["table2"], "SUITE must be one of table1, conditioning, apm, blending, stability, "
         "stagnation, context, long, sanity, all; got 'table2'"),
        (["apm", "--preset", "shape"], f"preset must be one of {', '.join(list_presets())}, "
         "got 'shape'"),
        (["apm", "--flow", "farneback"], "--flow must be one of dis, raft, got 'farneback'"),
        (["apm", "--flow", "raft"], "--flow raft and --flow-weights FILE belong together: give "
         "both"),
        (["apm", "--arms", "cam,gen-l"], "--arms must be of cam, no-apm, real, shuffled, frozen; "
         "got gen-l"),
        (["all", "--arms", "camm"], None),
        (["apm", "--prompts", "51"], "--prompts must be a whole number from 1 to 50, got 51"),
        (["apm", "--prompts", "-1"], "--prompts must be a whole number from 1 to 50, got -1"),
        (["apm", "--prompts", "no.txt"], "--prompts: no.txt cannot be read: No such file or "
         "directory"),
        (["apm", "--chunks", "1"], "--chunks must be a whole number from 3 to 10000, got 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(capsys, tmp_path, options, complaint):
    out = tmp_path / "bench"
    said = sentence(capsys, *options, "--out", out)
    assert said == complaint if complaint else said.endswith("; got camm")
    assert not out.exists()


@pytest.mark.parametrize(
    "option, file",
    [
        (["--clip"], "`hf download laion/CLIP"),
        (["--lpips"], "`curl -O https://download.pytorch.org/models/alexnet"),
        (["--flow", "raft", "--flow-weights"], "`curl -O https://download.pytorch.org/models/raft"),
    ],
)
def test_weights_of_a_metric_that_are_missing_are_named_before_any_video(
    capsys, tmp_path, option, file
):
    said = sentence(capsys, "apm", *option, tmp_path / "none", "--out", tmp_path / "bench")
    assert f"needs {tmp_path / 'none'}" in said and file in said
    assert not (tmp_path / "bench").exists()


def test_a_preset_without_memories_is_refused():
    with pytest.raises(PresetError, match="svd has no memories that could be compared"):
        check_base(list_presets()["svd"])
    check_base(list_presets()["shapes"])
    check_base(list_presets()["helios"])


def test_a_refusal_loads_no_torch():
    """So that what is wrong is said at once."""
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from t2v.cli import main; sys.exit(main(['benchmark', 'apm', '--chunks', '1']))"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert (process.returncode, process.stderr) == (
        2,
        "longtake benchmark: --chunks must be a whole number from 3 to 10000, got 1\n",
    )


@pytest.fixture
def run_folder(tmp_path):
    """A run of 4 chunks, of which none is made yet."""
    config = GenerationConfig(prompt="a red star", num_chunks=4)
    settings = RunSettings(config=config, preset="shapes", fps=8, display_size=(20, 28))
    return RunFolder.create(tmp_path, settings)


def chunk(index):
    return np.full((8 if index else 16, 20, 28, 3), 10 * index, np.uint8)


def test_a_run_is_measured_from_its_stored_frames(run_folder, tmp_path):
    store = run_folder.frame_store(run_folder.read().settings.chunking)
    for index, start in enumerate((0, 16, 24)):  # the fourth chunk is not there yet
        store.save(start, chunk(index))
    video = video_of_run(tmp_path, run_folder.id[:6])
    assert (video.name, video.prompt) == (run_folder.id, "a red star")
    assert (video.note, video.boundaries) == ("frames without loss", [16, 24])
    np.testing.assert_array_equal(video.read(), np.concatenate([chunk(i) for i in range(3)]))


def test_a_run_without_stored_frames_is_measured_from_its_file(run_folder, tmp_path):
    with VideoWriter(run_folder.video_path(), fps=8) as writer:
        writer.write(np.concatenate([chunk(0), chunk(1)]))
    video = video_of_run(tmp_path, run_folder.id)
    assert (video.note, video.boundaries) == ("compressed frames (H.264)", [16])
    assert len(video.read()) == 24


def test_a_run_without_frames_is_refused(run_folder, tmp_path):
    with pytest.raises(RunError, match="has no frames yet"):
        video_of_run(tmp_path, run_folder.id)
    with pytest.raises(RunError, match="there is no run 'zz'"):
        video_of_run(tmp_path, "zz")
