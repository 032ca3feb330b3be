"""What is collected inside any torch network, planted and healthy."""

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from plumbrl.adapters.torch_internals import (
    attention_of,
    gradients,
    layer_activations,
    sensitivity,
    weight_changes,
)
from plumbrl.encoders.network import Encoder
from plumbrl.encoders.readout import readout
from plumbrl.plots import attended, internals, network_figures
from plumbrl.snapshots.internals import Gradient, Internals


def axes():
    return Figure().add_subplot()


def chain(activation, layers):
    torch.manual_seed(0)
    parts = [part for _ in range(layers) for part in (nn.Linear(16, 16), activation())]
    return nn.Sequential(*parts, nn.Linear(16, 1))


def gradients_of(module):
    x = torch.randn(64, 16, generator=torch.Generator().manual_seed(1))
    with gradients(module) as found:
        (module(x) - x[:, :1]).square().mean().backward()
    return found


def test_vanishing_layers_are_marked_and_healthy_ones_are_not():
    deep = gradients_of(chain(nn.Sigmoid, 10))
    said = internals.flow(deep)
    assert said["0.weight"] == "vanishes" and said["20.weight"] == ""
    assert set(internals.flow(gradients_of(chain(nn.Tanh, 3))).values()) == {""}
    ax = axes()
    internals.gradient_flow(ax, deep)
    assert " VANISHES" in [text.get_text() for text in ax.texts]


def test_exploding_and_missing_gradients_are_marked():
    usual = {f"{i}.weight": Gradient(1.0, 1.0, "actor") for i in range(5)}
    usual["log_std"] = Gradient(1e-6, 1e-6, "actor")  # no weights, so not compared with them
    assert set(internals.flow(usual).values()) == {""}
    wrong = {
        "first.weight": Gradient(5e3, 5e3, "actor"),
        "other.weight": Gradient(5e3, 5e3, "critic"),  # of its network it is the only one
        "lost.bias": Gradient(0.0, 0.0, "actor"),
        "nan.bias": Gradient(np.nan, np.nan, "actor"),
    }
    said = internals.flow(wrong | usual)
    assert [said[name] for name in wrong] == ["explodes", "", "vanishes", "explodes"]
    ax = axes()
    internals.gradient_flow(ax, wrong | usual)
    assert [text.get_text() for text in ax.texts] == [" EXPLODES", " VANISHES", " EXPLODES"]
    nothing = {"lost.weight": Gradient(0.0, 0.0, "actor")}
    assert internals.flow(nothing) == {"lost.weight": "vanishes"}
    internals.gradient_flow(axes(), nothing)


def test_gradients_are_those_of_autograd_and_cut_off_layers_have_none():
    module = nn.ModuleDict({"used": nn.Linear(3, 2), "unused": nn.Linear(3, 2)})
    with gradients(module) as found:
        loss = module["used"](torch.ones(4, 3)).sum()
        loss.backward()
        (7 * module["used"](torch.ones(4, 3)).sum()).backward()  # a second loss does not count
    assert found["used.weight"].norm == pytest.approx(4 * 6**0.5)
    assert found["used.weight"].size == pytest.approx(4)
    assert found["unused.weight"].norm == 0
    module["used"].weight.grad = None
    module["used"](torch.ones(4, 3)).sum().backward()
    assert found["used.weight"].norm == pytest.approx(4 * 6**0.5)  # hooks are gone


def test_activations_of_any_module_and_its_dormant_units():
    module = chain(nn.ReLU, 2)
    with torch.no_grad():
        module[2].bias[:3] = -100.0
    found = layer_activations(module, lambda: module(torch.randn(50, 16)))
    assert {name: a.shape for name, a in found.items()} == {"1": (50, 16), "3": (50, 16)}
    titles = {}
    for name, values in found.items():
        ax = axes()
        internals.activation_map(ax, values, name)
        titles[name] = ax.get_title(loc=matplotlib.rcParams["axes.titlelocation"])
        assert len(ax.patches) == (name == "3" or "0 of" not in titles[name])
    asleep = int((np.abs(found["3"]).max(axis=0) == 0).sum())
    assert asleep >= 3 and f"{asleep} of 16 dormant" in titles["3"]
    internals.activation_spread(axes(), found["3"])
    silent = np.zeros((50, 16))
    internals.activation_map(axes(), silent, "silent")
    internals.activation_spread(axes(), silent)


def test_weight_changes_are_relative_to_the_weights():
    before = {"a": torch.full((4,), 2.0), "b": torch.ones(3), "zero": torch.zeros(2)}
    after = {"a": torch.full((4,), 3.0), "b": torch.ones(3), "zero": torch.ones(2),
             "new": torch.ones(1), "count": torch.ones(1, dtype=torch.int64)}  # fmt: skip
    found = weight_changes(before, after)
    assert list(found) == ["a", "b", "zero"]
    assert (found["a"].size, found["a"].change) == (3.0, 0.5)
    assert found["b"].change == 0 and np.isnan(found["zero"].change)
    for panel in (internals.weight_sizes, internals.weight_changes):
        panel(axes(), found)
        panel(axes(), {})


def test_sensitivity_of_a_linear_answer_is_its_weights():
    x = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    unused = torch.ones(1000, 3).requires_grad_()
    answer = x @ torch.tensor([[3.0], [0.0]])
    found = sensitivity(answer, {"x": x, "unused": unused})
    assert found["x"] == pytest.approx([3 / float(answer.detach().std()), 0])
    assert found["unused"].tolist() == [0, 0, 0]
    still = sensitivity(0 * answer, {"x": x})
    assert still["x"].tolist() == [0, 0]


class Attending(nn.Module):
    modalities = ("camera", "joints")

    def __init__(self):
        super().__init__()
        self.attention = None

    def forward(self, x):
        self.attention = torch.softmax(x, dim=-1)
        return x


def test_attention_is_read_from_whatever_shows_it():
    module = nn.Sequential(Attending())
    assert attention_of(module) is None  # before it was asked anything
    module(torch.zeros(5, 4, 2, 2))
    weights, tokens = attention_of(module)
    assert tokens == ("camera", "joints")
    np.testing.assert_allclose(weights, 0.5)
    ax = axes()
    attended.attention(ax, weights, tokens)
    assert [text.get_text() for text in ax.texts] == ["0.50"] * 4
    assert attention_of(nn.Linear(2, 2)) is None


def test_a_part_that_is_not_used_is_marked():
    ax = axes()
    attended.contributions(ax, {"action": {"camera": 0.0, "joints": 1.3}})
    assert [text.get_text() for text in ax.texts] == [" not used"]
    ax = axes()
    attended.contributions(ax, {"action": {"camera": 0.4, "joints": 1.3}})
    assert not ax.texts


def test_a_readout_tells_an_encoder_that_sees_from_one_that_is_blind(tmp_path):
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    level, side = rng.uniform(0, 1, (2, 400, 1, 1, 1))
    ramp = np.linspace(0, 1, 16)[None, None, None, :]
    images = (255 * np.clip(level * (1 - side * ramp), 0, 1) * np.ones((1, 1, 16, 1))).astype(
        "uint8"
    )
    encoder = Encoder((1, 16, 16), 8).eval()
    seeing = readout(encoder, images)
    with torch.no_grad():
        encoder.layers[4].weight.zero_()
    blind = readout(encoder, images)
    assert seeing.explained > 0.8
    assert blind.explained == pytest.approx(0, abs=0.05)
    assert seeing.originals.shape == seeing.readings.shape == (6, 1, 16, 16)
    wrong = ((seeing.originals - seeing.readings) ** 2).mean(axis=(1, 2, 3))
    assert wrong[0] == wrong.min() and wrong[-1] == wrong.max()
    inside = Internals(
        images=seeing, maps={"camera": np.ones((16, 16))}, saliency={"action": np.empty(0)},
        attention=np.eye(2), tokens=("camera", "joints"),
        contributions={"action": {"camera": 0.0, "joints": 1.3}},
    )  # fmt: skip
    for name in ("reconstruction", "saliency", "attention"):
        path = tmp_path / f"{name}.png"
        assert network_figures.FIGURES[name](inside, "cameras", path, "light") == path


def test_nothing_collected_makes_no_picture(tmp_path):
    for name, figure in network_figures.FIGURES.items():
        assert figure(Internals(), "empty", tmp_path / f"{name}.png", "light") is None
