"""How the testbed's two generators take in a person's feature: two published ways, as diffusers models."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FuseToken", "ImageTokens"]


class FuseToken(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """FastComposer's way: the text token that stands for the person is replaced by MLP([token, z]) + token.

    Args:
        text_dim: Width of a text token.
        image_dim: Width D of the feature z.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, text_dim: int = 256, image_dim: int = 256) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(text_dim + image_dim)
        self.a = nn.Linear(text_dim + image_dim, 2 * text_dim)
        self.b = nn.Linear(2 * text_dim, text_dim)
        self.out = nn.LayerNorm(text_dim)

    def forward(self, text: Tensor, z: Tensor, person: Tensor) -> Tensor:
        """Return the text with the person in it.

        Args:
            text: (N, T, text_dim), the prompt's hidden states.
            z: (N, image_dim), the person's features.
            person: (N,), position of the person token in each prompt.

        Returns:
            (N, T, text_dim).
        """
        rows = torch.arange(len(text), device=text.device)
        token = text[rows, person]
        mixed = self.b(F.gelu(self.a(self.norm(torch.cat([token, z], dim=-1)))))
        fused = text.clone()
        fused[rows, person] = self.out(token + mixed).to(text.dtype)
        return fused


class ImageTokens(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """IP-Adapter's way: z becomes a few extra tokens beside the text.

    Args:
        text_dim: Width of a text token.
        image_dim: Width D of the feature z.
        tokens: Number of extra tokens.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, text_dim: int = 256, image_dim: int = 256, tokens: int = 4) -> None:
        super().__init__()
        self.tokens = tokens
        self.proj = nn.Linear(image_dim, tokens * text_dim)
        self.norm = nn.LayerNorm(text_dim)

    def forward(self, text: Tensor, z: Tensor, person: Tensor) -> Tensor:  # noqa: ARG002
        """Return the text with the person's tokens after it.

        Args:
            text: (N, T, text_dim), the prompt's hidden states.
            z: (N, image_dim), the person's features.
            person: (N,), not used: the tokens stand beside the text, not in it.

        Returns:
            (N, T + tokens, text_dim).
        """
        extra = self.norm(self.proj(z).view(len(z), self.tokens, -1))
        return torch.cat([text, extra.to(text.dtype)], dim=1)
