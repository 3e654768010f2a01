import pytest
import torch

from t2v.models.cam import FeatureInjector
from tests.support.small_stack import (
    COND_FRAMES,
    count_calls,
    new_feature_extractor,
    new_unet,
    noise,
    randomize,
    some_cond_frames,
    some_latents,
    some_text,
)


INJECTOR_CHANNELS, FRAMES, HEIGHT, WIDTH = 14, 5, 11, 13


@pytest.fixture
def injector():
    return FeatureInjector(INJECTOR_CHANNELS, head_dim=7, norm_groups=2)


@pytest.fixture
def skip():
    return noise(2, INJECTOR_CHANNELS, FRAMES, HEIGHT, WIDTH)


@pytest.fixture
def cam():
    return noise(2, INJECTOR_CHANNELS, COND_FRAMES, HEIGHT, WIDTH, seed=1)


@pytest.fixture(scope="module")
def unet():
    return randomize(new_unet())


@pytest.fixture(scope="module")
def extractor(unet):
    return randomize(new_feature_extractor(unet), seed=1)


def run(extractor, latents, text, encoded):
    with torch.no_grad():
        return extractor(latents, 500, extractor.prepare_text(text), encoded)


def test_untrained_injector_changes_nothing(injector, skip, cam):
    torch.testing.assert_close(injector(skip, cam), skip)


def test_a_pixel_sees_only_its_own_past(injector, skip, cam):
    torch.nn.init.eye_(injector.proj_out.weight)
    before = injector(skip, cam)
    cam[:, :, :, 2, 5] += 1
    changed = (injector(skip, cam) != before).any(dim=(0, 1, 2))
    assert changed.nonzero().tolist() == [[2, 5]]


def test_every_frame_sees_every_past_frame(injector, skip, cam):
    torch.nn.init.eye_(injector.proj_out.weight)
    for k in range(COND_FRAMES):
        before = injector(skip, cam)
        cam[:, :, k] += 1
        changed = (injector(skip, cam) != before).any(dim=1).all(dim=(0, 2, 3))
        assert changed.tolist() == [True] * FRAMES


def test_the_order_of_past_frames_does_not_matter(injector, skip, cam):
    randomize(injector)
    torch.testing.assert_close(injector(skip, cam), injector(skip, cam.flip(2)))


def test_injector_refuses_a_head_width_that_does_not_divide_the_channels():
    with pytest.raises(ValueError, match="channels=14 is not a multiple of head_dim=4"):
        FeatureInjector(14, head_dim=4)


def test_untrained_extractor_is_the_unet_it_was_copied_from(unet):
    extractor = new_feature_extractor(unet)
    seen = []
    hook = unet.mid_block.register_forward_hook(lambda module, inputs, output: seen.append(output))
    latents, text = some_latents(), some_text()
    with torch.no_grad():
        unet(latents[:, :, :COND_FRAMES], 500, text)
    hook.remove()
    cam = run(extractor, latents, text, extractor.encode_frames(some_cond_frames()))
    torch.testing.assert_close(cam[-1].transpose(1, 2).flatten(0, 1), seen[0])


def test_the_copy_has_its_own_weights(unet):
    extractor = new_feature_extractor(unet)
    torch.nn.init.zeros_(extractor.conv_in.weight)
    assert unet.conv_in.weight.any()


def test_there_is_one_feature_map_per_injector(unet, extractor):
    cam = run(extractor, some_latents(), some_text(), extractor.encode_frames(some_cond_frames()))
    channels = [injector.proj_in.in_features for injector in (*unet.injectors, unet.mid_injector)]
    assert [features.shape[1] for features in cam] == channels
    assert {features.shape[2] for features in cam} == {COND_FRAMES}


def test_only_the_first_latent_frames_are_read(extractor):
    latents, text, encoded = (
        some_latents(),
        some_text(),
        extractor.encode_frames(some_cond_frames()),
    )
    before = run(extractor, latents, text, encoded)
    latents[:, :, COND_FRAMES:] += 1
    torch.testing.assert_close(run(extractor, latents, text, encoded), before)


def test_conditioning_frames_matter(extractor):
    latents, text, frames = some_latents(), some_text(), some_cond_frames()
    one = run(extractor, latents, text, extractor.encode_frames(frames))
    other = run(extractor, latents, text, extractor.encode_frames(-frames))
    assert not torch.allclose(one[-1], other[-1])


def test_frames_encoded_once_serve_both_texts_and_all_steps(extractor):
    latents, text, frames = some_latents(), some_text(), some_cond_frames(batch=1)
    calls = count_calls([extractor.frame_encoder])
    encoded = extractor.encode_frames(frames)
    for _ in range(3):
        once = run(extractor, latents, text, encoded)
    assert len(calls) == 1

    both_halves = extractor.encode_frames(frames.repeat(2, 1, 1, 1, 1))
    torch.testing.assert_close(once, run(extractor, latents, text, both_halves), atol=1e-5, rtol=0)


def test_frames_of_the_wrong_size_are_refused(extractor):
    encoded = extractor.encode_frames(some_cond_frames()[..., :-4])
    with pytest.raises(ValueError, match="frames must be 4 times as large as latents"):
        run(extractor, some_latents(), some_text(), encoded)


def test_text_prepared_for_the_unet_is_refused(unet, extractor):
    """It has the same shapes, but other keys, and the anchor in them."""
    encoded = extractor.encode_frames(some_cond_frames())
    with pytest.raises(ValueError, match="prepared by another model"):
        extractor(some_latents(), 500, unet.prepare_text(some_text()), encoded)


def test_features_change_with_the_noise(extractor):
    encoded = extractor.encode_frames(some_cond_frames())
    one = run(extractor, some_latents(), some_text(), encoded)
    other = run(extractor, -some_latents(), some_text(), encoded)
    assert not torch.allclose(one[-1], other[-1])
