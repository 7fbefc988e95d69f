"""Owns `python -m workos_importer`: the console script under another name."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
