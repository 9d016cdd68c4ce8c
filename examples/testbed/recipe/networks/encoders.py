"""The shared encoders: CLIP's two towers and Stable Diffusion's autoencoder, small enough for a CPU."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from recipe.networks.captions import CAPTION_LENGTH, END, PAD, START, VOCABULARY

IMAGE_SIZE = 128
LATENT_SIZE = 32
LATENT_CHANNELS = 4
TEXT_DIM = 256
IMAGE_DIM = 256
PIXEL_MEAN, PIXEL_STD = 0.5, 0.25
"""Normalisation of the image encoder, one number for all channels."""


def build_image_encoder() -> CLIPVisionModelWithProjection:
    """Build the encoder whose ``image_embeds`` (B, 256) are what both generators know of a person."""
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            image_size=IMAGE_SIZE,
            patch_size=16,
            hidden_size=256,
            intermediate_size=1024,
            num_hidden_layers=6,
            num_attention_heads=4,
            projection_dim=IMAGE_DIM,
            hidden_act="quick_gelu",
        )
    )


def build_text_encoder() -> CLIPTextModel:
    """Build the encoder of captions; generators read its last hidden state (B, CAPTION_LENGTH, 256)."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(VOCABULARY),
            max_position_embeddings=CAPTION_LENGTH,
            hidden_size=TEXT_DIM,
            intermediate_size=512,
            num_hidden_layers=2,
            num_attention_heads=4,
            projection_dim=IMAGE_DIM,
            pad_token_id=VOCABULARY[PAD],
            bos_token_id=VOCABULARY[START],
            eos_token_id=VOCABULARY[END],
        )
    )


def build_autoencoder() -> AutoencoderKL:
    """Build the autoencoder between pictures (B, 3, 128, 128) and latents (B, 4, 32, 32)."""
    return AutoencoderKL(
        sample_size=IMAGE_SIZE,
        latent_channels=LATENT_CHANNELS,
        block_out_channels=(32, 64, 128),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=16,
    )


def to_encoder_input(pictures: Tensor) -> Tensor:
    """Normalise uint8 pictures (B, 3, H, W) for the image encoder."""
    return (pictures.float() / 255 - PIXEL_MEAN) / PIXEL_STD


def to_autoencoder_input(pictures: Tensor) -> Tensor:
    """Map uint8 pictures (B, 3, H, W) to [-1, 1]."""
    return pictures.float() / 127.5 - 1


def from_autoencoder_output(pictures: Tensor) -> Tensor:
    """Map decoded pictures (B, 3, H, W) to uint8."""
    return ((pictures.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
