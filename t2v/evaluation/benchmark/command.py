"""The work of `longtake benchmark`, after its options were checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2v.device import has_gpu
from t2v.evaluation.arms.catalogue import ARMS
from t2v.evaluation.benchmark.case_runner import CaseRunner
from t2v.evaluation.benchmark.external_videos import ExternalVideo, measure_external
from t2v.evaluation.benchmark.folder import BenchmarkFolder
from t2v.evaluation.benchmark.loading import new_case_runner
from t2v.evaluation.benchmark.manifest import make_manifest, settle_manifest
from t2v.evaluation.benchmark.plan import Plan, Prompts
from t2v.evaluation.benchmark.running import run_suites
from t2v.evaluation.benchmark.sanity import run_sanity
from t2v.evaluation.metrics.flow import DISFlow, FlowBackend
from t2v.evaluation.metrics.mawe import PROTOCOL, Sizes
from t2v.evaluation.metrics.video import protocol
from t2v.evaluation.networks.metric_networks import Measure, MetricNetwork
from t2v.pipeline.helios_loading import load_helios
from t2v.pipeline.helios_stack import HeliosStack
from t2v.pipeline.loading import load_stack
from t2v.pipeline.stack import Stack
from t2v.settings.presets import Preset, named_preset
from t2v.weight_hashes import hash_file
from t2v.worlds import find_world, world_name


QUICK_SIZES = Sizes(flow=256, warp=256)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkOptions:
    """Everything that the command was told."""

    preset: Preset
    prompts: Prompts
    plans: tuple[Plan, ...]
    flow: str  # "dis" or "raft"
    flow_weights: Path | None = None  # of RAFT
    networks: Mapping[str, MetricNetwork] = field(default_factory=dict)  # by their metrics
    out: Path
    quick: bool = False
    has_sanity: bool = False
    given: tuple[ExternalVideo, ...] = ()


def run_benchmark(options: BenchmarkOptions, tell: Callable[[str], None]) -> None:
    """Runs the suites, and measures the videos that were given.

    Raises:
        ConfigError: the folder was begun with other settings.
        CheckpointError: weights are missing or do not fit.
    """
    device = "cuda" if has_gpu() else "cpu"
    flow, sizes = find_flow(options, device), sizes_of(options)
    # Before the manifest: weights that are damaged must not be what the folder keeps to.
    measures = {metric: network.load(device) for metric, network in options.networks.items()}
    folder = BenchmarkFolder(options.out)
    measured_by = protocol(flow, sizes)
    if options.flow_weights:
        measured_by["flow_weights"] = hash_file(options.flow_weights)
    records = {metric: network.record() for metric, network in options.networks.items()}
    manifest = make_manifest(
        options.preset, options.prompts, measured_by, records, device, baselines_of(options.plans)
    )
    with folder.locked():
        manifest = settle_manifest(options.out, manifest)
        _run(options, folder, flow, sizes, measures, manifest, tell)


def baselines_of(plans: Sequence[Plan]) -> list[Preset]:
    """The presets of other models that the plans draw with."""
    names = {ARMS[arm].preset for plan in plans for arm in plan.arms}
    return [named_preset(name) for name in sorted(names - {""})]


def _run(
    options: BenchmarkOptions,
    folder: BenchmarkFolder,
    flow: FlowBackend,
    sizes: Sizes,
    measures: Mapping[str, Measure],
    manifest: dict[str, Any],
    tell: Callable[[str], None],
) -> None:
    if options.has_sanity:
        world = find_world(world_name(options.preset.weights_folder) or "shapes")
        run_sanity(folder, world, flow, sizes, manifest["protocol"], tell)
    if options.plans:

        def load() -> CaseRunner:
            refines = any(ARMS[arm].refined for plan in options.plans for arm in plan.arms)
            stack = load_any(options.preset, refine=refines)
            return new_case_runner(
                folder, options.preset, stack, options.prompts, flow, sizes, measures
            )

        run_suites(
            options.plans,
            folder,
            load,
            manifest,
            networks=measures,
            quick=options.quick,
            tell=tell,
        )
    if options.given:
        measure_external(options.given, folder, flow, sizes, measures, manifest["protocol"])
        tell(f"runs: {folder.path / 'runs' / 'table.md'}")


def load_any(preset: Preset, *, refine: bool) -> Stack | HeliosStack:
    """Loads the networks of a preset, with room for its refiner if there is one and `refine`."""
    if preset.base == "helios":
        return load_helios(preset)
    return load_stack(preset, refine=refine)


def find_flow(options: BenchmarkOptions, device: str) -> FlowBackend:
    """The estimator of optical flow.

    Raises:
        CheckpointError: its weights are not here, or do not fit.
    """
    if options.flow_weights is None:
        return DISFlow()
    from t2v.evaluation.networks.raft import RAFTFlow

    return RAFTFlow(options.flow_weights, device)


def sizes_of(options: BenchmarkOptions) -> Sizes:
    """Sides of the squares for flow and warp; with RAFT those of the authors' script."""
    if options.quick:
        return QUICK_SIZES
    return Sizes(flow=720, warp=720) if options.flow == "raft" else PROTOCOL
