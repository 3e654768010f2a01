"""How every arm of the catalog draws."""

from functools import partial

from torch import nn

from t2v.evaluation.arms import baselines, continuation, controls, refined, replacement, windowed
from t2v.evaluation.arms.catalogue import ARMS
from t2v.evaluation.arms.task import Draw
from t2v.pipeline.arms import conditioning_parts
from t2v.pipeline.stack import Stack
from t2v.settings.config import BLENDINGS


DRAW: dict[str, Draw] = {
    "cam": continuation.continue_with,
    "no-apm": partial(continuation.continue_with, apm_strength=0.0),
    "no-cam": partial(continuation.continue_with, use_cam=False),
    "restart": continuation.restart,
    "last-frame": continuation.with_last_frame,
    **{f"cam-{count}": partial(continuation.with_overlap, overlap=count) for count in (1, 2, 4)},
    # All frames that a chunk shares with the one before.
    "replacement": lambda task: replacement.replace_known(
        task, task.stack.chunking.overlap, moves_anchor=False
    ),
    "last-anchor": partial(replacement.replace_known, num_known=1, moves_anchor=True),
    "gen-l": partial(windowed.draw_windows, stride=windowed.GEN_L_STRIDE),
    "freenoise": partial(
        windowed.draw_windows,
        stride=windowed.FREENOISE_STRIDE,
        weigh=windowed.pyramid,
        shuffles_noise=True,
    ),
    **{
        name: partial(baselines.draw_baseline, preset=arm.preset)
        for name, arm in ARMS.items()
        if arm.preset
    },
    **{
        name: partial(continuation.with_conditioning, name=arm.conditioning, overlap=arm.overlap)
        for name, arm in ARMS.items()
        if arm.conditioning
    },
    "real": controls.render_real,
    "shuffled": controls.shuffle,
    "frozen": controls.freeze,
    "real-large": partial(refined.at_refined_size, draw=controls.render_real),
    "shuffled-large": partial(refined.at_refined_size, draw=refined.shuffle_refined),
    "frozen-large": partial(refined.at_refined_size, draw=controls.freeze),
    "upscaled": partial(refined.at_refined_size, draw=refined.preview_chunks),
    **{name: partial(refined.refine_preview, blending=name) for name in BLENDINGS},
}


def trained_parameters(stack: Stack, memories: tuple[str, ...]) -> int:
    """Parameters of the memories that an arm uses, which were trained for it."""
    parts: dict[str, tuple[nn.Module, ...]] = {
        "cam": conditioning_parts(stack),
        "apm": (stack.anchor_tokens, stack.unet.mixers),
    }
    return sum(
        parameter.numel()
        for name in memories
        for part in parts[name]
        for parameter in part.parameters()
    )
