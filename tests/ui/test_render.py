"""The facts about how a video was made."""

from dataclasses import replace

import pytest

from t2v.runs.record import RunRecord
from t2v.ui.facts import facts
from t2v.ui.memories import caption_of, describe_memories
from t2v.ui.texts.catalogue import speaking
from tests.support.fakes import settings


def record_of(**config) -> RunRecord:
    return RunRecord(
        id="0" * 24, settings=settings(**config), version="9.8.7", created="2026-11-25T12:34:56"
    )


def test_every_setting_is_shown():
    text = facts(
        record_of(
            prompt="0: a red star / 2: a blue ring",
            negative_prompt="fog",
            seed=77,
            reseed="1: 78",
            num_inference_steps=13,
            scheduler="unipc",
            guidance_scale=4.5,
            apm_strength=0.25,
            use_cam=False,
            frame_size=(128, 192),
            refine=True,
            blending="shared_noise",
        )
    )
    for words in (
        "<dd>a red star</dd>",
        "<dt>From 3.0 s</dt><dd>a blue ring</dd>",
        "<dd>fog</dd>",
        "<dd>painted</dd>",
        "3: 32 frames, 4.0 s at 8 fps",
        "<dd>77</dd>",
        "<dd>1: 78</dd>",
        "<dt>Denoising steps</dt><dd>13</dd>",
        "<dt>Scheduler</dt><dd>unipc</dd>",
        "<dd>4.5</dd>",
        "<dt>CAM</dt><dd>off</dd>",
        "<dd>0.25</dd>",
        "128x192",
        "to 96x96, 3 steps, shared_noise blending",
        "2026-11-25 12:34 UTC",
        "longtake 9.8.7",
    ):
        assert words in text


def test_empty_settings_are_left_out():
    text = facts(record_of())
    assert not [word for word in ("Negative", "Later", "Size", "Refined", ", in ") if word in text]


@pytest.mark.parametrize(
    ("preset", "caption", "absent"),
    [
        ("shapes", "CAM on, APM 0.5", ("History", "Anchor")),
        ("helios", "History 9, Anchor on", ("CAM", "APM")),
        ("svd", "", ("CAM", "APM", "History", "Anchor")),
    ],
)
def test_a_run_is_described_with_the_memories_of_its_model_alone(preset, caption, absent):
    record = record_of(apm_strength=0.5, history_length=9)
    record = replace(record, settings=replace(record.settings, preset=preset))
    assert caption_of(record.settings) == describe_memories(record.settings) == caption
    assert not [name for name in absent if f"<dt>{name}" in facts(record)]
    with speaking("zh-CN"):
        assert not {"on", "off"} & set(describe_memories(record.settings).split())


def test_time_and_provenance_are_shown_when_known():
    record = replace(
        record_of(),
        state="finished",
        seconds=7.5,
        versions={"torch": "2.10.0"},
        weights={"unet/w.safetensors": "ab" * 32},
    )
    text = facts(record)
    assert "2026-11-25 12:34 UTC, in 8 s<" in text
    assert "longtake 9.8.7, torch 2.10.0" in text
    assert "unet/w.safetensors abababababab<" in text


def test_user_input_is_never_html():
    assert "<b>" not in facts(record_of(prompt="<b>star</b>", negative_prompt="<b>"))


def test_the_most_memory_that_was_in_use_is_shown_of_cpu_and_gpu():
    assert "Peak memory" not in facts(record_of())
    record = replace(record_of(), peak_memory=1_260_000_000)
    assert "<dt>Peak memory</dt><dd>1.3 GB</dd>" in facts(record)
    both = replace(record, peak_gpu_memory=7_000_000_000)
    assert "<dd>1.3 GB, 7.0 GB of the GPU</dd>" in facts(both)
