"""Arms of the small stack: awake, as after a training, and saved where the benchmark looks."""

from t2v.pipeline.arms import conditioning_parts, save_arm, with_conditioning
from t2v.settings.conditionings import CONDITIONINGS, arm_folder
from tests.support.small_stack import randomize


def awake_arm(stack, name, seed=7):
    """The stack with conditioning of random weights; all other weights are the stack's."""
    arm = with_conditioning(stack, CONDITIONINGS[name])
    for part in conditioning_parts(arm):
        randomize(part, seed)
    for network in (arm.unet, arm.extractor):
        network.requires_grad_(False).eval()
    return arm


def save_awake_arm(stack, name, preset, seed=7):
    record = {"arm": name, "steps": 7, "batch": 3, "seed": 0, "trained_parameters": 11}
    save_arm(awake_arm(stack, name, seed), stack, preset, arm_folder(name), record)
