import argparse
import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import islice

import pytest
import torch

from t2v import __version__, cli
from t2v.cli.arguments import number
from t2v.errors import MediaError
from t2v.events import Chunk
from t2v.media.reader import Video, read_frames
from t2v.media.video import VideoWriter, read_metadata
from t2v.pipeline import loading, streaming_t2v
from t2v.settings.config import SETTINGS
from tests.support.odd_preset import install_odd_preset
from tests.support.small_stack import new_stack


SIZES = "--size must be [height, width], multiples of 64 from 64 to 1024"
COMMANDS = (
    "app",
    "generate",
    "refine",
    "show",
    "gif",
    "compare",
    "runs",
    "presets",
    "download",
    "evaluate",
    "benchmark",
    "train",
)


@pytest.fixture
def preset(tmp_path, monkeypatch):
    """`odd`, a preset that can run, is the only one; its stack is small and random."""
    preset = install_odd_preset(tmp_path)
    monkeypatch.setattr("t2v.settings.presets.list_presets", lambda: {"odd": preset})
    monkeypatch.setattr("t2v.cli.presets.list_presets", lambda: {"odd": preset})
    monkeypatch.setattr("t2v.cli.presets.default_preset", lambda: (preset, ""))
    monkeypatch.setattr(loading, "load_stack", lambda preset, **_: new_stack())
    return preset


@pytest.fixture
def generate(preset, tmp_path):
    """Runs the command in an empty folder: generate("--chunks", 3, out="other.mp4")."""
    (tmp_path / "out").mkdir()

    def generate(*options, prompt="a red star", out="video.mp4"):
        given = ["--preset", "odd", "--prompt", prompt, "--out", tmp_path / "out" / out, *options]
        return cli.main(["generate", *map(str, given)])

    generate.folder = tmp_path / "out"
    return generate


def only_sentence(capsys):
    """What an error said, all of it; nothing else was printed."""
    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.splitlines()
    return line


@pytest.mark.parametrize(
    "options, complaint",
    [
        # What test_config.py refuses is refused here in the same words, ...
        (["--chunks", "2.5"], "--chunks must be a whole number from 1 to 10000, got 2.5"),
        (["--apm-strength", "nan"], "--apm-strength must be a number from 0.0 to 2.0, got nan"),
        (
            ["--scheduler", "euler"],
            "--scheduler must be one of ddim, dpmsolver++, unipc, got 'euler'",
        ),
        # ... and what depends on the preset:
        (["--preset", "shape"], "preset must be one of odd, got 'shape'"),
        (["--size", "100x128"], f"{SIZES}, got (100, 128)"),
        (["--size", "64x2048"], f"{SIZES}, got (64, 2048)"),
        (["--prompt", " "], "--prompt must not be empty: say in a few words what to show"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_invalid_setting_gives_one_sentence(generate, capsys, options, complaint):
    assert generate(*options) == 2
    assert only_sentence(capsys) == f"longtake generate: {complaint}"
    assert list(generate.folder.iterdir()) == []


@pytest.mark.parametrize("options", [["--chunks", "abc"], ["--seed", ""], ["--apm-strength", "½"]])
def test_text_instead_of_a_number_is_reported(generate, capsys, options):
    with pytest.raises(SystemExit) as end:
        generate(*options)
    assert end.value.code == 2
    last_line = capsys.readouterr().err.splitlines()[-1]
    assert (
        last_line
        == f"longtake generate: error: argument {options[0]}: not a number: {options[1]!r}"
    )
    assert list(generate.folder.iterdir()) == []


def test_an_unsupported_file_type_is_refused(generate, capsys):
    assert generate(out="video.avi") == 2
    assert "--out must end in .mp4, got " in only_sentence(capsys)


def test_a_missing_folder_is_reported(generate, capsys):
    assert generate(out="nowhere/video.mp4") == 2
    assert only_sentence(capsys).endswith("nowhere does not exist")
    assert list(generate.folder.iterdir()) == []


@pytest.mark.parametrize("out", ["/proc/video.mp4", f"{'long' * 70}.mp4"], ids=["/proc", "long"])
def test_an_unwritable_file_is_refused_before_the_work_starts(generate, capsys, out):
    assert generate(out=out) == 2
    assert only_sentence(capsys).startswith("longtake generate: cannot write to ")
    assert list(generate.folder.iterdir()) == []


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_folder_is_refused_as_output_file(generate, capsys, force):
    (generate.folder / "video.mp4").mkdir()
    assert generate(*force) == 2
    assert only_sentence(capsys).endswith("video.mp4 is a folder")


def test_an_existing_file_is_not_overwritten(generate, capsys):
    (generate.folder / "video.mp4").write_text("precious")
    assert generate() == 2
    assert only_sentence(capsys).endswith("video.mp4 exists; --force overwrites it")
    assert (generate.folder / "video.mp4").read_text() == "precious"


def test_force_overwrites_an_existing_file(generate):
    (generate.folder / "video.mp4").write_text("precious")
    assert generate("--force", "--chunks", 1) == 0
    assert len(read_frames(generate.folder / "video.mp4")) == 16


def test_an_error_during_generation_gives_one_sentence(generate, monkeypatch, capsys):
    def out_of_disk(*_, **__):
        raise MediaError("cannot write video.mp4: No space left on device")

    monkeypatch.setattr("t2v.media.video.encode", out_of_disk)
    assert generate() == 2
    assert only_sentence(capsys) == (
        "longtake generate: cannot write video.mp4: No space left on device"
    )
    assert list(generate.folder.iterdir()) == []


def test_generate_writes_a_playable_file_and_prints_its_path(generate, capsys):
    assert generate("--chunks", 4) == 0
    path = generate.folder / "video.mp4"
    assert read_frames(path).shape == (16 + 3 * 8, 40, 56, 3)
    assert capsys.readouterr().out == f"{path}: 40 frames, 5.7 s\n"
    assert set(generate.folder.iterdir()) == {path, path.with_suffix(".json")}


def test_without_metadata_the_file_has_no_tags_and_no_sidecar(generate):
    assert generate("--no-metadata") == 0
    path = generate.folder / "video.mp4"
    assert read_metadata(path) == {}
    assert list(generate.folder.iterdir()) == [path]


def test_an_existing_sidecar_is_not_overwritten(generate, capsys):
    (generate.folder / "video.json").write_text("mine")
    assert generate() == 2
    assert "video.json exists" in only_sentence(capsys)


def test_like_uses_the_settings_of_another_video_unless_overridden(generate):
    given = ["--seed", 7, "--chunks", 2, "--no-cam", "--steps", 1]
    assert generate(*given, out="first.mp4") == 0
    first = generate.folder / "first.mp4"
    out = str(generate.folder / "second.mp4")
    assert cli.main(["generate", "--like", str(first), "--seed", "8", "--out", out]) == 0
    made = [read_metadata(generate.folder / f"{name}.mp4") for name in ("first", "second")]
    assert made[1] == made[0] | {"seed": 8}


def test_generate_requires_a_prompt_or_an_example_video(preset, tmp_path, capsys):
    assert cli.main(["generate", "--out", str(tmp_path / "video.mp4")]) == 2
    assert "--prompt" in only_sentence(capsys)


def test_a_video_of_another_version_gives_a_notice(generate, capsys):
    assert generate(out="first.mp4") == 0
    path = generate.folder / "first.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": "0.0.1"}))
    capsys.readouterr()
    assert cli.main(["generate", "--like", str(path), "--out", str(path.with_name("b.mp4"))]) == 0
    assert "version 0.0.1" in capsys.readouterr().err


def test_the_file_has_its_settings_as_metadata(generate):
    given = ["--chunks", 2, "--seed", 7, "--negative-prompt", "blue", "--no-cam"]
    assert generate(*given, prompt="a red star, 'große'") == 0
    facts = read_metadata(generate.folder / "video.mp4")
    expected = {
        "prompt": "a red star, 'große'",
        "negative_prompt": "blue",
        "num_chunks": 2,
        "seed": 7,
        "use_cam": False,
        "scheduler": "unipc",
        "preset": "odd",
        "version": __version__,
    }
    assert expected.items() <= facts.items()


@pytest.mark.parametrize(
    "options, name, value",
    [
        (["--seed", "7"], "seed", 7),
        (["--chunks", "2.0"], "num_chunks", 2),
        (["--steps", "1"], "num_inference_steps", 1),
        (["--guidance-scale", "4"], "guidance_scale", 4.0),
        (["--apm-strength", "0"], "apm_strength", 0.0),
        (["--scheduler", "ddim"], "scheduler", "ddim"),
        (["--no-cam"], "use_cam", False),
        ([], "num_inference_steps", 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_option_reaches_the_stream(generate, monkeypatch, options, name, value):
    configs = []
    monkeypatch.setattr(
        streaming_t2v, "stream", lambda stack, config: configs.append(config) or (e for e in ())
    )
    generate(*options)
    [config] = configs
    assert getattr(config, name) == value


def test_the_same_settings_give_the_same_frames(generate, monkeypatch):
    """Byte for byte, as they are handed to the encoder."""
    videos = {"one.mp4": b"", "two.mp4": b""}
    write = VideoWriter.write

    def write_down(writer, frames):
        videos[writer.path.name] += frames.tobytes()
        write(writer, frames)

    monkeypatch.setattr(VideoWriter, "write", write_down)
    assert generate(out="one.mp4") == generate(out="two.mp4") == 0
    assert len(videos["one.mp4"]) == (16 + 2 * 8) * 40 * 56 * 3
    assert videos["one.mp4"] == videos["two.mp4"]


def test_an_unknown_word_is_reported_and_the_video_made(generate, capsys):
    assert generate("--chunks", 1, prompt="a red elephant") == 0
    assert "The small model does not know 'elephant'." in capsys.readouterr().err
    assert (generate.folder / "video.mp4").is_file()


@pytest.fixture
def press_ctrl_c(monkeypatch):
    """Interrupts the stream when so many chunks have come out."""

    def press_ctrl_c(after_chunks):
        real = streaming_t2v.stream

        def interrupted(*arguments):
            chunks = (event for event in real(*arguments) if isinstance(event, Chunk))
            yield from islice(chunks, after_chunks)
            raise KeyboardInterrupt

        monkeypatch.setattr(streaming_t2v, "stream", interrupted)

    return press_ctrl_c


def test_ctrl_c_keeps_the_finished_chunks_as_a_playable_file(generate, press_ctrl_c, capsys):
    press_ctrl_c(after_chunks=2)
    assert generate("--chunks", 6) == 130
    path = generate.folder / "video.mp4"
    assert sum(1 for _ in Video(path).frames()) == 24
    assert read_metadata(path)["prompt"] == "a red star"
    assert capsys.readouterr().out.startswith(f"{path}: 24 frames")


def test_ctrl_c_before_the_first_chunk_leaves_no_file(generate, press_ctrl_c, capsys):
    press_ctrl_c(after_chunks=0)
    assert generate() == 130
    assert "no file was written" in only_sentence(capsys)
    assert list(generate.folder.iterdir()) == []


def test_ctrl_c_while_the_models_load_shows_no_traceback(generate, monkeypatch, capsys):
    def interrupted(preset, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loading, "load_stack", interrupted)
    assert generate() == 130
    assert only_sentence(capsys) == "longtake generate: stopped"


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA"), MemoryError()])
def test_running_out_of_memory_gives_one_sentence(generate, monkeypatch, capsys, error):
    def too_large(preset, **_):
        raise error

    monkeypatch.setattr(loading, "load_stack", too_large)
    assert generate() == 2
    assert only_sentence(capsys).startswith("longtake generate: There was not enough memory")


def test_presets_are_listed_with_whether_they_can_run(preset, capsys):
    assert cli.main(["presets"]) == 0
    assert (
        capsys.readouterr().out
        == "odd: Odd: for tests\n    installed; the default of app and generate\n"
    )
    assert cli.main(["presets", "odd"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("odd: Odd: for tests\n    installed\n    Bundled: needs no download")
    assert "    refiner: The odd preset has" in output
    assert "    begins with: text, or the end of a clip of at least 16 frames (2.3 s)" in output
    assert "num_chunks 3" in output
    assert "example: a red star" in output


def test_presets_that_can_run_are_listed_first_and_examples_only_when_asked_for(
    preset, tmp_path, monkeypatch, capsys
):
    absent = replace(preset, name="absent", title="Absent", weights=str(tmp_path / "absent"))
    monkeypatch.setattr("t2v.cli.presets.list_presets", lambda: {"absent": absent, "odd": preset})
    assert cli.main(["presets", "--examples"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if line[0] != " "] == ["odd", "absent"]
    assert lines.count("    example: a red star") == 2
    assert "are not in" in lines[-2]
    assert cli.main(["presets", "shape"]) == 2
    assert only_sentence(capsys).endswith("NAME must be one of absent, odd, got 'shape'")


@pytest.mark.parametrize(("seconds", "num_chunks"), [("0.1", 1), ("2.3", 2), ("10", 8), ("30", 26)])
def test_a_length_in_seconds_is_made_of_the_fewest_chunks(
    generate, monkeypatch, seconds, num_chunks
):
    configs = []
    monkeypatch.setattr(
        streaming_t2v, "stream", lambda stack, config: configs.append(config) or (e for e in ())
    )
    generate("--seconds", seconds)  # at 7 frames a second
    assert configs[0].num_chunks == num_chunks


@pytest.mark.parametrize("seconds", ["0", "-3", "nan", "inf", "1e9"])
def test_a_length_that_no_video_has_is_refused(generate, capsys, seconds):
    assert generate(f"--seconds={seconds}") == 2
    assert "--seconds must be a number above 0, up to 11429.7, got " in only_sentence(capsys)


def test_chunks_and_seconds_exclude_each_other(generate, capsys):
    assert generate("--seconds", "3", "--chunks", "3") == 2
    assert "--seconds and --chunks" in only_sentence(capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0
    output = " ".join(capsys.readouterr().out.split())
    [subparsers] = [part.choices for part in cli.build_parser()._actions if part.choices]
    run = subparsers[command].get_default("run")
    assert " ".join(run.__doc__.split()) in output


def test_help_lists_every_command_with_its_purpose(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    output = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"^    {command} +\w", output, flags=re.MULTILINE)


def test_help_of_generate_shows_the_ranges(capsys):
    with pytest.raises(SystemExit):
        cli.main(["generate", "--help"])
    output = " ".join(capsys.readouterr().out.split())
    for declared in SETTINGS.values():
        if declared.kind in ("whole", "number"):
            low, high = declared.range
            assert f"({low} to {high})" in output


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["evaluate", "--preset", "odd", "--prompts", "3"], "--prompts must be at least 4, got 3"),
        (["evaluate", "--preset", "odd", "--out", "no/a.json"], "the folder no does not exist"),
        (
            ["evaluate", "--preset", "odd", "--sheet", "a.pgm"],
            "--sheet must end in .png, got 'a.pgm'",
        ),
        (["evaluate", "--preset", "shape"], "preset must be one of odd, got 'shape'"),
        (["evaluate", "--preset", "odd", "--steps", "0"], "--steps must be a whole number from 1"),
        (["train", "--out", "x", "--until", "poems"], "--until must be one of autoencoder, "),
        (
            ["train", "--out", "x", "--steps", "probe=0"],
            "--steps takes STAGE=N with N from 1 and a stage of ",
        ),
        (["train", "--out", "x", "--steps", "poems=3"], "got 'poems=3'"),
        (["train", "--out", "x", "--steps", "poems=3", "--steps", "odes=4"], "got 'poems=3'"),
        (["train", "--out", "x", "--processes", "0"], "--processes must be from 1 to 4, got 0"),
        (["train", "--out", "x", "--processes", "5"], "--processes must be from 1 to 4, got 5"),
        (["train", "--out", "x", "--batches", "0"], "--batches must be from 1 to 16, got 0"),
        (["train", "--out", "x", "--batches", "17"], "--batches must be from 1 to 16, got 17"),
        (["train", "--out", __file__], "cannot write to "),
    ],
    ids=lambda value: " ".join(value[:-1]) if isinstance(value, list) else "",
)
def test_invalid_settings_of_the_other_commands_give_one_sentence(
    preset, tmp_path, monkeypatch, capsys, arguments, complaint
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    sentence = only_sentence(capsys)
    assert sentence.startswith(f"longtake {arguments[0]}: ")
    assert complaint in sentence
    assert not (tmp_path / "training").exists()


@pytest.mark.parametrize("text, value", [("8", 8), ("8.0", 8.0), ("1e9", 1e9), ("-5", -5)])
def test_numbers_are_parsed_exactly(text, value):
    value_read = number(text)
    assert value_read == value and type(value_read) is type(value)


def test_an_invalid_number_is_reported():
    with pytest.raises(argparse.ArgumentTypeError, match="'eight'"):
        number("eight")


def test_an_evaluation_is_written_as_json(preset, tmp_path, monkeypatch, capsys):
    report = {"rows": {"colour": {"value": 0.9, "low": 0.8, "high": 1.0, "count": 4}}}
    monkeypatch.setattr("t2v.evaluation.report.evaluate", lambda *_: report)
    assert cli.main(["evaluate", "--preset", "odd", "--out", str(tmp_path / "table.json")]) == 0
    assert json.loads((tmp_path / "table.json").read_text()) == report
    assert "0.800 .. 1.000" in capsys.readouterr().out


def test_other_numbers_of_steps_are_evaluated(preset, monkeypatch):
    measured = []

    def evaluate(preset, *_):
        measured.append(preset.config(prompt="a red star").num_inference_steps)
        return {"rows": {}}

    monkeypatch.setattr("t2v.evaluation.report.evaluate", evaluate)
    assert cli.main(["evaluate", "--preset", "odd", "--steps", "3"]) == 0
    assert cli.main(["evaluate", "--preset", "odd"]) == 0
    assert measured == [3, preset.config(prompt="a red star").num_inference_steps]
    assert measured[1] != 3


def test_python_dash_m_is_the_same_command():
    command = [sys.executable, "-m", "t2v", "generate", "--prompt", "", "--out", "video.mp4"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert "Traceback" not in process.stderr
    assert len(process.stderr.splitlines()) == 1


def test_output_that_nobody_reads_ends_without_a_traceback():
    command = [sys.executable, "-m", "t2v", "presets"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
