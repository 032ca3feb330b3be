"""`plumbrl-bench NAME`: run a benchmark of the source checkout."""

import runpy
import sys
from pathlib import Path

from plumbrl.errors import nearest

FOLDER = Path(__file__).parents[3] / "benchmarks"


def main() -> None:
    """Run ``benchmarks/NAME.py`` or ``benchmarks/NAME/``; further arguments are its own."""
    known = benchmarks()
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if not known:
        print("plumbrl-bench: benchmarks come with the source checkout only.", file=sys.stderr)
        sys.exit(2)
    if name in ("-h", "--help"):
        print(f"usage: plumbrl-bench NAME ...\n\nbenchmarks: {', '.join(known)}")
        sys.exit(0 if len(sys.argv) > 1 else 2)
    if name not in known:
        said = f"unknown benchmark {name!r}; {nearest(name, known)}"
        print(f"plumbrl-bench: {said}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"plumbrl-bench {name}", *sys.argv[2:]]
    sys.path.insert(0, str(known[name].parent))
    runpy.run_path(str(known[name]), run_name="__main__")


def benchmarks() -> dict[str, Path]:
    """Return the benchmarks of this checkout by name."""
    files = {file.stem: file for file in sorted(FOLDER.glob("*.py")) if file.stem != "common"}
    folders = {file.parent.name: file.parent for file in FOLDER.glob("*/__main__.py")}
    return files | folders


if __name__ == "__main__":
    main()
