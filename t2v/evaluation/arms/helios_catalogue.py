"""What the arms mean on Helios, whose memories are latents; how they draw is in `helios_drawing`.

Its history stands for the CAM, its anchor for the APM. Arms that are not named here take the UNet
of StreamingT2V apart.
"""

from t2v.evaluation.arms.catalogue import ARMS


ABOUT: dict[str, str] = {
    "cam": "Helios: every chunk reads a history of 19 latents, for the CAM, and the first latent, "
    "the anchor, for the APM",
    "no-apm": "Helios without the anchor, its long-term memory",
    "no-cam": "Helios without the history, its short-term memory: every chunk from text and anchor",
    "restart": "naive restart: every chunk is a new video of the prompt, without either memory",
    "last-frame": "a history of 1 latent, about the last 4 frames",
    "cam-1": "a history of 1 latent; the same as last-frame",
    "cam-2": "a history of 2 latents, about the last 8 frames",
    "cam-4": "a history of 4 latents, about the last 16 frames",
    "shuffled": "the chunks of `cam` in another order",
    "frozen": ARMS["frozen"].about,
}


def why_not_on_helios(name: str) -> str:
    """Why an arm cannot run on Helios, in one sentence; empty if it can."""
    if name in ABOUT or ARMS[name].preset:
        return ""
    return f"arm {name} cannot run: it takes the UNet of StreamingT2V apart, and Helios has none"
