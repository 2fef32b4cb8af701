"""Values derived from the settings of the model host. The host itself: tests/refusals/test_model_host.py."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.filter import model_host as filters
from ansible_collections.ragdock.host.plugins.module_utils import model_hours
from ansible_collections.ragdock.host.plugins.module_utils.aws import machine
from ansible_collections.ragdock.host.plugins.module_utils.aws.refusal import RefusalError

ADDRESS = "10.20.1.254"


@pytest.mark.parametrize(
    ("text", "days", "weekly"),
    [
        ("Mon-Fri 07:00-19:00 Europe/Berlin", "MON,TUE,WED,THU,FRI", 60),
        ("Sat-Sun 09:30-17:00 UTC", "SAT,SUN", 15),
        ("Fri-Mon 00:00-23:59 UTC", "FRI,SAT,SUN,MON", pytest.approx(95.93, abs=0.01)),
        ("Wed 12:00-13:00 America/New_York", "WED", 1),
    ],
)
def test_hours_become_two_expressions_of_the_scheduler(text: str, days: str, weekly: float) -> None:
    """In the time zone of the setting, so that daylight saving time needs no change."""
    found = model_hours.parse(text)
    begin, end = re.findall(r"(\d\d):(\d\d)", text)
    assert found.start == f"cron({int(begin[1])} {int(begin[0])} ? * {days} *)"
    assert found.stop == f"cron({int(end[1])} {int(end[0])} ? * {days} *)"
    assert (found.timezone, found.weekly) == (text.split()[-1], weekly)


@pytest.mark.parametrize(
    "text",
    ["always", "Mon-Fri 07:00-19:00", "Mon-Fri 7-19 UTC", "Mon-Fri 19:00-07:00 UTC", "Mon 07:00-07:00 UTC",
     "Mon-Fri 07:00-24:00 UTC", "mon-fri 07:00-19:00 UTC", "Mon-Fri 07:00-19:00 Europe/Bonn"],
)  # fmt: skip
def test_what_are_no_hours_is_refused(text: str) -> None:
    """A host that starts at the wrong time would be noticed only on the bill."""
    with pytest.raises(ValueError, match=r"form|ends before|no time zone"):
        model_hours.parse(text)


def test_models_of_the_model_host_are_remote_to_the_main_host() -> None:
    """They are installed on the model host alone."""
    local: dict[str, Any] = {"name": "all-minilm", "use": ["embed"], "source": "library"}
    large = {"name": "big", "use": ["chat"], "source": "library", "parameters": {"num_ctx": 8192}}
    address = {"base_url": f"https://{ADDRESS}:11443/v1", "key": {"parameter": "model_host_key"}}
    models = [local, large | {"model_host": True}]
    assert filters.model_host_models(models) == [large]
    assert filters.model_host_remote(models, address) == [
        local,
        {"name": "big", "use": ["chat"], "source": "openai", "model_host": True, **address},
    ]


def test_only_cards_with_a_driver_are_accepted() -> None:
    """A host that cannot use its GPUs is refused before it costs anything."""
    card = {"Name": "L4", "Manufacturer": "NVIDIA", "Count": 1, "MemoryInfo": {"SizeInMiB": 22888}}
    kind = {"InstanceType": "g6.xlarge", "GpuInfo": {"Gpus": [card]}}
    assert machine.graphics_of(kind, "x") == "1 x L4, 22888 MiB each"
    assert machine.graphics_of({"InstanceType": "m6i.large"}, "x") == ""
    kind["GpuInfo"] = {"Gpus": [card | {"Manufacturer": "AMD"}]}
    with pytest.raises(RefusalError, match=r"x is 'g6.xlarge', whose GPUs are made by AMD"):
        machine.graphics_of(kind, "x")
