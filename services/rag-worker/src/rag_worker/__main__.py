"""`python -m rag_worker run` runs the worker; `python -m rag_worker health` exits 0 if it is healthy, else 1.

`python -m rag_worker stored` prints the versions of the data formats that this image writes, as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys

from rag_worker import heartbeat


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="rag_worker", description=__doc__)
    parser.add_argument("verb", choices=["run", "health", "stored"])
    verb = parser.parse_args().verb
    if verb == "health":
        return heartbeat.health()
    if verb == "stored":
        from rag_core import stored

        sys.stdout.write(f"{json.dumps(stored.versions())}\n")
        return 0
    from rag_worker import service

    return service.main()


if __name__ == "__main__":
    sys.exit(main())
