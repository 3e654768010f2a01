"""Frames that know their numbers, and words that choose places: only in small stacks."""

import pytest
import torch

from t2v.models.attention import pool_text
from t2v.models.frame_embedding import FrameEmbedding, PlaceEmbedding, waves
from t2v.models.streaming_unet import StreamingUNet
from tests.support.small_stack import (
    CHANNELS,
    FRAMES,
    IMAGE_TOKENS,
    STOCK_CONFIG,
    TEXT_TOKENS,
    TOKEN_DIM,
    new_feature_extractor,
    new_unet,
    noise,
    randomize,
    some_cond_frames,
    some_latents,
    some_text,
)


@pytest.fixture(scope="module")
def unet():
    unet = StreamingUNet(
        num_text_tokens=TEXT_TOKENS,
        num_image_tokens=IMAGE_TOKENS,
        injector_head_dim=8,
        num_frame_embeddings=FRAMES,
        **STOCK_CONFIG,
    )
    return randomize(unet).requires_grad_(False)


def test_an_embedding_depends_on_the_number_and_on_the_text():
    embedding = randomize(FrameEmbedding(num_frames=7, text_dim=5, dim=11))
    numbers = torch.tensor([[0, 3, 3], [6, 0, 3]])
    one, other = noise(2, 5), noise(2, 5, seed=8)
    embedded = embedding(numbers, one)
    assert embedded.shape == (2, 3, 11)
    torch.testing.assert_close(embedded[0, 1], embedded[0, 2])
    assert not torch.allclose(embedded[0, 0], embedded[0, 1])
    assert not torch.allclose(embedded, embedding(numbers, other))


def test_whitening_equalises_small_and_large_differences_between_texts():
    embedding = FrameEmbedding(num_frames=7, text_dim=5, dim=11)
    texts = noise(400, 5) * torch.tensor([4.0, 1.0, 1.0, 1.0, 0.1]) + 3
    embedding.whiten_text(texts)
    large, small = texts[0].clone(), texts[0].clone()
    large[0] += 4
    small[4] += 0.1
    said = embedding.text(torch.stack([texts[0], large, small]))
    lengths = (said[1:] - said[0]).norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones(2), atol=0.1, rtol=0)
    assert embedding.text(texts).mean(dim=0).abs().max() < 1e-5


def test_one_text_can_serve_all_videos():
    embedding = randomize(FrameEmbedding(num_frames=7, text_dim=5, dim=11))
    numbers, text = torch.tensor([[1, 2], [4, 5]]), noise(1, 5)
    torch.testing.assert_close(embedding(numbers, text), embedding(numbers, text.expand(2, -1)))


def test_an_untrained_place_embedding_adds_nothing():
    places = PlaceEmbedding(dim=6, channels=3)
    assert not places(noise(2, 4, 6), (5, 7)).any()


def test_a_weight_adds_its_cosine_at_any_frame_size():
    places = PlaceEmbedding(dim=6, channels=2)
    with torch.no_grad():
        places.weights.bias.view(2, 4, 4)[1, 0, 1] = 3.0  # half a period from left to right
        picture = places(noise(1, 1, 6), (5, 7))[0]
    expected = 3 * torch.cos(torch.pi * (torch.arange(7) + 0.5) / 7)
    assert not picture[0].any()
    torch.testing.assert_close(picture[1], expected.expand(5, 7))


def test_the_first_wave_is_constant():
    assert torch.equal(waves(9, torch.empty(0))[0], torch.ones(9))


def test_pooled_text_counts_every_token():
    text = torch.zeros(2, 5, 3)
    text[1, 4] = 10
    assert pool_text(text).tolist() == [[0, 0, 0], [2, 2, 2]]


def test_a_single_frame_is_drawn_as_the_frame_whose_number_it_has(unet):
    latents, text = noise(3, CHANNELS, 1, 6, 10), some_text(1)
    numbers = torch.tensor([0, 2, 5])
    together = unet(latents, 100, text, first_frame=numbers)
    for i, number in enumerate(numbers):
        alone = unet(latents[i : i + 1], 100, text, first_frame=number[None])
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=1e-4)
    default = unet(latents, 100, text)
    torch.testing.assert_close(default[0], together[0])
    assert not torch.allclose(default[1], together[1], atol=1e-2)


def test_the_place_embedding_is_used_without_cam_only(unet):
    """With them, they know better where things are."""
    extractor = new_feature_extractor(unet)
    latents, text = some_latents(), some_text()
    encoded = extractor.encode_frames(some_cond_frames())
    cam = extractor(latents, 100, extractor.prepare_text(text), encoded)
    before = [unet(latents, 100, text, memory) for memory in (cam, None)]
    weights = unet.place_embedding.weights.weight.clone()
    unet.place_embedding.weights.weight.zero_()
    after = [unet(latents, 100, text, memory) for memory in (cam, None)]
    unet.place_embedding.weights.weight.copy_(weights)
    assert torch.equal(before[0], after[0])
    assert not torch.allclose(before[1], after[1], atol=1e-2)


def test_both_texts_of_guidance_have_their_own_place_embedding(unet):
    latents, texts = (
        some_latents(batch=1),
        torch.cat([some_text(1), noise(1, TEXT_TOKENS, TOKEN_DIM)]),
    )
    both = unet(latents, 100, texts)
    for i in range(2):
        torch.testing.assert_close(both[i : i + 1], unet(latents, 100, texts[i : i + 1]))


def test_the_papers_base_has_neither_embedding():
    assert not any("_embedding." in name and "time" not in name for name in new_unet().state_dict())
