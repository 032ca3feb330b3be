"""Who may import whom, and what loading the package may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
LAYERS = [
    {"findings", "errors", "forked", "shipped", "timeout"},
    {"metrics", "snapshots", "causes", "history"},
    {"rules", "oracles", "shaping", "curriculum"},
    {"monitor", "logs", "runs"},
    {"diagnosis"},
    {"adapters", "encoders", "report", "plots", "replay", "sinks"},
    {"audits", "probes", "profiling"},
    {"training", "tuning"},
    {"dashboard"},
    {"cli"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
NUMPY_ONLY = {"metrics", "rules", "oracles", "diagnosis", "logs", "snapshots", "findings", "causes"}
NUMPY_ONLY |= {"history", "shaping", "curriculum", "shipped"}  # and Gymnasium
HEAVY = {"torch", "stable_baselines3", "mujoco", "matplotlib", "ballbot", "tensorboard"}


def imports(path):
    """Every module a file imports, lazily or not, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def files(package):
    found = sorted((SRC / package).rglob("*.py"))
    assert found
    return found


def room_of(path):
    return path.relative_to(SRC / "plumbrl").parts[0].removesuffix(".py")


def test_the_robot_knows_nothing_of_the_debugger():
    for path in files("ballbot"):
        assert not [m for m in imports(path) if m.split(".")[0] == "plumbrl"], path


@pytest.mark.parametrize("path", files("plumbrl"), ids=lambda p: str(p.relative_to(SRC)))
def test_imports_run_downwards(path):
    room = room_of(path)
    if room == "__init__":
        return
    assert room in LEVEL, f"{room} has no place in the layers"
    for module in imports(path):
        top, *rest = module.split(".")
        assert top != "ballbot" or room == "cli", f"{path} imports the robot"
        if top == "plumbrl" and rest and rest[0] != room:
            assert LEVEL[rest[0]] < LEVEL[room], f"{room} must not import {rest[0]}"
        if room in NUMPY_ONLY:
            assert top not in HEAVY, f"{path} imports {top}"


def loaded_after(code):
    program = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return {name.split(".")[0] for name in run.stdout.splitlines()[-1].split()}


def test_loading_the_package_loads_nothing_heavy():
    assert not loaded_after("import plumbrl") & HEAVY


def test_help_loads_nothing_heavy():
    code = "from plumbrl.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert not loaded_after(code) & HEAVY
    code = code.replace("['--help']", "['train', '--help']")
    assert not loaded_after(code) & HEAVY


def test_importing_the_robot_loads_no_physics():
    assert not loaded_after("import ballbot") & {"mujoco", "numba", "torch", "matplotlib"}
