"""The contracts of the UNet with both memories, kept by the transformer."""

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from einops import rearrange

from t2v.models.attention import AttentionRunner, text_attentions
from t2v.models.streaming_transformer import StreamingTransformer
from tests.support.small_stack import (
    BATCH,
    COND_FRAMES,
    EMBED_DIM,
    FRAMES,
    count_calls,
    new_anchor_tokens,
    new_feature_extractor,
    new_transformer,
    noise,
    randomize,
    some_anchor,
    some_cond_frames,
    some_latents,
    some_text,
)


@pytest.fixture(scope="module")
def transformer():
    return randomize(new_transformer())


@pytest.fixture(scope="module")
def extractor(transformer):
    return randomize(new_feature_extractor(transformer), seed=1)


@torch.no_grad()
def run(transformer, latents, text, cam=None, **more):
    return transformer(latents, 500, text, cam, **more)


@torch.no_grad()
def features_of(extractor, latents, text, frames):
    encoded = extractor.encode_frames(frames)
    return extractor(latents, 500, extractor.prepare_text(text), encoded)


def assert_close(actual, expected, atol=1e-4):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=1e-4)


def test_untrained_memories_change_nothing():
    transformer = new_transformer()
    latents, text = some_latents(), some_text()
    cam = features_of(new_feature_extractor(transformer), latents, text, some_cond_frames())
    context = transformer.prepare_text(text, some_anchor())
    assert_close(run(transformer, latents, context, cam), run(transformer, latents, text))


def test_trained_memories_change_the_result(transformer, extractor):
    latents, text = some_latents(), some_text()
    plain = run(transformer, latents, text)
    cam = features_of(extractor, latents, text, some_cond_frames())
    context = transformer.prepare_text(text, some_anchor())
    assert (run(transformer, latents, text, cam) - plain).abs().max() > 1e-2
    assert (run(transformer, latents, context) - plain).abs().max() > 1e-2


def test_apm_strength_zero_is_the_text_alone(transformer):
    latents, text = some_latents(), some_text()
    context = transformer.prepare_text(text, some_anchor(), apm_strength=0)
    assert torch.equal(run(transformer, latents, context), run(transformer, latents, text))


def test_only_the_last_blocks_attend_to_the_conditioning_frames(transformer, extractor):
    latents, text = some_latents(), some_text()
    outputs = []
    hooks = [
        block.register_forward_hook(lambda module, inputs, output: outputs.append(output))
        for block in transformer.transformer_blocks
    ]
    run(transformer, latents, text)
    run(transformer, latents, text, features_of(extractor, latents, text, some_cond_frames()))
    for hook in hooks:
        hook.remove()
    half = len(outputs) // 2
    pairs = zip(outputs[:half], outputs[half:], strict=True)
    are_same = [torch.equal(*pair) for pair in pairs]
    assert are_same == [True, True, True, False, False]


def test_untrained_extractor_is_the_front_of_the_transformer(transformer):
    outputs = []
    front = transformer.transformer_blocks[: len(transformer.injectors)]
    hooks = [
        block.register_forward_hook(lambda module, inputs, output: outputs.append(output))
        for block in front
    ]
    latents, text = some_latents(), some_text()
    run(transformer, latents[:, :, :COND_FRAMES], text)
    for hook in hooks:
        hook.remove()
    copy = new_feature_extractor(transformer)
    cam = features_of(copy, latents, text, some_cond_frames())
    assert len(cam) == len(outputs) == 2
    for features, output in zip(cam, outputs, strict=True):
        assert_close(rearrange(features, "b d k h w -> (b k) (h w) d"), output)
    torch.nn.init.zeros_(copy.patch_embed.proj.weight)
    assert transformer.patch_embed.proj.weight.any()


def test_the_extractor_reads_the_frames_and_only_the_first_latents(extractor):
    latents, text, frames = some_latents(), some_text(), some_cond_frames()
    before = features_of(extractor, latents, text, frames)
    assert not torch.allclose(features_of(extractor, latents, text, -frames)[-1], before[-1])
    latents[:, :, COND_FRAMES:] += 1
    assert_close(features_of(extractor, latents, text, frames)[-1], before[-1])


def test_frames_of_the_wrong_size_are_refused(extractor):
    with pytest.raises(ValueError, match="frames must be 4 times as large as latents"):
        features_of(extractor, some_latents(), some_text(), some_cond_frames()[..., :-4])


def test_joint_attention_is_attention_over_all_tokens_of_a_video():
    attention = randomize(Attention(15, heads=3, dim_head=5, processor=AttentionRunner()))
    x = noise(BATCH * FRAMES, 7, 15)
    with torch.no_grad():
        joint = attention(x, num_frames=FRAMES)
        attention.set_processor(AttnProcessor2_0())
        expected = attention(rearrange(x, "(b f) s c -> b (f s) c", f=FRAMES))
    assert_close(joint, rearrange(expected, "b (f s) c -> (b f) s c", f=FRAMES))
    assert not torch.allclose(attention(x), joint, atol=1e-2)


def test_one_frame_is_what_the_library_computes(transformer):
    """Without video, memories and prepared keys: attention as diffusers runs it."""
    latents, text = some_latents()[:, :, :1], some_text()
    actual = run(transformer, latents, text)
    stock = StreamingTransformer.from_config(transformer.config).eval()
    stock.load_state_dict(transformer.state_dict())
    for module in stock.modules():
        if isinstance(module, Attention):
            module.set_processor(AttnProcessor2_0())
    with torch.no_grad():
        x, time = stock.embed(latents, 500, stock.prepare_text(text))
        for block in stock.transformer_blocks:
            x = block(x, encoder_hidden_states=text, timestep=stock.modulation(time))
        expected = stock.proj_out(stock.norm_out(x, time))
    assert_close(actual[:, :, 0], rearrange(expected, "b (h w) c -> b c h w", h=latents.shape[3]))


@pytest.mark.parametrize("height, width", [(9, 13), (5, 3), (16, 16)])
def test_all_places_and_frames_of_any_size_are_told_apart(transformer, height, width):
    numbers = torch.arange(FRAMES)
    positions = transformer._positions(numbers, (height, width)).flatten(0, 1)
    assert torch.cdist(positions, positions).fill_diagonal_(9).min() > 1e-3
    latents = some_latents()[:, :, :, :height, :width]
    output = run(transformer, latents, some_text())
    assert output.shape == latents.shape
    assert output.isfinite().all()


def test_a_frame_knows_its_number(transformer):
    latents, text = some_latents()[:, :, 2:3], some_text()
    first = run(transformer, latents, text)
    third = run(transformer, latents, text, first_frame=torch.tensor([0, 2]))
    assert_close(third[0], first[0])
    assert (third[1] - first[1]).abs().max() > 1e-2


def test_every_frame_sees_every_other_frame(transformer):
    latents, text = some_latents(), some_text()
    before = run(transformer, latents, text)
    for frame in (0, FRAMES - 1):
        changed = latents.clone()
        changed[:, :, frame] += 1
        difference = (run(transformer, changed, text) - before).abs().amax(dim=(0, 1, 3, 4))
        assert (difference > 1e-5).all()


def test_videos_of_a_batch_do_not_see_each_other(transformer, extractor):
    latents, text, tokens = some_latents(), some_text(), some_anchor()
    frames, numbers = some_cond_frames(), torch.tensor([3, 0])
    cam = features_of(extractor, latents, text, frames)
    context = transformer.prepare_text(text, tokens)
    together = run(transformer, latents, context, cam, first_frame=numbers)
    for i in range(BATCH):
        only = slice(i, i + 1)
        own_cam = features_of(extractor, latents[only], text[only], frames[only])
        own_text = transformer.prepare_text(text[only], tokens[only])
        alone = run(transformer, latents[only], own_text, own_cam, first_frame=numbers[only])
        assert_close(together[only], alone)


def test_two_texts_for_one_video_are_two_predictions(transformer, extractor):
    latents, text, frames = some_latents(batch=1), some_text(), some_cond_frames(batch=1)
    cam = features_of(extractor, latents, text, frames)
    output = run(transformer, latents, text, cam)
    assert len(cam[0]) == len(output) == 2
    assert_close(output, run(transformer, torch.cat([latents, latents]), text, cam))


def test_cam_features_of_another_number_of_videos_are_refused(transformer, extractor):
    cam = features_of(extractor, some_latents(), some_text(), some_cond_frames())
    with pytest.raises(ValueError, match="1 videos of latents, but CAM features of 2"):
        run(transformer, some_latents(batch=1), some_text(batch=1), cam)


def test_text_is_prepared_once_for_all_steps(transformer):
    layers = text_attentions(transformer).values()
    calls = count_calls([layer.to_k for layer in layers])
    context = transformer.prepare_text(some_text(), some_anchor())
    for _ in range(3):
        run(transformer, some_latents(), context)
    assert len(calls) == len(layers) == len(transformer.mixers) == 5


def test_every_weight_learns():
    transformer, anchor_tokens = randomize(new_transformer()), randomize(new_anchor_tokens())
    extractor = randomize(new_feature_extractor(transformer), seed=1)
    text, latents, timesteps = some_text(), some_latents(), torch.tensor([900, 100])
    encoded = extractor.encode_frames(some_cond_frames())
    cam = extractor(latents, timesteps, extractor.prepare_text(text), encoded)
    context = transformer.prepare_text(text, anchor_tokens(noise(BATCH, EMBED_DIM)))
    transformer(latents, timesteps, context, cam).square().mean().backward()
    for model in (transformer, extractor, anchor_tokens):
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name


def test_more_injectors_than_blocks_are_refused(transformer):
    config = dict(transformer.config) | {"num_injectors": 6}
    config.pop("_use_default_values", None)
    with pytest.raises(ValueError, match="num_injectors must be from 1 to 5, got 6"):
        StreamingTransformer.from_config(config)
