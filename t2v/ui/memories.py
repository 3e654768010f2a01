"""Which memories made a video, in words: each kind of model has its own."""

from t2v.runs.record import RunSettings
from t2v.settings.bases import BASES, Base
from t2v.settings.presets import list_presets
from t2v.ui.texts.catalogue import listed, tr


def base_of(settings: RunSettings) -> Base:
    """What the model of a run can do; a preset that this server lacks is built as the paper's."""
    preset = list_presets().get(settings.preset)
    return preset.abilities if preset else BASES["streaming_t2v"]


def memories_of(settings: RunSettings) -> dict[str, str]:
    """English: the memories that can be left out of such a run, and how each was set."""
    config = settings.config
    values = {
        "use_cam": ("CAM", on_or_off(config.use_cam)),
        "apm_strength": ("APM", strength_text(config.apm_strength)),
        "history_length": ("History", str(config.history_length or "off")),
        "use_anchor": ("Anchor", on_or_off(config.use_anchor)),
    }
    switches = base_of(settings).without.values()
    return dict(values[name] for memory in switches for name in memory)


def caption_of(settings: RunSettings) -> str:
    """The memories of a run for a caption in a file, which visitors of all languages share."""
    return ", ".join(f"{name} {value}" for name, value in memories_of(settings).items())


def describe_memories(settings: RunSettings) -> str:
    """The memories of a run for the page; "" for a model without any."""
    return listed(*(f"{tr(name)} {tr(value)}" for name, value in memories_of(settings).items()))


def on_or_off(is_on: bool) -> str:
    return "on" if is_on else "off"


def strength_text(strength: float) -> str:
    return {0.0: "off", 1.0: "on"}.get(strength, f"{strength:g}")
