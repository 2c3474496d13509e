"""Runs the command line: ``python -m gateway`` is ``attachment-gateway``."""

import sys

from gateway.cli import main

if __name__ == "__main__":
    sys.exit(main())
