"""Make the pictures of docs/pictures.md: `make.py RUN [RUN ...] [--camera RUN]`.

Of the first run everything is drawn, of all of them the comparison; attention and reconstruction
come from a run with cameras and fusion. Pictures are reduced to 64 colours to stay small.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

HERE = Path(__file__).parent
WIDTHS = (1100, 850, 700)
"""Of pictures, in pixels: the first that makes a file small enough."""
BYTES = 80_000
CAMERA = ("attention", "reconstruction")


def plumbrl(*args: str | Path) -> None:
    """Run a command of the package."""
    subprocess.run([sys.executable, "-m", "plumbrl", *map(str, args)], check=True)


def keep(path: Path, name: str) -> None:
    """Put a picture into this folder, small."""
    with Image.open(path) as picture:
        for width in WIDTHS:
            height = round(picture.height * width / picture.width)
            small = picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
            small.quantize(64).save(HERE / f"{name}.png", optimize=True)
            if (HERE / f"{name}.png").stat().st_size <= BYTES:
                return


def main() -> None:
    """Draw, and keep what is drawn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--camera", type=Path)
    given = parser.parse_args()
    with TemporaryDirectory() as name:
        out = Path(name)
        if given.runs:
            plumbrl("plot", given.runs[0], "--what", "all", "--out", out / "training.png")
            plumbrl("plot", *given.runs, "--out", out / "comparison.png")
            plumbrl("look", given.runs[0], "--episodes", 8, "--out", out)
        if given.camera:
            plumbrl("look", given.camera, "--what", "internals", "--out", out / "camera")
            for kind in CAMERA:
                shutil.copy(out / f"camera/{kind}.png", out / f"{kind}.png")
        for path in out.glob("*.png"):
            keep(path, path.stem.removeprefix("training_"))


if __name__ == "__main__":
    main()
