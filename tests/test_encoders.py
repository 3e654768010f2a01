import open_clip
import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel

from t2v.models.encoders import OpenClipTextEncoder
from t2v.weights.convert import CONFIGS
from tests.support.small_stack import (
    EMBED_DIM,
    TEXT_TOKENS,
    TOKEN_DIM,
    new_image_encoder,
    new_text_encoder,
    noise,
    randomize,
)


@pytest.fixture(scope="module")
def text_encoder():
    return new_text_encoder().eval()


@pytest.mark.parametrize(
    "prompt, unknown",
    [
        ("a red star, moving left!", []),
        ("A RED Star", []),
        ("two elephants and a star, two elephants", ["two", "elephants"]),
        ("ein großer Stern", ["ein", "großer", "stern"]),
        ("a sea-horse that doesn't move", ["sea-horse", "doesn't"]),
        ("a red_star and a red2", ["red_star", "red2"]),
        ("红色 star 🐘 🐘", ["红色", "🐘"]),
        ("3 stars", ["3", "stars"]),
        ("", []),
    ],
)
def test_unknown_words_are_reported_once_and_in_order(text_encoder, prompt, unknown):
    assert text_encoder.unknown_words(prompt) == unknown


@pytest.mark.parametrize("num_words, num_cut", [(0, 0), (5, 0), (6, 1), (200, 195)])
def test_tokens_that_do_not_fit_are_counted(text_encoder, num_words, num_cut):
    assert text_encoder.num_cut_tokens("red " * num_words) == num_cut


def test_counting_tokens_leaves_no_warning(text_encoder, caplog):
    text_encoder.num_cut_tokens("red " * 99)
    assert caplog.records == []


def test_prompts_of_any_length_become_as_many_tokens(text_encoder):
    embeds = text_encoder.encode(["", "a red star", "red " * 99])
    assert embeds.shape == (3, TEXT_TOKENS, TOKEN_DIM)


def test_an_image_of_any_size_becomes_an_embedding_of_one_length():
    encoder = new_image_encoder().eval()
    for size in ((12, 12), (20, 28), (7, 5)):
        embeds = encoder(noise(2, 3, *size).clamp(-1, 1))
        assert embeds.shape == (2, EMBED_DIM)
        lengths = torch.linalg.vector_norm(embeds, dim=-1)
        torch.testing.assert_close(lengths, torch.full((2,), EMBED_DIM**0.5))


def test_the_text_encoder_is_open_clips_up_to_its_last_layer():
    """What ModelScope reads: the output of the layer before the last, then the last norm."""
    theirs = open_clip.model._build_text_tower(
        EMBED_DIM,
        {"context_length": 7, "vocab_size": 30, "width": 12, "heads": 3, "layers": 3},
    )
    randomize(theirs)
    config = CLIPTextConfig(
        **CONFIGS["text_encoder"]
        | {
            "vocab_size": 30,
            "hidden_size": 12,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "max_position_embeddings": 7,
        }
    )
    ours = CLIPTextModel(config).eval()
    ours.load_state_dict(as_transformers(theirs.state_dict(), num_layers=2))

    ids = torch.randint(30, (2, 7), generator=torch.Generator().manual_seed(0))
    x = theirs.token_embedding(ids) + theirs.positional_embedding
    for block in theirs.transformer.resblocks[:-1]:
        x = block(x, attn_mask=theirs.attn_mask)
    expected = theirs.ln_final(x)
    encoder = OpenClipTextEncoder(ours, new_text_encoder().tokenizer)
    torch.testing.assert_close(encoder(ids), expected, atol=1e-5, rtol=1e-5)


def as_transformers(weights, num_layers):
    """open_clip's text tower in the names of transformers: what diffusers' ms-1.7b went through."""
    renamed = {
        "embeddings.token_embedding.weight": weights["token_embedding.weight"],
        "embeddings.position_embedding.weight": weights["positional_embedding"],
        "final_layer_norm.weight": weights["ln_final.weight"],
        "final_layer_norm.bias": weights["ln_final.bias"],
    }
    names = {
        "layer_norm1": "ln_1",
        "layer_norm2": "ln_2",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
        "self_attn.out_proj": "attn.out_proj",
    }
    for i in range(num_layers):
        layer, block = f"encoder.layers.{i}", f"transformer.resblocks.{i}"
        for kind in ("weight", "bias"):
            for ours, theirs in names.items():
                renamed[f"{layer}.{ours}.{kind}"] = weights[f"{block}.{theirs}.{kind}"]
            parts = weights[f"{block}.attn.in_proj_{kind}"].chunk(3)
            for name, part in zip("qkv", parts, strict=True):
                renamed[f"{layer}.self_attn.{name}_proj.{kind}"] = part
    return renamed


def test_the_sizes_are_those_of_open_clip():
    sizes = open_clip.get_model_config("ViT-H-14")
    vision, text = sizes["vision_cfg"], sizes["text_cfg"]
    image = CONFIGS["image_encoder"]
    assert image["output_dim"] == sizes["embed_dim"]
    assert image["heads"] == vision["width"] // vision["head_width"]
    for name in ("image_size", "patch_size", "width", "layers"):
        assert image[name] == vision[name]
    words = CONFIGS["text_encoder"]
    assert words["num_hidden_layers"] == text["layers"] - 1
    assert (words["hidden_size"], words["num_attention_heads"]) == (text["width"], text["heads"])
    assert words["max_position_embeddings"] == text["context_length"]
    assert words["vocab_size"] == text["vocab_size"]
