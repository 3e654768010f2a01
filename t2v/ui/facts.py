"""How a video was made, for who has only its link: settings, time, software, weights."""

from html import escape

from t2v.jobs.run_folder import ENDED, RunRecord
from t2v.ui.status import duration
from t2v.ui.timeline import seconds_of
from t2v.ui.words import LABELS, size_text


NUM_DIGITS = 12  # of a SHA-256, enough to tell weights apart


def facts(record: RunRecord) -> str:
    """HTML of all that a run depends on; what was left empty is left out."""
    config, refiner = record.settings.config, record.settings.refiner
    changes = config.prompts
    rows = {LABELS["prompt"]: changes[0].text}
    for change in changes[1:]:
        rows[f"From {seconds_of(record.settings, change.chunk):.1f} s"] = change.text
    rows |= {
        LABELS["negative_prompt"]: config.negative_prompt,
        LABELS["preset"]: record.settings.preset,
        LABELS["num_chunks"]: f"{config.num_chunks}: {config.num_frames} frames, "
        f"{config.num_frames / record.settings.fps:.1f} s at {record.settings.fps} a second",
        LABELS["seed"]: str(config.seed),
        LABELS["reseed"]: config.reseed,
        LABELS["num_inference_steps"]: f"{config.num_inference_steps}, {config.scheduler}",
        LABELS["guidance_scale"]: f"{config.guidance_scale:g}",
        LABELS["use_cam"]: "on" if config.use_cam else "off",
        LABELS["apm_strength"]: f"{config.apm_strength:g}",
        LABELS["frame_size"]: config.frame_size and size_text(config.frame_size),
    }
    if refiner:
        rows["Refined"] = (
            f"to {size_text(refiner.display_size)}, {refiner.num_inference_steps} steps, "
            f"{config.blending} blending"
        )
    took = f", in {duration(record.seconds)}" if record.state in ENDED else ""
    rows["Made"] = f"{record.created[:16].replace('T', ' ')} UTC{took}"
    versions = {"longtake": record.version, **record.versions}
    rows["With"] = ", ".join(f"{name} {version}" for name, version in versions.items())
    weights = (f"{name} {digest[:NUM_DIGITS]}" for name, digest in record.weights.items())
    rows["Weights (SHA-256)"] = ", ".join(weights)
    items = (
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>"
        for name, text in rows.items()
        if text
    )
    return f"<dl>{''.join(items)}</dl>"
