"""Files of commands: names of every kind, default names, sidecars from elsewhere, messages."""

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import imageio.v3 as imageio
import numpy as np
import pytest

from t2v import cli
from t2v.errors import MediaError
from t2v.media.reader import Video
from t2v.media.video import VideoWriter, read_metadata
from t2v.output_names import free_path, name_of
from t2v.pipeline import loading, refiner_loading
from t2v.provenance import Provenance, describe, read_provenance
from t2v.settings.config import GenerationConfig
from t2v.weight_hashes import hash_file
from tests.support.fakes import paint
from tests.support.small_refiner import new_refiner
from tests.support.small_stack import new_stack


ROOT = Path(__file__).parent.parent
PNG = imageio.imwrite("<bytes>", paint(1), extension=".png")
NAMES = ("shot:one.mp4", "http:a.mp4", "-o.mp4", "a|b,c;d'%03d.mp4", "星 x.mp4")
CONFIG = GenerationConfig(prompt="ein roter Stern", seed=7, num_chunks=2)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test is in an empty folder, with small random networks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "load_stack", lambda preset, **_: new_stack())
    monkeypatch.setattr(refiner_loading, "load_refiner", lambda *_, **__: new_refiner())
    return tmp_path


def write_video(path, num_frames=3, metadata=None):
    with VideoWriter(path, fps=8, metadata=metadata) as writer:
        writer.write(np.stack([paint(number) for number in range(num_frames)]))
    return path


def only_sentence(capsys):
    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.splitlines()
    return line


@pytest.mark.parametrize("name", NAMES)
def test_any_legal_name_is_written_and_read(folder, name, capsys):
    path = write_video(folder / name, metadata=Provenance(config=CONFIG, preset="shapes").to_json())
    assert cli.main(["show", "--", name]) == 0
    assert f"{name}: 3 frames" in capsys.readouterr().out
    assert cli.main(["gif", f"--out={name}.gif", "--", name]) == 0
    assert cli.main(["compare", f"--out=both-{name}", "--", name, name]) == 0
    assert Video(folder / f"both-{name}").size == (32, 64)
    assert sum(1 for _ in Video(folder / f"{name}.gif").frames()) == 3
    assert read_metadata(path)["seed"] == 7


def test_a_name_that_looks_like_an_address_is_generated_and_refined(folder):
    made = ["--prompt", "a star", "--chunks", "1", "--steps", "1", "--out", "data:a.mp4"]
    assert cli.main(["generate", *made]) == 0
    assert cli.main(["refine", "data:a.mp4", "--out", "pipe:1.mp4"]) == 0
    assert sum(1 for _ in Video(folder / "pipe:1.mp4").frames()) == 16


def test_without_out_the_file_has_a_speaking_name_and_replaces_nothing(folder, capsys):
    (folder / "a-blue-ring-seed-4.json").write_text("precious")
    given = ["--prompt", "a blue ring!", "--seed", "4", "--seconds", "2.5", "--steps", "1"]
    assert cli.main(["generate", *given]) == 0
    assert capsys.readouterr().out == "a-blue-ring-seed-4-2.mp4: 24 frames, 3.0 s\n"
    assert (folder / "a-blue-ring-seed-4.json").read_text() == "precious"
    name = "a-blue-ring-seed-4-2.mp4"
    for _ in range(2):
        assert cli.main(["gif", name]) == 0
    assert cli.main(["compare", name, name]) == 0
    stem = "a-blue-ring-seed-4-2"
    assert capsys.readouterr().out.splitlines() == [
        f"{stem}.gif",
        f"{stem}-2.gif",
        f"{stem}-beside-{stem}.mp4",
    ]
    assert cli.main(["refine", name]) == 0
    refined = read_metadata(folder / f"{stem}-refined.mp4")
    assert (refined["prompt"], refined["seed"]) == ("a blue ring!", 4)


def test_refine_takes_the_prompt_of_the_sidecar_and_other_options_override_it(folder):
    write_video(folder / "a.mp4")
    values = describe(Provenance(config=CONFIG, preset="shapes"), "a.json", {}, [])
    (folder / "a.json").write_text(json.dumps(values))
    assert cli.main(["refine", "a.mp4", "--seed", "9", "--out", "b.mp4"]) == 0
    refined = read_metadata(folder / "b.mp4")
    assert (refined["prompt"], refined["seed"]) == ("ein roter Stern", 9)


@pytest.mark.parametrize("made_by, refined_by", [("shapes", "shapes"), ("helios", "storybook")])
def test_refine_uses_the_preset_of_the_video_if_it_can_refine(
    folder, monkeypatch, made_by, refined_by
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    write_video(folder / "a.mp4", metadata=Provenance(config=CONFIG, preset=made_by).to_json())
    assert cli.main(["refine", "a.mp4"]) == 0
    assert read_metadata(folder / "a-refined.mp4")["preset"] == refined_by


def test_refine_asks_for_the_prompt_of_a_video_from_elsewhere(folder, capsys):
    write_video(folder / "own.mp4")
    assert cli.main(["refine", "own.mp4"]) == 2
    assert only_sentence(capsys).endswith(
        "own.mp4 does not say what it shows; say it with --prompt"
    )


@pytest.mark.parametrize("taken", [(), ("a.mp4",), ("a.json", "a-2-refined.mp4")])
def test_a_free_path_replaces_nothing(folder, taken):
    for name in taken:
        (folder / name).symlink_to("nowhere")
    path = free_path(folder / "a.mp4", (".json", "-refined.mp4"))
    assert path.name == {0: "a.mp4", 1: "a-2.mp4", 2: "a-3.mp4"}[len(taken)]


def test_names_are_made_of_the_words_of_the_prompt():
    assert name_of("Ein großer Stern über Öl", 3) == "ein-groer-stern-uber-ol-seed-3"
    assert name_of("星", 3) == ""
    assert len(name_of("word " * 50, 3)) < 70


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_a_sidecar_may_be_saved_in_any_unicode_encoding(folder, encoding):
    provenance = Provenance(config=CONFIG, preset="shapes")
    text = json.dumps(describe(provenance, "v.json", {}, []), ensure_ascii=False)
    (folder / "v.json").write_text(text, encoding=encoding)
    assert read_provenance(folder / "v.json") == provenance


def test_a_sidecar_in_another_encoding_is_told_the_encodings(folder):
    (folder / "v.json").write_bytes('{"prompt": "großer Stern"}'.encode("latin-1"))
    with pytest.raises(MediaError, match="as JSON: it must be saved as UTF-8"):
        read_provenance(folder / "v.json")


def test_a_name_that_the_terminal_cannot_print_is_printed_with_escapes(folder):
    write_video(folder / "v.mp4")
    process = subprocess.run(
        [sys.executable, "-m", "t2v", "gif", "v.mp4", "--out", "火é.gif"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": os.fspath(ROOT)},
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout == b"\\u706b\\xe9.gif\n"
    assert (folder / "火é.gif").is_file()


def test_what_cannot_be_compared_is_named_in_one_sentence_of_ours(folder, capsys):
    write_video(folder / "v.mp4")
    (folder / "Bild.png").write_bytes(PNG)
    assert cli.main(["compare", "v.mp4", "Bild.png", "--out", "both.mp4"]) == 2
    sentence = only_sentence(capsys)
    assert sentence == "longtake compare: Bild.png is a picture, and no video"
    assert not (folder / "both.mp4").exists()


def test_show_tells_what_a_file_is(folder, capsys):
    path = write_video(folder / "v.mp4", 12, Provenance(config=CONFIG, preset="shapes").to_json())
    values = describe(Provenance(config=CONFIG, preset="shapes"), "v.json", {}, ["ab", "cd"])
    (folder / "v.json").write_text(json.dumps(values))
    for name in ("v.mp4", "v.json"):
        assert cli.main(["show", name]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert "v.mp4: 12 frames, 1.5 s, 32x32, 8 fps, not refined" in lines
        assert f"SHA-256 {hash_file(path)}" in lines
        assert "chunk 1: SHA-256 cd" in lines


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_show_prints_can_be_read_back(folder, capsys, options):
    provenance = Provenance(config=CONFIG, preset="shapes")
    write_video(folder / "v.mp4", 12, provenance.to_json())
    assert cli.main(["show", "v.mp4", *options]) == 0
    shown = capsys.readouterr().out
    (folder / "shown.json").write_text(shown)
    assert read_provenance(folder / "shown.json") == provenance
    if options:
        assert json.loads(shown)["file"]["num_frames"] == 12


def test_json_that_is_nested_too_deeply_says_nothing_and_breaks_nothing(folder, capsys):
    """The reader of tags ended with a RecursionError, that of sidecars with a sentence."""
    deep = "[" * 60_000
    with av.open("deep.mp4", "w") as container:
        container.metadata["comment"] = deep
        stream = container.add_stream("libx264", rate=8)
        stream.width = stream.height = 32
        container.mux(stream.encode(av.VideoFrame.from_ndarray(paint(1), format="rgb24")))
        container.mux(stream.encode(None))
    (folder / "deep.json").write_text(deep)
    assert read_metadata(folder / "deep.mp4") == {}
    assert cli.main(["show", "deep.mp4"]) == cli.main(["show", "deep.json"]) == 2
    said = capsys.readouterr().err
    assert "deep.mp4 does not say how it was made" in said
    assert "deep.json cannot be read as JSON" in said


@pytest.mark.parametrize("preset", ["moon", "", "../../etc/passwd", "a\nb", "x" * 5000, 7, None])
def test_a_sidecar_with_a_preset_that_is_none_gets_a_sentence(folder, capsys, preset):
    values = describe(Provenance(config=CONFIG, preset="shapes"), "v.json", {}, [])
    (folder / "v.json").write_text(json.dumps(values | {"preset": preset}))
    assert cli.main(["generate", "--like", "v.json", "--out", "a.mp4"]) == 2
    sentence = only_sentence(capsys)
    assert "preset must be one of" in sentence or "does not say how it was made" in sentence
    assert len(sentence) < 300


def test_the_hashes_of_another_video_are_not_shown(folder, capsys):
    write_video(folder / "v.mp4", 3, Provenance(config=CONFIG, preset="shapes").to_json())
    other = Provenance(config=GenerationConfig(prompt="other"), preset="shapes")
    (folder / "v.json").write_text(json.dumps(describe(other, "v.json", {}, ["ab"])))
    assert cli.main(["show", "v.mp4"]) == 0
    assert "chunk 0" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["download", "shapes"],
        ["download", "modelscope", "--dtype", "int8"],
        ["evaluate", "--prompts", "2"],
        ["train", "--out", "new", "--world", "moon"],
        ["train", "--out", "new", "--steps", "cam=x"],
        ["generate", "--prompt", "a star", "--seconds", "-1"],
        ["generate", "--prompt", "a star", "--seconds", "2", "--chunks", "2"],
        ["refine", "nowhere.mp4"],
        ["compare", "no.mp4", "where.mp4"],
        ["presets", "shape"],
        ["generate", "--promt", "x"],
    ],
    ids=" ".join,
)
def test_a_refusal_comes_before_heavy_libraries(folder, arguments):
    code = (
        "import sys\nfrom t2v import cli\n"
        "try:\n    status = cli.main(sys.argv[1:])\n"
        "except SystemExit as end:\n    status = end.code\n"
        "print(status, *{'torch', 'gradio', 'huggingface_hub'} & sys.modules.keys())"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT)},
        check=True,
    )
    assert process.stdout == "2\n"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", [["app"], ["runs"], ["runs", "resume", "ab"]], ids=" ".join)
@pytest.mark.parametrize("path", ["notes.txt", "notes.txt/runs"])
def test_a_file_is_refused_as_the_folder_of_runs(folder, capsys, command, path):
    (folder / "notes.txt").write_text("precious")
    assert cli.main([*command, "--runs-dir", path]) == 2
    sentence = only_sentence(capsys)
    assert "--runs-dir must be a folder, and " in sentence
    assert sentence.endswith("notes.txt is a file")
    assert (folder / "notes.txt").read_text() == "precious"


def test_an_unknown_option_is_answered_with_the_usage_of_the_command(capsys):
    with pytest.raises(SystemExit):
        cli.main(["gif", "v.mp4", "--ouk=x"])
    said = capsys.readouterr().err
    assert said.startswith("usage: longtake gif ")
    assert said.endswith("unknown arguments: --ouk=x; did you mean --out?\n")
