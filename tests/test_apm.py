import pytest
import torch

from t2v.models.apm import AppearanceMixer
from tests.support.small_stack import (
    BATCH,
    EMBED_DIM,
    IMAGE_TOKENS,
    TEXT_TOKENS,
    TOKEN_DIM,
    new_anchor_tokens,
    noise,
    randomize,
    some_anchor,
    some_text,
)


@pytest.fixture
def mixer():
    return AppearanceMixer(
        num_text_tokens=TEXT_TOKENS, num_image_tokens=IMAGE_TOKENS, token_dim=TOKEN_DIM
    )


def test_an_embedding_becomes_tokens_as_wide_as_the_text():
    tokens = new_anchor_tokens()(noise(BATCH, EMBED_DIM))
    assert tokens.shape == (BATCH, IMAGE_TOKENS, TOKEN_DIM)


def test_embeddings_of_several_frames_are_averaged():
    anchor_tokens, embeds = new_anchor_tokens(), noise(BATCH, 5, EMBED_DIM)
    torch.testing.assert_close(anchor_tokens(embeds), anchor_tokens(embeds.mean(dim=1)))


def test_untrained_mixer_changes_nothing(mixer):
    assert torch.equal(mixer(some_text(), some_anchor()), some_text())


def test_strength_zero_is_exactly_the_text(mixer):
    randomize(mixer)
    assert torch.equal(mixer(some_text(), some_anchor(), 0), some_text())


def test_strength_scales_the_mixture(mixer):
    randomize(mixer)
    text, anchor = some_text(), some_anchor()
    once = mixer(text, anchor) - text
    assert once.abs().max() > 1e-3
    torch.testing.assert_close(mixer(text, anchor, 2) - text, 2 * once)


def test_every_image_token_reaches_every_text_token(mixer):
    randomize(mixer)
    for i in range(IMAGE_TOKENS):
        anchor = some_anchor()
        before = mixer(some_text(), anchor)
        anchor[:, i, 3] += 1
        assert (mixer(some_text(), anchor) != before).any(dim=-1).all()


def test_another_number_of_tokens_is_refused(mixer):
    with pytest.raises(ValueError, match="7 text tokens with 4 image tokens, got 6 and 4"):
        mixer(some_text(num_tokens=6), some_anchor())


def test_wrong_token_counts_with_the_right_sum_are_refused(mixer):
    with pytest.raises(ValueError, match="got 8 and 3"):
        mixer(some_text(num_tokens=8), some_anchor()[:, 1:])
