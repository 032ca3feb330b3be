"""A small transformer that fuses proprioception and cameras, and shows what it attends to."""

from pathlib import Path

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from plumbrl.encoders.extractors import Modalities
from plumbrl.encoders.network import SIZE
from plumbrl.errors import UserError


class FusionExtractor(BaseFeaturesExtractor):
    """Attends over one token per part of the observation.

    Every key of the observation (proprioception, each camera, the age of the images) becomes a
    token; pre-norm transformer layers (Xiong et al. 2020, arXiv 2002.04745) exchange information
    between them; the mean token is the result. No dropout: the policy that acts is the policy that
    learns.

    Args:
        observation_space: Dictionary of images, features and other parts.
        dim: Length of a token, and of the result; a multiple of `heads`.
        heads: Attention heads.
        layers: Transformer layers.
        encoder_path: A pretrained encoder for images; None to learn one. Images that an
            `EncodedVecEnv` encoded already are taken as they are.
        fine_tune: Whether a pretrained encoder goes on learning.
        size: Features an image, without a pretrained encoder.

    Attributes:
        attention: Weights of the last layer in the last forward pass, (B, heads, tokens, tokens),
            detached; a row sums to 1 and says where its token looked. None before the first.
        modalities: The keys, in the order of the tokens.

    Raises:
        UserError: `dim` is no multiple of `heads`, or the encoder does not fit the images.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        dim: int = 64,
        heads: int = 4,
        layers: int = 1,
        encoder_path: str | Path | None = None,
        fine_tune: bool = True,
        size: int = SIZE,
    ) -> None:
        if min(dim, heads, layers) < 1 or dim % heads:
            raise UserError(
                f"dim must be a multiple of heads, and layers at least 1; "
                f"got dim {dim}, heads {heads}, layers {layers}."
            )
        super().__init__(observation_space, dim)
        self.vectors = Modalities(observation_space, encoder_path, fine_tune, size)
        self.projections = nn.ModuleDict(
            {key: nn.Linear(length, dim) for key, length in self.vectors.sizes.items()}
        )
        self.modalities = tuple(self.projections)
        self.embedding = nn.Parameter(0.02 * torch.randn(len(self.modalities), dim))
        self.blocks = nn.ModuleList(_Block(dim, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.attention: Tensor | None = None

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Return the fused features (B, dim)."""
        vectors = self.vectors(observations)
        projected = [self.projections[key](vectors[key]) for key in self.modalities]
        tokens = torch.stack(projected, dim=1) + self.embedding
        for block in self.blocks:
            tokens, weights = block(tokens)
            self.attention = weights.detach()
        return self.norm(tokens).mean(dim=1)


class _Block(nn.Module):
    """Attention, then a layer a token, each added to what it was given."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(dim), nn.LayerNorm(dim)])
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.dense = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens (B, tokens, dim) and the attention (B, heads, tokens, tokens)."""
        seen = self.norms[0](tokens)
        told, weights = self.attention(seen, seen, seen, average_attn_weights=False)
        tokens = tokens + told
        return tokens + self.dense(self.norms[1](tokens)), weights
