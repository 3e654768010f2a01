"""The page shows what means something to the chosen preset, and its ablations suit it."""

import pytest

from t2v.errors import RunError
from t2v.runs.record import RunRecord, RunSettings
from t2v.settings.presets import list_presets
from t2v.ui.ablation import without_memories
from t2v.ui.parameters import PARAMETER_ORDER
from tests.support.fakes import painted_preset
from tests.support.page import Page


OF_HELIOS = {"history_length", "use_anchor"}
OF_BOTH = {"reseed"}  # one of the baselines has no use for them
OF_THE_OTHERS = {
    "negative_prompt",
    "guidance_scale",
    "scheduler",
    "apm_strength",
    "use_cam",
    "blending",
}


@pytest.fixture
def page(worker):
    return Page(worker, {"painted": painted_preset(), "helios": list_presets()["helios"]})


def test_the_form_begins_with_the_settings_of_its_preset(page):
    hidden = {name for name, part in page.form.settings.items() if part.visible is False}
    assert hidden == OF_HELIOS


def test_choosing_a_preset_shows_its_settings_and_hides_the_others(page):
    shown = page.visible(page.form.defaults(list_presets()["helios"]))
    assert {name for name, is_shown in shown.items() if is_shown} == OF_HELIOS | OF_BOTH
    assert {name for name, is_shown in shown.items() if not is_shown} == OF_THE_OTHERS
    back = page.visible(page.form.defaults(painted_preset()))
    assert {name for name, is_shown in back.items() if not is_shown} == OF_HELIOS


def test_helios_says_that_it_has_no_refiner(page):
    updates = page.settings(page.form.defaults(list_presets()["helios"]))
    assert updates["refine"]["interactive"] is False
    assert updates["refine"]["info"] == "The helios preset has no refiner."


def test_programs_may_give_its_memories_by_name():
    assert PARAMETER_ORDER[-4:-2] == ("history_length", "use_anchor")


def finished(preset="helios", **settings):
    preset = list_presets()[preset]
    config = preset.config(prompt="a red star", **settings)
    run = RunSettings(
        config=config, preset=preset.name, fps=24, display_size=(64, 64), chunking=preset.chunking
    )
    return RunRecord(
        id="0" * 24, settings=run, version="0", created="2026-01-01T00:00:00", state="finished"
    )


@pytest.mark.parametrize(
    ("without", "history_length", "use_anchor"),
    [
        ("both memories", 0, False),
        ("the CAM (short-term)", 0, True),
        ("the APM (long-term)", 19, False),
    ],
)
def test_an_ablation_of_helios_leaves_out_its_own_memories(without, history_length, use_anchor):
    config = without_memories(finished(), without).config
    assert (config.history_length, config.use_anchor) == (history_length, use_anchor)
    assert (config.use_cam, config.apm_strength) == (True, 1.0)


def test_a_video_made_without_its_history_has_nothing_left_to_leave_out():
    with pytest.raises(RunError, match="made without the CAM"):
        without_memories(finished(history_length=0), "the CAM (short-term)")
