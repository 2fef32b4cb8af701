"""Object Lock counts from when a file was stored, so locks of files that a kept backup needs are extended.

restic stores the same content once, so the newest backup may need a file from last year. Without the
extension, such a file could be destroyed, and with it every backup that needs it, although all new files
are locked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.aws.session import host_client
from ansible_collections.ragdock.host.plugins.module_utils.backup.common import (
    BackupError,
    BackupPaths,
    Memory,
    Settings,
)
from ansible_collections.ragdock.host.plugins.module_utils.restic import in_s3

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError

DAY = 86400.0
AT_ONCE = 8


def in_use(s3: Any, bucket: str, prefix: str) -> dict[str, float]:
    """Every file of the repository and when it was stored; without restic's own locks, which come and go."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    return {
        one["Key"]: one["LastModified"].timestamp()
        for page in pages
        for one in page.get("Contents", [])
        if not one["Key"].startswith(f"{prefix}/locks/")
    }


def due(stored: Mapping[str, float], until: Mapping[str, float], days: int, now: float) -> list[str]:
    """Files whose lock ends within half of its period."""
    return [
        key
        for key, when in stored.items()
        if max(when + days * DAY, until.get(key, 0.0)) < now + days * DAY / 2
    ]


def lock(s3: Any, bucket: str, keys: list[str], until: float) -> None:
    """Extend the lock of the current version of each of these files."""
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": dt.datetime.fromtimestamp(until, dt.UTC)}

    def one(key: str) -> None:
        s3.put_object_retention(Bucket=bucket, Key=key, Retention=retention)

    with ThreadPoolExecutor(AT_ONCE) as several:
        list(several.map(one, keys))


def renew(settings: Settings, now: float, s3: Any = None) -> int:
    """Extend the locks that are due; return the number of files."""
    _unused, bucket, prefix = in_s3(settings.location)
    if not settings.lock_days or not bucket:
        return 0
    memory = Memory(BackupPaths(settings.root), "retention")
    # If the setting changed, earlier files may be locked for less time than `due` assumes: extend them all.
    known = memory.values.get("until", {}) if memory.values.get("days") == settings.lock_days else None
    try:
        s3 = s3 or host_client("s3", settings.region, settings.endpoint_url)
        stored = in_use(s3, bucket, prefix)
        keys = list(stored) if known is None else due(stored, known, settings.lock_days, now)
        until = now + settings.lock_days * DAY
        lock(s3, bucket, keys, until)
    except (BotoCoreError, ClientError) as error:
        raise BackupError(
            f"The files of the repository could not be locked again for {settings.lock_days} days: {error}. "
            "The backup itself is stored and counts. Has the bucket Object Lock, and the host's role its "
            "right? playbooks/plan.yml shows what differs, playbooks/provision.yml gives the right."
        ) from error
    memory.values = {}
    kept = {key: when for key, when in (known or {}).items() if key in stored}
    memory.save(days=settings.lock_days, until=kept | dict.fromkeys(keys, until))
    return len(keys)
