"""Restores objects that were deleted or overwritten in a locked bucket (playbooks/undelete.yml)."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.modules import aws_bucket_as_of
from tests.unit.aws.test_host_policy import BUCKET
from tests.unit.backup.locked_bucket import OPERATOR, Locked, now, person
from tests.unit.backup.locked_bucket import aws as aws
from tests.unit.backup.locked_bucket import locked as locked


def undelete(at: Locked, moment: dt.datetime, s3: Any = None) -> dict[str, int]:
    """Do what the playbook does and return its figures."""
    found = aws_bucket_as_of.versions(s3 or at.s3, BUCKET, at.prefix)
    made = aws_bucket_as_of.plan(found, moment)
    aws_bucket_as_of.carry_out(s3 or at.s3, BUCKET, made)
    figures: dict[str, int] = aws_bucket_as_of.figures(made)
    return figures


def test_what_a_thief_deleted_and_overwrote_is_brought_back(locked: Locked, tmp_path: Path) -> None:
    """The operator's rights are enough to get back the same files, and a restore gives the same content."""
    locked.back_up(1)
    content = locked.back_up(2)
    # Like a restic lock that was removed: it must stay removed.
    locked.s3.put_object(Bucket=BUCKET, Key=f"{locked.prefix}/locks/old", Body=b"lock")
    locked.s3.delete_object(Bucket=BUCKET, Key=f"{locked.prefix}/locks/old")
    before, versions = locked.objects(), locked.version_ids()
    moment = now()
    for number, name in enumerate(before):
        if number % 2:
            locked.s3.put_object(Bucket=BUCKET, Key=name, Body=b"ransom")
        locked.s3.delete_object(Bucket=BUCKET, Key=name)
    locked.s3.put_object(Bucket=BUCKET, Key=f"{locked.prefix}/data/00/ransom", Body=b"ransom")
    assert not locked.repository.exists()

    operator = person(locked.at, "operator", json.loads(OPERATOR.read_text()))
    figures = undelete(locked, moment, operator)
    assert locked.objects() == before
    assert versions <= locked.version_ids()
    assert figures["deleted"] == len(before) - len(before) // 2
    assert (figures["overwritten"], figures["newer"]) == (len(before) // 2, 1)
    locked.repository.run("check", "--read-data")
    assert len(locked.repository.backups()) == 2
    assert locked.newest(tmp_path / "back") == content
    assert undelete(locked, moment) | {"unchanged": 0} == dict.fromkeys(figures, 0), "a second run changed"


def test_a_later_time_can_be_chosen_afterwards(locked: Locked) -> None:
    """A wrong guess loses nothing: hidden objects can be shown again."""
    locked.back_up(1)
    early = now()
    locked.back_up(2)
    late, before = now(), locked.objects()
    assert undelete(locked, early)["newer"] > 0
    assert len(locked.repository.backups()) == 1
    undelete(locked, late)
    assert locked.objects() == before
    assert len(locked.repository.backups()) == 2


def test_a_file_that_was_damaged_before_that_time_is_not_written_again(locked: Locked) -> None:
    """restic names files after their content, so damaged content is reported and not written again."""
    locked.back_up(1)
    name = next(name for name in locked.objects() if "/data/" in name)
    locked.s3.put_object(Bucket=BUCKET, Key=name, Body=b"damaged")
    moment = now()
    locked.s3.put_object(Bucket=BUCKET, Key=name, Body=b"damaged again")
    with pytest.raises(aws_bucket_as_of.PointInTimeError, match="earlier time"):
        undelete(locked, moment)


@pytest.mark.parametrize(("given", "message"), [("yesterday", "is not a time"), ("2999-01-01", "future")])
def test_an_invalid_time_is_refused(given: str, message: str) -> None:
    """Refused before anything is requested from the bucket."""
    with pytest.raises(aws_bucket_as_of.PointInTimeError, match=message):
        aws_bucket_as_of.point_in_time(given, dt.datetime.now(dt.UTC))
