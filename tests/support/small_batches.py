"""Training with batches and sheets as small as they get."""

from functools import partial

from t2v.pipeline.denoising import make_scheduler
from t2v.settings.preset import Preset
from t2v.training import (
    autoencoder,
    base_stages,
    diffusion,
    distillation,
    encoders,
    loop,
    memory_stages,
    probe,
    processor,
    recipe,
    refiner,
)


def make_batches_small(patch):
    """Patches the recipe: every stage then takes seconds for two steps."""
    # Float32 everywhere: as many seconds, and the same weights, on every processor.
    patch.setattr(processor, "multiplies_bfloat16", lambda device: False)
    patch.setattr(autoencoder, "BATCH", 2)
    patch.setattr(autoencoder, "NUM_STATISTICS_FRAMES", 8)
    patch.setattr(encoders, "BATCH", 3)
    patch.setattr(encoders, "NUM_CAPTIONS", 6)
    patch.setattr(probe, "BATCH", 4)
    patch.setattr(recipe, "recall", partial(encoders.recall, count=5))
    patch.setattr(recipe, "accuracy", partial(probe.accuracy, count=9))
    patch.setattr(base_stages.ImagesStage, "batch_size", 2)
    patch.setattr(base_stages.ClipsStage, "batch_size", 2)
    patch.setattr(base_stages.ClipsStage, "image_batch_size", 2)
    patch.setattr(refiner.RefinerStage, "batch_size", 2)
    patch.setattr(refiner, "SHEET_SCENES", 1)
    for stage in (
        memory_stages.MemoryStage,
        memory_stages.WorldStage,
        distillation.GuidanceStage,
    ):
        patch.setattr(stage, "image_batch", 2)
        patch.setattr(stage, "first_batch", 1)
        patch.setattr(stage, "later_batch", 2)
    patch.setattr(memory_stages, "SHEET_WINDOWS", 1)
    patch.setattr(base_stages, "SHEET_CLIPS", 6)
    for module in (diffusion, memory_stages):
        patch.setattr(
            module,
            "make_scheduler",
            lambda name, schedule, _: make_scheduler(name, schedule, 1),
        )
    patch.setattr(loop, "LOG_STEPS", 1)
    # No bundled weights: training starts without any.
    patch.setattr(Preset, "unavailable", property(lambda self: "nothing is bundled"))
