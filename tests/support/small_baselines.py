"""Small baselines with random weights, in the files that the real ones have."""

import json
from dataclasses import replace

from diffusers import (
    AutoencoderKL,
    AutoencoderKLHunyuanVideo,
    AutoencoderKLTemporalDecoder,
    AutoencoderKLWan,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideoFramepackTransformer3DModel,
    I2VGenXLUNet,
    MotionAdapter,
    PNDMScheduler,
    SkyReelsV2Transformer3DModel,
    SparseControlNetModel,
    UNet2DConditionModel,
    UNetSpatioTemporalConditionModel,
    UniPCMultistepScheduler,
)
from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video_framepack import (
    DEFAULT_PROMPT_TEMPLATE,
)
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerFast,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
    UMT5Config,
    UMT5EncoderModel,
)

from t2v.settings.chunking import Chunking
from t2v.settings.presets import list_presets
from tests.support.small_helios import UMT5, WORDS
from tests.support.small_helios import write_tokenizer as write_word_tokenizer
from tests.support.small_stack import randomize


FRAME_SIZE = (16, 24)
TEXT_DIM, IMAGE_DIM, MAX_TOKENS = 12, 20, 17
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SPECIAL = ("<|startoftext|>", "<|endoftext|>")
VAE = {
    "block_out_channels": (8, 8),
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 2,
}
TEMPORAL_VAE = {  # its groups have 32 channels, whatever the config says
    "block_out_channels": (32, 32),
    "layers_per_block": 1,
    "down_block_types": ("DownEncoderBlock2D",) * 2,
}
IMAGE_UNET = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (8, 16),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": TEXT_DIM,
    "attention_head_dim": 2,
    "norm_num_groups": 4,
}
SVD_UNET = {
    "in_channels": 8,
    "out_channels": 4,
    "block_out_channels": (32, 64),
    "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
    "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
    "layers_per_block": 1,
    "cross_attention_dim": IMAGE_DIM,
    "num_attention_heads": (2, 4),
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 24,
}
SVD_SCHEDULE = {  # as published
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "interpolation_type": "linear",
    "prediction_type": "v_prediction",
    "sigma_max": 700.0,
    "sigma_min": 0.002,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "steps_offset": 1,
    "use_karras_sigmas": True,
}
TURBO_SCHEDULE = {  # as published
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "timestep_spacing": "trailing",
    "steps_offset": 1,
}
I2VGEN_UNET = {
    "block_out_channels": (8, 16),
    "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"),
    "layers_per_block": 1,
    "cross_attention_dim": TEXT_DIM,
    "attention_head_dim": 4,
    "norm_num_groups": 4,
}
I2VGEN_SCHEDULE = {  # as published
    "beta_schedule": "squaredcos_cap_v2",
    "clip_sample": False,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "set_alpha_to_one": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
SD_SCHEDULE = {  # as published
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
ADAPTER = {
    "block_out_channels": (8, 16),
    "motion_layers_per_block": 1,
    "motion_num_attention_heads": 2,
    "motion_norm_num_groups": 4,
    "motion_max_seq_length": 12,
    "use_motion_mid_block": False,
}
CONTROLNET = {
    "block_out_channels": (8, 16),
    "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
    "layers_per_block": 1,
    "cross_attention_dim": TEXT_DIM,
    "attention_head_dim": 2,
    "norm_num_groups": 4,
    "motion_max_seq_length": 12,
    "motion_num_attention_heads": 2,
    "conditioning_embedding_out_channels": (8,),
}
FRAMEPACK = {
    "in_channels": 4,
    "out_channels": 4,
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "num_layers": 1,
    "num_single_layers": 1,
    "num_refiner_layers": 1,
    "mlp_ratio": 1.5,
    "text_embed_dim": 20,
    "pooled_projection_dim": TEXT_DIM,
    "rope_axes_dim": (4, 4, 4),
    "image_proj_dim": 14,
    # as published
    "has_image_proj": True,
    "has_clean_x_embedder": True,
    "guidance_embeds": True,
}
HUNYUAN_VAE = {
    "latent_channels": 4,
    "block_out_channels": (4, 8, 8),
    "down_block_types": ("HunyuanVideoDownBlock3D",) * 3,
    "up_block_types": ("HunyuanVideoUpBlock3D",) * 3,
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "spatial_compression_ratio": 2,  # a file's 8, but 4 frames a latent as there
}
SKYREELS = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 4,
    "out_channels": 4,
    "text_dim": UMT5["d_model"],
    "freq_dim": 14,
    "ffn_dim": 26,
    "num_layers": 2,
    "inject_sample_info": True,
}
WAN_VAE = {  # 4 frames a latent, but 4 pixels instead of 8
    "base_dim": 4,
    "z_dim": 4,
    "dim_mult": [1, 1, 1],
    "num_res_blocks": 1,
    "temperal_downsample": [True, True],
    "latents_mean": [0.01, -0.02, 0.03, -0.04],
    "latents_std": [0.08, 0.11, 0.09, 0.12],
    "scale_factor_spatial": 4,
}
FLOW_SCHEDULE = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
CHUNKS = {  # small ones, by preset
    "svd": Chunking(5, 1),
    "svd-xt": Chunking(25, 1),  # its own
    "i2vgen-xl": Chunking(5, 1),
    "sparsectrl": Chunking(6, 2),
    "freenoise": Chunking(8, 0),  # windows of 8 frames, 4 apart
    "framepack": Chunking(13, 1),  # 3 latents
    "skyreels-v2": Chunking(13, 5),  # 4 latents, of which 2 are known
}

# One preset of each base.
STREAMED = ("svd", "i2vgen-xl", "sparsectrl", "framepack", "skyreels-v2")
# The network that runs in every step, if not "unet".
DENOISERS = {"framepack": "transformer", "skyreels-v2": "transformer"}


def write_tokenizer(folder, max_tokens):
    """CLIP's two files, for a vocabulary of letters."""
    folder.mkdir(parents=True)
    tokens = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), *SPECIAL]
    ids = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(ids))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": max_tokens,
        "bos_token": SPECIAL[0],
        "eos_token": SPECIAL[1],
        "pad_token": SPECIAL[1],
        "unk_token": SPECIAL[1],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return len(tokens)


def write_text_encoder(folder, seed, number="", max_tokens=MAX_TOKENS):
    num_tokens = write_tokenizer(folder / f"tokenizer{number}", max_tokens)
    config = CLIPTextConfig(
        vocab_size=num_tokens,
        hidden_size=TEXT_DIM,
        intermediate_size=20,
        num_hidden_layers=2,
        num_attention_heads=3,
        max_position_embeddings=max_tokens,
        bos_token_id=num_tokens - 2,
        eos_token_id=num_tokens - 1,
        pad_token_id=num_tokens - 1,
    )
    randomize(CLIPTextModel(config), seed).save_pretrained(folder / f"text_encoder{number}")


def write_llama(folder, seed):
    """Llama, and a tokenizer of words: those of its template, and a few more."""
    template = DEFAULT_PROMPT_TEMPLATE["template"]
    pieces = Regex(r"<\|\w+\|>|\w+|[^\w\s]|\n+")
    splitter = pre_tokenizers.Split(pieces, behavior="removed", invert=True)
    words = [word for word, _ in splitter.pre_tokenize_str(template.format(""))]
    tokens = list(dict.fromkeys(["<bos>", "<pad>", "<unk>", *words, *WORDS]))
    tokenizer = Tokenizer(
        models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = splitter
    # As many before the prompt as Llama's own has.
    before = len(splitter.pre_tokenize_str(template.partition("{}")[0]))
    start = ["<bos>"] * (DEFAULT_PROMPT_TEMPLATE["crop_start"] - before)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[*start, "$A"], special_tokens=[("<bos>", 0)]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", pad_token="<pad>", unk_token="<unk>"
    )
    wrapped.save_pretrained(folder / "tokenizer")
    config = LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=FRAMEPACK["text_embed_dim"],
        intermediate_size=22,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        pad_token_id=1,
    )
    randomize(LlamaModel(config), seed).save_pretrained(folder / "text_encoder")


def write_siglip(folder, seed):
    config = SiglipVisionConfig(
        hidden_size=FRAMEPACK["image_proj_dim"],
        intermediate_size=18,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=384,
        patch_size=128,
    )
    randomize(SiglipVisionModel(config), seed).save_pretrained(folder / "image_encoder")
    SiglipImageProcessor(size={"height": 384, "width": 384}).save_pretrained(
        folder / "feature_extractor"
    )


def write_image_encoder(folder, seed, projection_dim=IMAGE_DIM):
    config = CLIPVisionConfig(
        hidden_size=14,
        intermediate_size=22,
        projection_dim=projection_dim,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=224,
        patch_size=112,
    )
    model = CLIPVisionModelWithProjection(config)
    randomize(model, seed).save_pretrained(folder / "image_encoder")
    CLIPImageProcessor().save_pretrained(folder / "feature_extractor")


def write_vae(folder, seed):
    vae = AutoencoderKL(**VAE, up_block_types=("UpDecoderBlock2D",) * 2)
    randomize(vae, seed).save_pretrained(folder / "vae")


def write_text_to_image(folder):
    randomize(UNet2DConditionModel(**IMAGE_UNET), 11).save_pretrained(folder / "unet")
    write_vae(folder, 12)
    write_text_encoder(folder, 13)
    EulerDiscreteScheduler(**TURBO_SCHEDULE).save_pretrained(folder / "scheduler")


def write_svd(folder):
    unet = randomize(UNetSpatioTemporalConditionModel(**SVD_UNET), 1)
    unet.save_pretrained(folder / "unet")
    randomize(AutoencoderKLTemporalDecoder(**TEMPORAL_VAE), 2).save_pretrained(folder / "vae")
    write_image_encoder(folder, 3)
    EulerDiscreteScheduler(**SVD_SCHEDULE).save_pretrained(folder / "scheduler")


def write_i2vgen_xl(folder):
    randomize(I2VGenXLUNet(**I2VGEN_UNET), 21).save_pretrained(folder / "unet")
    write_vae(folder, 22)
    write_image_encoder(folder, 23, TEXT_DIM)
    write_text_encoder(folder, 24)
    DDIMScheduler(**I2VGEN_SCHEDULE).save_pretrained(folder / "scheduler")


def write_stable_diffusion(folder):
    randomize(UNet2DConditionModel(**IMAGE_UNET), 31).save_pretrained(folder / "unet")
    write_vae(folder, 32)
    write_text_encoder(folder, 33)
    PNDMScheduler(**SD_SCHEDULE).save_pretrained(folder / "scheduler")


def write_motion_adapter(folder):
    randomize(MotionAdapter(**ADAPTER), 34).save_pretrained(folder)


def write_sparsectrl(folder):
    randomize(SparseControlNetModel(**CONTROLNET), 35).save_pretrained(folder)


def write_framepack(folder):
    network = randomize(HunyuanVideoFramepackTransformer3DModel(**FRAMEPACK), 41)
    network.save_pretrained(folder, max_shard_size="40KB")  # in parts, as published


def write_hunyuan_video(folder):
    randomize(AutoencoderKLHunyuanVideo(**HUNYUAN_VAE), 42).save_pretrained(folder / "vae")
    write_llama(folder, 43)
    write_text_encoder(folder, 44, "_2", max_tokens=77)
    FlowMatchEulerDiscreteScheduler(shift=7.0).save_pretrained(folder / "scheduler")


def write_flux_redux(folder):
    write_siglip(folder, 45)


def write_skyreels(folder):
    transformer = randomize(SkyReelsV2Transformer3DModel(**SKYREELS), 41)
    transformer.save_pretrained(folder / "transformer")
    randomize(AutoencoderKLWan(**WAN_VAE), 42).save_pretrained(folder / "vae")
    text = randomize(UMT5EncoderModel(UMT5Config(num_heads=3, **UMT5)), 43)
    text.save_pretrained(folder / "text_encoder")
    write_word_tokenizer(folder / "tokenizer")
    UniPCMultistepScheduler(**FLOW_SCHEDULE).save_pretrained(folder / "scheduler")


WRITERS = {
    "lllyasviel/FramePack_F1_I2V_HY_20250503": write_framepack,
    "hunyuanvideo-community/HunyuanVideo": write_hunyuan_video,
    "lllyasviel/flux_redux_bfl": write_flux_redux,
    "ali-vilab/i2vgen-xl": write_i2vgen_xl,
    "stable-diffusion-v1-5/stable-diffusion-v1-5": write_stable_diffusion,
    "guoyww/animatediff-motion-adapter-v1-5-3": write_motion_adapter,
    "guoyww/animatediff-sparsectrl-rgb": write_sparsectrl,
    "stabilityai/stable-video-diffusion-img2vid": write_svd,
    "stabilityai/stable-video-diffusion-img2vid-xt": write_svd,
    "stabilityai/sd-turbo": write_text_to_image,
    "Skywork/SkyReels-V2-DF-1.3B-540P-Diffusers": write_skyreels,
}


def write_published(home, preset):
    """The repositories of a preset below `home`, as OWNER/REPOSITORY, with random weights."""
    for source in preset.sources:
        folder = home / source.repo
        if not folder.exists():
            WRITERS[source.repo](folder)
    return home


def small_preset(name, folder):
    """A shipped preset, small, with its weights in `folder`."""
    preset = list_presets()[name]
    sources = tuple(
        replace(source, gigabytes=0.001, installed_gigabytes=0.001) for source in preset.sources
    )
    return replace(
        preset,
        title=f"{preset.title}, random weights: its numbers mean nothing",
        weights=str(folder),
        sources=sources,
        frame_size=FRAME_SIZE,
        display_size=FRAME_SIZE,
        chunking=CHUNKS[name],
    )
