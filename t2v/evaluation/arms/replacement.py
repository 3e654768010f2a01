"""Known frames that are held: continuing a video without training, and without the CAM.

The replacement method of Ho et al. (2022, Video Diffusion Models, Sec. 3.1), for any sampler: of
the known frames, the network's output is exchanged for the one that leads back to them. Each step
then leaves them on their own noised path, and the temporal layers carry them to the other frames.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from t2v.evaluation.arms.task import Task, Video
from t2v.models.attention import TextContext
from t2v.pipeline.conditioning import EncodedPrompts, embed_anchor
from t2v.pipeline.denoising import Latents, Outputs, Predict, make_scheduler
from t2v.pipeline.initialization import draw_chunk
from t2v.pipeline.offload import guidance_parts
from t2v.pipeline.stack import Stack


def held_outputs(
    latents: Latents, known: Latents, alpha: Float[Tensor, ""], prediction_type: str
) -> Latents:
    """The outputs at which `known` is the clean video behind the noisy `latents`.

    Args:
        alpha: the share of signal at this timestep, below 1 (alpha-bar of DDPM).
        prediction_type: "v_prediction", "epsilon" or "sample", as diffusers' schedulers name it.
    """
    signal, sigma = alpha.sqrt(), (1 - alpha).sqrt()
    noise = (latents - signal * known) / sigma
    if prediction_type == "v_prediction":
        return signal * noise - sigma * known
    return noise if prediction_type == "epsilon" else known


def hold(
    predict: Predict,
    known: Latents,
    alphas_cumprod: Float[Tensor, " t"],
    prediction_type: str = "v_prediction",
) -> Predict:
    """Wraps a network: the first frames stay `known`."""
    k = known.shape[2]

    def predict_held(latents: Latents, timestep: Tensor) -> Outputs:
        outputs = predict(latents, timestep).float()
        alpha = alphas_cumprod[int(timestep)].to(outputs)
        held = held_outputs(latents[:, :, :k].float(), known.to(outputs), alpha, prediction_type)
        return torch.cat([held.expand(len(outputs), -1, -1, -1, -1), outputs[:, :, k:]], dim=2)

    return predict_held


def predict_without_cam(stack: Stack, text: TextContext) -> Predict:
    """The network of later chunks, that sees no conditioning frames."""

    def predict(latents: Latents, timestep: Tensor) -> Outputs:
        parts = guidance_parts(stack.offloader, latents, text)
        return torch.cat([stack.unet(latents, timestep, part) for (part,) in parts])

    return predict


@torch.inference_mode()
def replace_known(task: Task, num_known: int, moves_anchor: bool) -> Iterator[Video]:
    """Every chunk holds the last `num_known` frames as its first ones.

    Args:
        moves_anchor: the APM's anchor is the last frame, not the first.
    """
    stack, config = task.stack, task.config
    yield task.first_chunk
    stack.use("text_encoder")
    prompts = EncodedPrompts(stack.text_encoder.encode, config, config.guidance_scale)
    scheduler = make_scheduler(config.scheduler, stack.schedule, config.num_inference_steps)
    prediction_type = stack.schedule.get("prediction_type", "epsilon")
    known, num_frames, index = task.first_chunk[-num_known:], len(task.first_chunk), 1
    while num_frames < task.num_frames:
        anchor = embed_anchor(stack, config, known[-1] if moves_anchor else task.first_chunk[0])
        stack.use("unet")
        text = stack.unet.prepare_text(prompts.of_chunk(index), anchor, config.apm_strength)
        encoded = stack.autoencoder.encode(torch.from_numpy(known.copy())[None].to(stack.device))
        held = hold(
            predict_without_cam(stack, text), encoded, scheduler.alphas_cumprod, prediction_type
        )
        *_, last = draw_chunk(stack, config, "streaming_t2v", index, held)
        frames = stack.autoencoder.decode(last.latents[:, :, num_known:])
        yield frames
        known, num_frames, index = frames[-num_known:], num_frames + len(frames), index + 1
