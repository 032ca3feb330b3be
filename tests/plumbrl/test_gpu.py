"""Numbers of the GPU: there where one answers, missing where none does, and asked for rarely."""

import os
import stat
from types import SimpleNamespace

import pytest
import torch

from plumbrl.adapters import gpu
from plumbrl.adapters.gpu import gpu_numbers
from plumbrl.adapters.loop.networks import Networks
from plumbrl.metrics.catalogue import described

UUID = "6f0e9c3a-0000-1111-2222-333344445555"
ASKED = f"--id=GPU-{UUID} --query-gpu=memory.used,utilization.gpu,temperature.gpu"


@pytest.fixture
def cuda(monkeypatch):
    """A PyTorch that believes in a GPU, without one."""
    monkeypatch.setattr(gpu, "_answers", {})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 5 * 2**20)
    properties = SimpleNamespace(uuid=UUID)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A program that takes the driver's place; returns what writes it, and the calls so far."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    calls = tmp_path / "calls"

    def says(what):
        program = folder / "nvidia-smi"
        program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{what}\n')
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
        return lambda: calls.read_text().splitlines() if calls.exists() else []

    return says


MEMORY = {"gpu/allocated": 3.0, "gpu/reserved": 5.0}


def test_says_what_pytorch_and_the_driver_say(cuda, driver):
    calls = driver("echo '1234, 87, 61'")
    numbers = gpu_numbers(torch.device("cuda", 0))
    said = {"gpu/gross": 1234.0, "gpu/utilisation": 87.0, "gpu/temperature": 61.0}
    assert numbers == MEMORY | said
    assert calls()[0].startswith(ASKED)
    assert [described()[name].unit for name in numbers] == ["MiB", "MiB", "MiB", "%", "°C"]


def test_driver_is_asked_again_after_half_a_minute(cuda, driver, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(gpu.time, "monotonic", lambda: clock[0])
    calls = driver("echo '1, 2, 3'")
    first = gpu_numbers("cuda")
    driver("echo '4, 5, 6'")
    clock[0] += 29.9
    assert gpu_numbers("cuda") == first
    assert len(calls()) == 1
    clock[0] += 0.2
    assert gpu_numbers("cuda")["gpu/gross"] == 4
    assert len(calls()) == 2


@pytest.mark.parametrize(
    "what", ["exit 9", "echo 'No devices were found'", "echo '[N/A], [N/A], [N/A]'", "true"]
)
def test_a_driver_that_fails_leaves_its_numbers_out_and_is_left_alone(what, cuda, driver):
    calls = driver(what)
    assert gpu_numbers() == MEMORY
    assert gpu_numbers() == MEMORY
    assert len(calls()) == 1


def test_what_a_device_does_not_tell_is_left_out(cuda, driver):
    driver("echo '1234, [N/A], 61'")
    assert gpu_numbers() == MEMORY | {"gpu/gross": 1234.0, "gpu/temperature": 61.0}


def test_a_driver_that_does_not_answer_is_not_waited_for(cuda, driver, monkeypatch):
    monkeypatch.setattr(gpu, "PATIENCE", 0.1)
    driver("exec sleep 5")
    assert gpu_numbers() == MEMORY


def test_without_the_driver_s_program_there_is_still_memory(cuda, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_numbers() == MEMORY


def test_nothing_where_the_networks_are_on_no_gpu(cuda, driver, monkeypatch):
    calls = driver("echo '1, 2, 3'")
    assert gpu_numbers("cpu") == {}
    assert Networks(torch.nn.Linear(2, 2)).gpu() == {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_numbers() == {}
    assert calls() == []


def test_an_error_of_pytorch_s_ends_nothing(cuda, monkeypatch):
    def fail(device):
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(torch.cuda, "max_memory_allocated", fail)
    assert gpu_numbers() == {}
