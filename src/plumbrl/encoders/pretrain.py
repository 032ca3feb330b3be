"""Pretrain an encoder as half of an autoencoder, and say whether it is worth anything."""

import csv
import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from plumbrl.encoders.files import NAME, save_encoder
from plumbrl.encoders.network import Autoencoder
from plumbrl.encoders.pretraining import Epoch, Pretrained, Pretraining
from plumbrl.encoders.split import Split, read_split
from plumbrl.errors import UserError
from plumbrl.runs import RunFolder

Array = np.ndarray
STILL = 0.01
"""A feature whose standard deviation over the validation images is below this carries nothing."""
ORIGIN = ("env", "env_config", "policy", "seed", "n_steps", "n_envs", "images", "created")
"""What an encoder keeps of the manifest of its images."""


def pretrain(
    options: Pretraining, on_epoch: Callable[[Epoch], None] = lambda epoch: None
) -> Pretrained:
    """Train an autoencoder and keep the encoder of the best validation epoch.

    Leaves ``encoder.pt``, ``losses.csv``, ``pretraining.json`` and ``reconstruction.png``. When
    interrupted, the best encoder so far is already there.

    Args:
        options: The pretraining.
        on_epoch: Called after every epoch.

    Raises:
        UserError: The images cannot be used, or an encoder is there already.
    """
    options.check()
    folder = RunFolder(options.save_encoder_to)
    split = read_split(
        options.data_path, options.keys, options.max_images, options.validation_images, options.seed
    )
    folder.path.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = Autoencoder(split.image_shape, options.size, options.channels)
        history = _learn(network, split, options, folder, on_epoch)
    best = min(history, key=lambda epoch: epoch.validation_loss)
    return _result(network, split, options, folder, best, history)


def _learn(
    network: Autoencoder,
    split: Split,
    options: Pretraining,
    folder: RunFolder,
    on_epoch: Callable[[Epoch], None],
) -> list[Epoch]:
    """Train; leave the network with the weights of its best epoch."""
    optimizer = torch.optim.Adam(network.parameters(), options.lr)
    rng, begin = np.random.default_rng(options.seed), time.perf_counter()
    amount = min(options.images_per_epoch or len(split.train), len(split.train))
    order, history, best, kept = np.empty(0, dtype=np.int64), [], float("inf"), {}
    for epoch in range(1, options.epochs + 1):
        if len(order) < amount:
            order = np.concatenate([order, rng.permutation(len(split.train))])
        chosen, order = order[:amount], order[amount:]
        train_loss = _epoch(network, optimizer, split.train, chosen, options.batch_size)
        loss = float(errors(network, split.validation).mean())
        history.append(Epoch(epoch, train_loss, loss, time.perf_counter() - begin))
        folder.write_text("losses.csv", _csv(history))
        if loss < best:
            best, kept = loss, {k: v.clone() for k, v in network.state_dict().items()}
            save_encoder(network.folded_encoder(), folder.path / NAME, asdict(history[-1]))
        on_epoch(history[-1])
        since = epoch - min(history, key=lambda e: e.validation_loss).epoch
        if not np.isfinite(train_loss) or (options.patience and since >= options.patience):
            break
    if not kept:
        raise UserError(
            f"The loss is not a number from the first epoch on; try --lr below {options.lr}."
        )
    network.load_state_dict(kept)
    return history


def _epoch(
    network: Autoencoder,
    optimizer: torch.optim.Optimizer,
    images: Array,
    chosen: Array,
    batch_size: int,
) -> float:
    network.train()
    losses = []
    for at in range(0, len(chosen) - 1, batch_size):  # a last batch of one has no batch statistics
        batch = pixels(images[chosen[at : at + batch_size]])
        if len(batch) < 2:
            continue
        loss = nn.functional.mse_loss(network(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def errors(network: Autoencoder, images: Array, batch_size: int = 256) -> Array:
    """Return the mean squared error of every image's reconstruction, (n,).

    Args:
        network: The autoencoder.
        images: uint8 (n, C, H, W).
        batch_size: Images at a time.
    """
    network.eval()
    parts = []
    with torch.inference_mode():
        for at in range(0, len(images), batch_size):
            batch = pixels(images[at : at + batch_size])
            parts.append((network(batch) - batch).square().mean(dim=(1, 2, 3)).numpy())
    return np.concatenate(parts)


def pixels(images: Array) -> Tensor:
    """Return images (n, C, H, W) as float32 in [0, 1], channels last in memory."""
    scaled = torch.from_numpy(np.ascontiguousarray(images)).float() / 255
    return scaled.contiguous(memory_format=torch.channels_last)


def _result(
    network: Autoencoder,
    split: Split,
    options: Pretraining,
    folder: RunFolder,
    best: Epoch,
    history: list[Epoch],
) -> Pretrained:
    from plumbrl.encoders.picture import reconstruction_picture
    from plumbrl.encoders.vec_env import features_of

    encoder = network.folded_encoder()
    spread = features_of(encoder, split.validation).std(axis=0)
    constant = split.constant_loss()
    explained = 1 - best.validation_loss / constant if constant > 0 else float("nan")
    facts: dict[str, Any] = asdict(best) | {
        "constant_loss": constant, "explained": explained, "seed": options.seed,
        "still_features": int((spread < STILL).sum()), "split": split.told(),
        "data": {key: split.manifest.get(key) for key in ORIGIN},
    }  # fmt: skip
    digest = save_encoder(encoder, folder.path / NAME, facts)
    result = Pretrained(
        folder.path, best, constant, explained, facts["still_features"], digest, split, history
    )
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(options).items()}
    told = {"settings": settings, **facts, "useless": result.useless, "checksum": digest}
    folder.write_text("pretraining.json", json.dumps(told, indent=2))
    reconstruction_picture(network, result, folder.path / "reconstruction.png")
    return result


def _csv(history: list[Epoch]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Epoch.__dataclass_fields__))
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in history)
    return text.getvalue()
