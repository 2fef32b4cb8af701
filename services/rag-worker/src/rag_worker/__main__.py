"""`python -m rag_worker run` works; `python -m rag_worker health` exits 0 while it does, else 1."""

from __future__ import annotations

import argparse
import sys

from rag_worker import heartbeat


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="rag_worker", description=__doc__)
    parser.add_argument("verb", choices=["run", "health"])
    if parser.parse_args().verb == "health":
        return heartbeat.health()
    from rag_worker import service

    return service.main()


if __name__ == "__main__":
    sys.exit(main())
