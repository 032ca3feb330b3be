"""`python -m plumbrl`."""

from plumbrl.cli import main

main()
