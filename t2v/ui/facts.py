"""The panel "How this video was made"."""

from typing import Any

from t2v.runs.record import ENDED, RunRecord
from t2v.settings.config import SETTINGS
from t2v.settings.declaration import Setting
from t2v.ui.labels import LABELS, duration, escaped, in_seconds, seconds_at, size_text
from t2v.ui.memories import base_of
from t2v.ui.start import begins_with_text
from t2v.ui.texts.catalogue import listed, tr


NUM_DIGITS = 12  # of a SHA-256, enough to tell weights apart
SHOWN_IN_OTHER_ROWS = ("prompt", "num_chunks", "refine", "blending")  # of `facts`


def facts(record: RunRecord) -> str:
    """HTML of everything that a run depends on.

    Settings that are empty, or mean nothing to its model, are left out.
    """
    settings = record.settings
    config, refiner = settings.config, settings.refiner
    first, *changes = config.prompts
    rows = {tr(LABELS["prompt"]): first.text}
    for change in changes:
        time = in_seconds(seconds_at(settings, change.chunk), 1)
        rows[tr("From {time}", time=time)] = change.text
    rows[tr("Begins with")] = begins_with_text(settings.begins_with)
    rows[tr(LABELS["preset"])] = settings.preset
    rows[tr(LABELS["num_chunks"])] = tr(
        "{chunks}: {frames} frames, {time} at {fps} fps",
        chunks=config.num_chunks,
        frames=settings.num_frames,
        time=in_seconds(settings.num_frames / settings.fps, 1),
        fps=settings.fps,
    )
    hidden = base_of(settings).unused.union(SHOWN_IN_OTHER_ROWS)
    rows |= {
        tr(declared.label): value_text(declared, getattr(config, name))
        for name, declared in SETTINGS.items()
        if name not in hidden
    }
    if refiner:
        rows[tr("Refined")] = tr(
            "to {size}, {steps} steps, {blending} blending",
            size=size_text(refiner.display_size),
            steps=refiner.num_inference_steps,
            blending=config.blending,
        )
    made = f"{str(record.created)[:16].replace('T', ' ')} UTC"
    if record.state in ENDED:
        made = tr("{moment}, in {time}", moment=made, time=duration(record.seconds))
    rows[tr("Made")] = made
    used = f"{record.peak_memory / 1e9:.1f} GB" if record.peak_memory else ""
    if record.peak_gpu_memory:
        of_gpu = tr("{gigabytes} GB of the GPU", gigabytes=f"{record.peak_gpu_memory / 1e9:.1f}")
        used = listed(used, of_gpu)
    rows[tr("Peak memory")] = used
    versions = {"longtake": record.version, **record.versions}
    rows[tr("Versions")] = ", ".join(f"{name} {version}" for name, version in versions.items())
    weights = (f"{name} {digest[:NUM_DIGITS]}" for name, digest in record.weights.items())
    rows[tr("Weights (SHA-256)")] = ", ".join(weights)
    items = (
        f"<div><dt>{escaped(name)}</dt><dd>{escaped(text)}</dd></div>"
        for name, text in rows.items()
        if text
    )
    return f"<dl>{''.join(items)}</dl>"


def value_text(declared: Setting, value: Any) -> str:
    """A setting's value as people read it; "" for one that was left empty."""
    match declared.kind:
        case "switch":
            return tr("on") if value else tr("off")
        case "number":
            return f"{value:g}"
        case "size":
            return size_text(value) if value else ""
    return str(value)
