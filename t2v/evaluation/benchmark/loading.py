"""Loads what makes the videos of a benchmark: the stack, and what is known of its prompts."""

from collections.abc import Mapping
from functools import cache

from t2v.errors import CheckpointError, ConfigError
from t2v.evaluation.benchmark.case_runner import CaseRunner
from t2v.evaluation.benchmark.folder import BenchmarkFolder
from t2v.evaluation.benchmark.plan import Prompts
from t2v.evaluation.metrics.flow import FlowBackend
from t2v.evaluation.metrics.mawe import Sizes
from t2v.evaluation.networks.metric_networks import Measure
from t2v.evaluation.report import load_probe
from t2v.evaluation.samples import held_out_scenes
from t2v.generator import Generator
from t2v.pipeline.arms import load_arm
from t2v.pipeline.helios_stack import HeliosStack
from t2v.pipeline.refiner_loading import load_refiner
from t2v.pipeline.stack import Stack
from t2v.settings.presets import Preset
from t2v.training.probe import Probe
from t2v.worlds import world_name, world_of
from t2v.worlds.world import Scene, World


NUM_SCENES = 1000  # held-out ones whose captions are known


def new_case_runner(
    folder: BenchmarkFolder,
    preset: Preset,
    stack: Stack | HeliosStack,
    prompts: Prompts,
    flow: FlowBackend,
    sizes: Sizes,
    measures: Mapping[str, Measure],
) -> CaseRunner:
    """A runner for a stack, with the world that it was trained on if there is one."""
    world = world_of(preset.weights_folder) if world_name(preset.weights_folder) else None
    scenes = scenes_of(world, prompts) if world else ()
    return CaseRunner(
        folder=folder,
        preset=preset,
        stack=stack,
        prompts=prompts,
        flow=flow,
        sizes=sizes,
        world=world,
        scenes=scenes,
        probe=find_probe(preset) if any(scenes) else None,
        refiner=cache(lambda: load_refiner(preset, stack=taken_apart(stack))),
        baseline=cache(Generator.load),
        conditioned=cache(lambda name: load_arm(taken_apart(stack), preset, name)),
        measures=measures,
    )


def taken_apart(stack: Stack | HeliosStack) -> Stack:
    """The stack, for arms that no plan has for Helios."""
    assert isinstance(stack, Stack)
    return stack


def scenes_of(world: World, prompts: Prompts) -> tuple[Scene | None, ...]:
    """The held-out scenes of which the prompts are the captions; None where one is of none."""
    scenes, _ = held_out_scenes(world, NUM_SCENES)
    by_caption = {scene.caption: scene for scene in reversed(scenes)}  # the first of a caption
    return tuple(by_caption.get(text) for text in prompts.texts)


def find_probe(preset: Preset) -> Probe | None:
    """The probe of the preset's world; None where its weights are not there."""
    try:
        return load_probe(preset)
    except (CheckpointError, ConfigError):
        return None
