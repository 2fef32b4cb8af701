"""Which release serves: a file that follows the release, so that a new one restarts nothing."""

import json
from pathlib import Path


def serving_release(record: Path) -> str:
    """The release's id, or `unknown` where no deployment wrote one."""
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["id"])
    except (OSError, ValueError, KeyError):
        return "unknown"
