"""What files say of how a video was made, and that this makes it again."""

import json
import shlex
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from t2v import __version__, cli
from t2v.errors import ConfigError, MediaError, RunError
from t2v.events import Notice
from t2v.generator import open_stream
from t2v.media.video import VideoWriter, read_metadata
from t2v.provenance import MAX_BYTES, Provenance, describe, read_provenance
from t2v.runs.export import write_bundle
from t2v.runs.folder import RunFolder
from t2v.runs.record import RunSettings
from t2v.runs.worker import Worker
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import find_preset
from t2v.weight_hashes import hash_weights
from tests.support.fakes import PaintingStream, opener, paint, settings


CONFIG = GenerationConfig(prompt="ein roter Stern, 'groß'", seed=7, num_chunks=2, use_cam=False)


@pytest.fixture
def write(tmp_path):
    """Writes a file with one frame, or with a text; gives its path."""

    def write(name, content):
        path = tmp_path / name
        if isinstance(content, str):
            path.write_text(content)
        else:
            with VideoWriter(path, fps=8, metadata=content) as writer:
                writer.write(paint(1)[None])
        return path

    return write


@pytest.mark.parametrize("size", [None, (64, 128)])
def test_settings_are_restored_from_a_video_and_from_its_sidecar(write, size):
    provenance = Provenance(config=replace(CONFIG, frame_size=size), preset="shapes")
    assert read_provenance(write("video.mp4", provenance.to_json())) == provenance
    sidecar = describe(provenance, "video.json", {}, ["a", "b"])
    assert read_provenance(write("video.json", json.dumps(sidecar))) == provenance


def test_unknown_keys_of_a_later_version_are_ignored(write):
    provenance = Provenance(config=CONFIG, preset="shapes", version="99.0")
    values = provenance.to_json() | {"camera": "pan left"}
    assert read_provenance(write("video.json", json.dumps(values))) == provenance


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("{", MediaError),
        ("[" * 100_000, MediaError),
        ("[]", MediaError),
        ("3", MediaError),
        ("{}", MediaError),
        (" " * 6_000_000, MediaError),
        ('{"prompt": "a star"}', ConfigError),
        ('{"prompt": ["a star"], "preset": "shapes", "version": "1"}', ConfigError),
        ('{"prompt": "a star", "preset": {}, "version": "1"}', ConfigError),
        ('{"prompt": "a", "preset": "shapes", "version": "1", "seed": NaN}', ConfigError),
        ('{"prompt": "a", "preset": "shapes", "version": "1", "frame_size": [1]}', ConfigError),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_an_invalid_sidecar_gives_one_sentence(write, content, error):
    with pytest.raises(error):
        read_provenance(write("video.json", content))


def test_a_video_from_another_program_gives_one_sentence(write):
    with pytest.raises(MediaError, match="made elsewhere"):
        read_provenance(write("video.mp4", {}))


def test_a_sidecar_reveals_no_person_no_machine_and_no_path():
    values = describe(Provenance(config=CONFIG, preset="shapes"), "video.json", {}, [])
    text = json.dumps(values)
    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text
    assert {"python", "torch", "machine"} <= values["versions"].keys()


def make_run(worker, settings) -> RunFolder:
    run_id = worker.submit(settings)
    list(worker.watch(run_id))
    return RunFolder.open(worker.runs_dir, run_id)


@pytest.fixture
def painted_run(tmp_path):
    """Makes a run of painted frames; gives its folder."""
    worker = Worker(
        opener(PaintingStream()), tmp_path / "runs", find_weights=lambda preset: {"unet": "abc"}
    )
    yield lambda **values: make_run(worker, settings(**values))
    worker.close()


def test_a_bundle_contains_every_video_and_the_hash_of_every_chunk(painted_run, tmp_path):
    folder = painted_run(refine=True)
    write_bundle(folder, tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
        assert {"video.mp4", "refined.mp4", "video.json", "README.txt"} == set(bundle.namelist())
        assert bundle.read("video.mp4") == folder.video_path().read_bytes()
        values = json.loads(bundle.read("video.json"))
        assert values["command"] in bundle.read("README.txt").decode()
    assert (len(values["chunks"]), len(set(values["chunks"]))) == (3, 3)
    assert len(values["refined_chunks"]) == 2
    assert values["weights"] == {"unet": "abc"}


def test_settings_are_restored_from_a_bundle(painted_run, tmp_path):
    folder = painted_run()
    write_bundle(folder, path := tmp_path / "bundle.ZIP")
    assert read_provenance(path).config == folder.read().settings.config


def packed(path, compression=zipfile.ZIP_STORED, **files):
    with zipfile.ZipFile(path, "w", compression) as bundle:
        for name, text in files.items():
            bundle.writestr(name.replace("_", "."), text)


def test_a_zip_that_is_no_bundle_gives_one_sentence_and_is_not_unpacked(tmp_path):
    path, values = tmp_path / "a.zip", json.dumps({"prompt": "a star"})
    path.write_bytes(b"PK but no zip")
    cases = [("is not a reproducibility bundle", path.read_bytes())]
    for words, options in (
        ("is not a reproducibility bundle", {"other_json": values}),
        ("was packed elsewhere", {"video_json": values, "compression": zipfile.ZIP_DEFLATED}),
        ("too large", {"video_json": " " * (MAX_BYTES + 1)}),
        ("cannot be read as JSON", {"video_json": "no JSON"}),
        ("does not say how it was made", {"video_json": "[]"}),
        ("does not say how it was made", {"video_json": values}),
    ):
        packed(path, **options)
        cases.append((words, path.read_bytes()))
    packed(path, video_json=values)
    cases.append(
        ("is not a reproducibility bundle", path.read_bytes().replace(b"a star", b"a scar"))
    )
    cases.append(("is not a reproducibility bundle", path.read_bytes()[:-9]))
    for words, content in cases:
        path.write_bytes(content)
        with pytest.raises((MediaError, ConfigError), match=words):
            read_provenance(path)


def test_a_run_without_a_video_has_no_bundle(painted_run, tmp_path):
    folder = RunFolder.create(tmp_path / "runs", settings())
    with pytest.raises(RunError, match="no finished video"):
        write_bundle(folder, tmp_path / "bundle.zip")
    assert not (tmp_path / "bundle.zip").exists()


def test_metadata_can_be_left_out_of_the_files_of_a_run(tmp_path):
    worker = Worker(opener(PaintingStream()), tmp_path / "runs")
    values = settings()
    silent = RunSettings.from_json(values.to_json() | {"write_metadata": False})
    folder = make_run(worker, silent)
    worker.close()
    assert read_metadata(folder.video_path()) == {}
    assert not (folder.path / "video.json").exists()
    assert folder.read().settings.config.prompt  # the app itself still knows


def bundled(folder, path) -> dict:
    """What the JSON in the bundle of a run says."""
    write_bundle(folder, path)
    with zipfile.ZipFile(path) as bundle:
        return json.loads(bundle.read("video.json"))


def test_the_sidecar_of_a_run_equals_the_json_in_its_bundle(painted_run, tmp_path):
    folder = painted_run(refine=True)
    sidecar = json.loads((folder.path / "video.json").read_text())
    assert sidecar == bundled(folder, tmp_path / "bundle.zip")
    assert read_provenance(folder.path / "video.json").config == folder.read().settings.config


def test_a_run_records_the_versions_that_made_it(painted_run, tmp_path, monkeypatch):
    folder = painted_run()
    made = folder.read().versions
    assert {"python", "machine", "torch", "numpy"} <= made.keys()
    monkeypatch.setattr("t2v.provenance.version_of", lambda name: "99.0")
    assert bundled(folder, tmp_path / "bundle.zip")["versions"] == made


def test_a_run_continued_with_other_versions_gives_a_notice(tmp_path, monkeypatch):
    worker = Worker(opener(PaintingStream()), tmp_path / "runs")
    folder = make_run(worker, settings())
    worker.commands.extend(folder.id, 1)
    notices = [update for update in worker.watch(folder.id) if isinstance(update, Notice)]
    assert not notices
    monkeypatch.setattr("t2v.provenance.version_of", lambda name: "99.0")
    worker.commands.extend(folder.id, 1)
    notices = [update.text for update in worker.watch(folder.id) if isinstance(update, Notice)]
    worker.close()
    assert notices == ["Versions of software have changed since this video was begun."]
    assert folder.read().versions["torch"] == "99.0"
    sidecar = json.loads((folder.path / "video.json").read_text())
    assert (sidecar["versions"]["torch"], len(sidecar["chunks"])) == ("99.0", 5)


def test_a_run_without_recorded_versions_reports_none(painted_run, tmp_path):
    folder = painted_run()
    values = json.loads((folder.path / "run.json").read_text())
    del values["versions"]
    (folder.path / "run.json").write_text(json.dumps(values))
    assert folder.read().versions == {}
    assert bundled(folder, tmp_path / "bundle.zip")["versions"] == {}


def test_the_command_in_a_bundle_reproduces_the_frames(tmp_path, monkeypatch):
    """From the page's way of making a video to the command line's, with the bundled stack."""
    preset = find_preset("shapes")
    run = RunSettings(
        config=preset.config(
            prompt="a red star moving left on a navy background",
            num_chunks=3,
            num_inference_steps=2,
            seed=11,
        ),
        preset="shapes",
        fps=preset.fps,
        display_size=preset.display_size,
    )
    worker = Worker(
        open_stream,
        tmp_path / "runs",
        find_weights=lambda name: hash_weights(find_preset(name).weights_folder),
    )
    folder = make_run(worker, run)
    worker.close()
    write_bundle(folder, tmp_path / "bundle.zip")

    with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
        bundle.extractall(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere")
    made = json.loads(Path("video.json").read_text())
    assert cli.main(shlex.split(made["command"])[1:]) == 0
    again = json.loads(Path("again.json").read_text())
    assert len(made["chunks"]) == 3
    for name in ("chunks", "weights", "versions", "seed"):
        assert again[name] == made[name]
    # The hashes do tell videos apart.
    other = [*shlex.split(made["command"])[1:], "--seed", "12", "--force"]
    assert cli.main(other) == 0
    assert not set(json.loads(Path("again.json").read_text())["chunks"]) & set(made["chunks"])


def test_show_prints_settings_and_the_command(write, capsys):
    path = write("ring 1.mp4", Provenance(config=CONFIG, preset="shapes").to_json())
    assert cli.main(["show", str(path)]) == 0
    lines = capsys.readouterr().out
    values, _ = json.JSONDecoder().raw_decode(lines)
    assert (values["seed"], values["version"]) == (7, __version__)
    assert "longtake generate --like 'ring 1.mp4'" in lines


def test_the_command_line_makes_gifs_and_comparisons(tmp_path, capsys):
    for name in ("left", "right"):
        with VideoWriter(tmp_path / f"{name}.mp4", fps=8) as writer:
            writer.write(np.stack([paint(number) for number in range(3)]))
    left, right, both, gif = (
        str(tmp_path / name) for name in ("left.mp4", "right.mp4", "both.mp4", "left.gif")
    )
    assert cli.main(["compare", left, right, "--out", both]) == 0
    assert cli.main(["gif", left, "--out", gif]) == 0
    assert Path(both).stat().st_size
    assert Path(gif).read_bytes()[:6] == b"GIF89a"
    assert cli.main(["gif", left, "--out", gif]) == 2
    assert "exists" in capsys.readouterr().err
