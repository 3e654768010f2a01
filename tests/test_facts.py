"""What a page says of how a video was made."""

from dataclasses import replace

from t2v.jobs.run_folder import RunRecord
from t2v.ui.facts import facts
from tests.fakes import settings


def record_of(**config) -> RunRecord:
    return RunRecord(
        id="0" * 24, settings=settings(**config), version="9.8.7", created="2026-11-25T12:34:56"
    )


def test_every_setting_that_decides_a_video_is_said():
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
        "3: 32 frames, 4.0 s at 8 a second",
        "<dd>77</dd>",
        "<dd>1: 78</dd>",
        "13, unipc",
        "<dd>4.5</dd>",
        "<dt>CAM</dt><dd>off</dd>",
        "<dd>0.25</dd>",
        "128x192",
        "to 96x96, 3 steps, shared_noise blending",
        "2026-11-25 12:34 UTC",
        "longtake 9.8.7",
    ):
        assert words in text


def test_what_was_not_asked_for_takes_no_place():
    text = facts(record_of())
    assert not [word for word in ("Negative", "Later", "Size", "Refined", ", in ") if word in text]


def test_time_and_origin_are_said_once_they_are_known():
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


def test_what_people_type_is_never_html():
    assert "<b>" not in facts(record_of(prompt="<b>star</b>", negative_prompt="<b>"))
