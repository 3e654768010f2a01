"""A Helios of a few hundred kilobytes with random weights, in the files that the real one has."""

import json
from dataclasses import replace

from diffusers import AutoencoderKLWan, HeliosDMDScheduler, HeliosTransformer3DModel
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from t2v.settings.presets import list_presets
from t2v.weights.install import install
from tests.support.small_stack import randomize


FRAME_SIZE = (64, 128)
TEXT_DIM, MAX_TOKENS = 20, 9
WORDS = ["a", "red", "star", "blue", "ball", "over", "the", "sea", "moving", "left", "right"]
TRANSFORMER = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 16,
    "out_channels": 16,
    "text_dim": TEXT_DIM,
    "freq_dim": 14,
    "ffn_dim": 26,
    "num_layers": 2,
    "rope_dim": (4, 4, 4),
}
VAE = {
    "base_dim": 2,
    "z_dim": 16,
    "dim_mult": [1, 1, 1, 1],
    "num_res_blocks": 0,
}
UMT5 = {"vocab_size": 32, "d_model": TEXT_DIM, "d_kv": 6, "d_ff": 22, "num_layers": 2}
SCHEDULER = {"stages": 3, "use_dynamic_shifting": True, "time_shift_type": "linear"}


def write_small_helios(folder, max_shard_size="60KB"):
    """All files of the real repository's folders; the transformer in several parts."""
    transformer = HeliosTransformer3DModel(**TRANSFORMER)
    randomize(transformer).save_pretrained(folder / "transformer", max_shard_size=max_shard_size)
    randomize(AutoencoderKLWan(**VAE), seed=1).save_pretrained(folder / "vae")
    text = UMT5EncoderModel(UMT5Config(num_heads=3, **UMT5))
    randomize(text, seed=2).save_pretrained(folder / "text_encoder")
    write_tokenizer(folder / "tokenizer")
    HeliosDMDScheduler(**SCHEDULER).save_pretrained(folder / "scheduler")
    return folder


def write_tokenizer(folder):
    """One token a word, and the end of the text, as T5 marks it."""
    ids = {word: number for number, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=MAX_TOKENS,
    ).save_pretrained(folder)


def small_helios_preset(folder, **changes):
    """The shipped preset, small, with its weights in `folder`."""
    preset = list_presets()["helios"]
    sources = tuple(
        replace(source, gigabytes=0.001, installed_gigabytes=0.001) for source in preset.sources
    )
    sizes = {"frame_size": FRAME_SIZE, "display_size": FRAME_SIZE}
    return replace(preset, weights=str(folder), sources=sources, **sizes, **changes)


def write_published(home):
    """The real repository's folders below `home`, as OWNER/REPOSITORY, with random weights."""
    write_small_helios(home / "BestWishYsh" / "Helios-Distilled")
    return home


def install_helios(home, folder):
    """The small preset, installed by what `longtake download helios` calls."""
    preset = small_helios_preset(folder)
    install(preset, weights_dir=home, offline=True, say=lambda line: None)
    return preset


def tensor_names(folder):
    """File -> names of tensors, as the index of a model in parts says."""
    [index] = folder.glob("*.index.json")
    return json.loads(index.read_text())["weight_map"]
