"""Add-Cond, the CAM's ablation: same interface, chosen by config, and the identity untrained."""

import pytest
import torch

from t2v.models.cam import AddInjector
from t2v.models.streaming_unet import StreamingUNet
from t2v.pipeline.arms import with_conditioning
from t2v.pipeline.loading import load_stack
from t2v.settings.conditionings import CONDITIONINGS
from t2v.settings.presets import find_preset
from tests.support.small_stack import (
    BATCH,
    COND_FRAMES,
    FRAMES,
    IMAGE_TOKENS,
    STOCK_CONFIG,
    TEXT_TOKENS,
    new_feature_extractor,
    new_unet,
    noise,
    randomize,
    some_cond_frames,
    some_latents,
    some_text,
)


SIZES = {"num_text_tokens": TEXT_TOKENS, "num_image_tokens": IMAGE_TOKENS, "injector_head_dim": 8}
SKIP, CAM = (2, 6, 5, 7, 11), (2, 6, 3, 7, 11)


def new_add_unet():
    return StreamingUNet(injector="add", **SIZES, **STOCK_CONFIG).eval()


def test_an_untrained_add_injector_changes_nothing():
    skip = noise(*SKIP)
    torch.testing.assert_close(AddInjector(6)(skip, noise(*CAM, seed=1)), skip, atol=0, rtol=0)


def test_features_are_added_to_their_own_pixels_and_frames():
    injector = randomize(AddInjector(6))
    skip, cam = noise(*SKIP), noise(*CAM, seed=1)
    before = injector(skip, cam)
    cam[:, :, 1, 2, 5] += 1
    changed = (injector(skip, cam) != before).any(dim=(0, 1))
    assert changed.nonzero().tolist() == [[1, 2, 5]]


def test_the_mask_says_which_frames_are_known():
    injector = randomize(AddInjector(6))
    added = injector(torch.zeros(SKIP), torch.zeros(CAM))
    known, unknown = added[:, :, :3], added[:, :, 3:]
    torch.testing.assert_close(
        unknown, injector.proj_out.bias.view(6, 1, 1, 1).expand(2, 6, 2, 7, 11)
    )
    assert (known != unknown[:, :, :1]).all()


def test_untrained_add_conditioning_leaves_the_unet_as_it_was():
    unet, latents, text = new_add_unet(), some_latents(), some_text()
    extractor = new_feature_extractor(unet)
    with torch.inference_mode():
        encoded = extractor.encode_frames(some_cond_frames())
        cam = extractor(latents, torch.tensor(500), extractor.prepare_text(text), encoded)
        torch.testing.assert_close(unet(latents, 500, text, cam), unet(latents, 500, text))


def test_awake_add_conditioning_reads_the_conditioning_frames():
    unet, latents, text = randomize(new_add_unet()), some_latents(), some_text()
    extractor = randomize(new_feature_extractor(unet), seed=1)
    assert latents.shape[:3] == (BATCH, 5, FRAMES)

    def draw(frames):
        encoded = extractor.encode_frames(frames)
        cam = extractor(latents, torch.tensor(500), extractor.prepare_text(text), encoded)
        return unet(latents, 500, text, cam)

    with torch.inference_mode():
        frames = some_cond_frames()
        before = draw(frames)
        frames[:, COND_FRAMES - 1] *= -1
        assert not torch.allclose(draw(frames), before)


def test_the_default_is_the_paper_s_attention_with_its_names():
    names = {name for name, _ in new_unet().named_parameters() if "injector" in name}
    assert any("attention.to_q" in name for name in names)
    assert {name.split(".", 2)[-1] for name, _ in new_add_unet().named_parameters()
            if name.startswith("injectors.")} == {"proj_out.weight", "proj_out.bias"}  # fmt: skip


def test_an_unknown_injector_is_refused():
    with pytest.raises(ValueError, match="injector must be attention, add or concat, got 'sum'"):
        StreamingUNet(injector="sum", **SIZES, **STOCK_CONFIG)


@pytest.mark.slow
def test_a_new_arm_draws_as_the_bundled_stack_without_its_cam():
    stack = load_stack(find_preset("shapes"), "cpu")
    arm = with_conditioning(stack, CONDITIONINGS["add-cond"])
    latents = noise(1, stack.latent_shape()[0], 16, 8, 8)
    text = noise(1, 28, 128, seed=1)
    frames = noise(1, 8, 3, 64, 64, seed=2).clamp(-1, 1)
    with torch.inference_mode():
        encoded = arm.extractor.encode_frames(frames)
        cam_text = arm.extractor.prepare_text(text)
        cam = arm.extractor(latents, torch.tensor(500), cam_text, encoded)
        drawn = arm.unet.eval()(latents, 500, text, cam)
        # The place embedding is for chunks without conditioning frames only.
        stack.unet.place_embedding = None
        torch.testing.assert_close(drawn, stack.unet(latents, 500, text), atol=1e-4, rtol=1e-4)
