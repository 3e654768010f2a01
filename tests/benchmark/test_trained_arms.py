"""The benchmark with trained rivals of the CAM, which it finds in the folder of their training."""

import json
from dataclasses import replace

import numpy as np
import pytest

from t2v import cli
from t2v.evaluation.arms.catalogue import ARMS
from t2v.evaluation.benchmark import command
from t2v.evaluation.benchmark.folder import read_video
from t2v.evaluation.benchmark.suites import SUITES, TRAINED_RIVALS
from t2v.evaluation.metrics.mawe import Sizes
from t2v.settings import presets
from t2v.settings.conditionings import CONDITIONINGS
from tests.support.small_arms import save_awake_arm
from tests.support.small_stack import new_stack


def test_every_training_has_its_arm_in_both_suites():
    assert [ARMS[name].conditioning for name in TRAINED_RIVALS] == list(CONDITIONINGS)
    assert set(TRAINED_RIVALS) <= set(SUITES["conditioning"].arms) & set(SUITES["table1"].arms)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A small stack in the place of `shapes`, and a home for its arms."""
    monkeypatch.setenv("LONGTAKE_HOME", str(tmp_path / "home"))
    defaults = {"num_inference_steps": 1, "guidance_scale": 1.0, "scheduler": "unipc"}
    preset = replace(presets.list_presets()["shapes"], defaults=defaults)
    listed = presets.list_presets() | {"shapes": preset}
    monkeypatch.setattr(presets, "list_presets", lambda: listed)
    stack = new_stack((64, 64))
    monkeypatch.setattr(command, "load_stack", lambda _, **__: stack)
    monkeypatch.setattr(command, "QUICK_SIZES", Sizes(flow=48, warp=48))
    return stack, preset


def run(out, *more):
    words = ["benchmark", "conditioning", "--quick", "--prompts", "1", "--chunks", "4"]
    return cli.main([*words, "--out", str(out), *more])


def test_trained_arms_continue_the_same_first_chunk_each_in_its_way(small, tmp_path):
    for seed, name in enumerate(CONDITIONINGS):
        save_awake_arm(small[0], name, small[1], seed)
    out = tmp_path / "bench"
    assert run(out, "--arms", ",".join(("no-apm", *TRAINED_RIVALS))) == 0
    videos = {
        name: read_video(out / "videos" / "4" / name / "000-0.npy")
        for name in ("no-apm", *TRAINED_RIVALS)
    }
    first = read_video(out / "first" / "000-0.npy")
    for video in videos.values():
        assert video.shape == (40, 64, 64, 3)
        np.testing.assert_array_equal(video[:16], first)
    assert len({video.tobytes() for video in videos.values()}) == len(videos)

    report = json.loads((out / "conditioning" / "report.json").read_text())
    assert report["arms"]["add-cond"]["about"].endswith("(7 steps of 3 clips)")
    assert report["manifest"]["arms"]["cam"]["steps"] == 7
    counts = {name: report["arms"][name]["trained_parameters"] for name in TRAINED_RIVALS}
    assert counts["cam-twin"] == report["arms"]["no-apm"]["trained_parameters"]
    assert counts["conc-cond"] == counts["masked-frames"] == counts["repeated-frame"] > 0
    measures = json.loads((out / "measures/4/repeated-frame/000-0.json").read_text())
    assert measures["boundaries"] == [16, 31]
    assert "0.284 (Add-Cond, no APM)" in (out / "conditioning" / "table.md").read_text()


def test_an_arm_that_is_trained_again_is_not_mixed_with_the_old_one(small, tmp_path, capsys):
    out = tmp_path / "bench"
    save_awake_arm(small[0], "conc-cond", small[1])
    assert run(out, "--arms", "conc-cond") == 0
    save_awake_arm(small[0], "add-cond", small[1])
    assert run(out, "--arms", "conc-cond,add-cond") == 0
    save_awake_arm(small[0], "conc-cond", small[1], seed=8)
    assert run(out, "--arms", "conc-cond") == 2
    assert "was begun with another arms conc-cond" in capsys.readouterr().err
