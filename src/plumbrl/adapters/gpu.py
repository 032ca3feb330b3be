"""What a GPU says about itself: memory, utilisation, temperature; nothing where there is none."""

import subprocess
import time
from typing import Any

import torch

Numbers = dict[str, float]
MEBIBYTE = 2.0**20
EVERY = 30.0
"""Seconds between two questions to the driver, at least: each takes some 50 ms."""
PATIENCE = 2.0
"""Seconds to wait for its answer."""
ASKED = {"memory.used": "gpu/gross", "utilization.gpu": "gpu/utilisation",
         "temperature.gpu": "gpu/temperature"}  # fmt: skip
"""What nvidia-smi calls it, and what we do; it answers in MiB, % and °C."""
_answers: dict[str, tuple[float, Numbers]] = {}
"""By device: when it was asked last, and what it said."""


def gpu_numbers(device: torch.device | str | None = None) -> Numbers:
    """Return the numbers of a GPU by the names of the catalogue; never raises.

    Memory of tensors is the most since the program began. What the driver says is up to 30 s old;
    it is of the whole device, so that other programs on it count, too.

    Args:
        device: Where the networks are; None for PyTorch's current GPU.

    Returns:
        ``gpu/allocated``, ``gpu/reserved``, ``gpu/gross`` in MiB, ``gpu/utilisation`` in %,
        ``gpu/temperature`` in °C. Empty where the device is no NVIDIA GPU; without those that
        nobody answers for.
    """
    try:
        where = torch.device("cuda" if device is None else device)
        if where.type != "cuda" or not torch.cuda.is_available():
            return {}
        return _memory(where) | _said(where)
    except Exception:  # a training must not end for what stands beside it
        return {}


def _memory(device: torch.device) -> Numbers:
    return {
        "gpu/allocated": torch.cuda.max_memory_allocated(device) / MEBIBYTE,
        "gpu/reserved": torch.cuda.max_memory_reserved(device) / MEBIBYTE,
    }


def _said(device: torch.device) -> Numbers:
    """Return what the driver says, or said a moment ago."""
    properties: Any = torch.cuda.get_device_properties(device)
    # PyTorch counts only the GPUs that it may see, the driver all of them.
    uuid = f"GPU-{properties.uuid}"
    now = time.monotonic()
    if uuid not in _answers or now - _answers[uuid][0] >= EVERY:
        _answers[uuid] = now, _ask(uuid)
    return _answers[uuid][1]


def _ask(uuid: str) -> Numbers:
    command = ["nvidia-smi", f"--id={uuid}", f"--query-gpu={','.join(ASKED)}"]
    command += ["--format=csv,noheader,nounits"]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    answers = zip(ASKED.values(), run.stdout.strip().split(","), strict=False)
    return {name: float(said) for name, said in answers if said.strip().isdecimal()}
