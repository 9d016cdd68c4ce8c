"""An independent face recogniser in the manner of ArcFace: it shares nothing with the image encoder."""

from __future__ import annotations

from torch import Tensor, nn

CROP_SIZE = 112
EMBEDDING_DIM = 512
CROP_TOP, CROP_LEFT = 4, 8
_STAGES = ((24, 1), (40, 2), (80, 2), (128, 2))
_FEATURES = 384


def crop_face(pictures: Tensor) -> Tensor:
    """Cut the face out of pictures (B, C, 128, 128): (B, C, 112, 112)."""
    return pictures[..., CROP_TOP : CROP_TOP + CROP_SIZE, CROP_LEFT : CROP_LEFT + CROP_SIZE]


def to_judge_input(pictures: Tensor) -> Tensor:
    """Crop uint8 pictures (B, 3, 128, 128) and map them to [-1, 1]."""
    return crop_face(pictures).float() / 127.5 - 1


class ResidualBlock(nn.Module):
    """ArcFace's pre-activated residual block; the stride is in its second convolution."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.f = nn.Sequential(
            nn.BatchNorm2d(channels_in),
            nn.Conv2d(channels_in, channels_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.PReLU(channels_out),
            nn.Conv2d(channels_out, channels_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.skip: nn.Module = nn.Identity()
        if channels_in != channels_out or stride != 1:
            self.skip = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels_out, H / stride, W / stride)."""
        residual: Tensor = self.f(features)
        shortcut: Tensor = self.skip(features)
        return residual + shortcut


class Judge(nn.Module):
    """From face crops (B, 3, 112, 112) in [-1, 1] to embeddings (B, 512), compared by their angle."""

    def __init__(self) -> None:
        super().__init__()
        channels = _STAGES[0][0]
        stem = [nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.PReLU(channels)]
        blocks: list[nn.Module] = []
        for stage, (width, depth) in enumerate(_STAGES):
            for index in range(depth):
                halves = stage > 0 and index == 0
                blocks.append(ResidualBlock(channels, width, stride=2 if halves else 1))
                channels = width
        self.body = nn.Sequential(
            *stem,
            *blocks,
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, _FEATURES, 1, bias=False),
            nn.BatchNorm2d(_FEATURES),
            nn.PReLU(_FEATURES),
            # A learned average over the 7 × 7 places, one for each feature.
            nn.Conv2d(_FEATURES, _FEATURES, 7, groups=_FEATURES, bias=False),
            nn.Flatten(),
            nn.BatchNorm1d(_FEATURES),
            nn.Linear(_FEATURES, EMBEDDING_DIM, bias=False),
            nn.BatchNorm1d(EMBEDDING_DIM),
        )

    @property
    def early_layers(self) -> nn.Sequential:
        """The stem and the first three blocks: local features that tell faces apart."""
        return nn.Sequential(*list(self.body)[:6])

    def forward(self, crops: Tensor) -> Tensor:
        """Embed crops; see the class."""
        embeddings: Tensor = self.body(crops)
        return embeddings
