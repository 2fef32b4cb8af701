"""The plan is complete and its sum is right."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.ragdock.host.plugins.filter import aws_plan as plan
from tests.unit.role_files import ROLES

PRICES = yaml.safe_load((ROLES / "aws_state/files/prices.yml").read_text())
HOST = {
    "type": "t3.large",
    "root_gib": 20,
    "data_gib": 40,
    "bucket": "b",
    "alarms": 5,
    "monitoring": False,
    "domain": "",
}


def test_what_is_as_wanted_is_not_listed() -> None:
    """Only work to be done is listed."""
    assert plan.aws_plan({"vpc": {}}, {}) == ["Nothing: AWS matches the settings."]
    lines = plan.aws_plan(
        {"vpc": {}, "bucket": {}, "subnet": {}},
        {"bucket": ["versioned: false -> true", "private: false -> true"], "vpc": ["does not exist"]},
    )
    assert [line.split() for line in lines[1:]] == [
        ["change", "bucket", "versioned:", "false", "->", "true"],
        ["private:", "false", "->", "true"],
        ["make", "vpc"],
    ]


def test_a_name_is_shown_whole_before_it_is_destroyed() -> None:
    """The operator types the deployment's name after reading this list, so nothing in it is cut off."""
    topic = f"arn:aws:sns:eu-central-1:123456789012:{'x' * 64}"
    lines = plan.aws_resources(
        [
            {"kind": "volume", "id": "vol-1", "detail": "40 GiB"},
            {"kind": "topic", "id": topic, "detail": ""},
            {"kind": "parameter", "id": "/ragdock/research/restic_password", "detail": ""},
        ],
        ["volume"],
        "/ragdock/research/restic_password",
    )
    assert [line.split() for line in lines] == [
        ["keep", "volume", "vol-1", "40", "GiB"],
        ["DESTROY", "topic", topic],
        ["keep", "parameter", "/ragdock/research/restic_password"],
    ]
    assert {line.index(name) for line, name in zip(lines, ("vol-1", topic, "/ragdock"), strict=True)} == {20}
    assert plan.aws_resources([], []) == []


@pytest.mark.parametrize(
    ("change", "total"),
    [
        ({}, "70.65"),
        ({"monitoring": True}, "72.75"),
        ({"domain": "x"}, "71.15"),
        ({"bucket": ""}, "70.19"),
        ({"alarms": 6}, "70.75"),
    ],
)
def test_the_estimate_is_the_sum_of_its_lines(change: dict[str, Any], total: str) -> None:
    """0.0832 x 730 + 60 x 0.08 + 3.65 + 0.50 + 5 x 0.10 + 0.46 dollars for the defaults."""
    lines = plan.aws_costs(PRICES, HOST | change)[:-1]
    assert lines[-1].split() == ["in", "all", total]
    assert sum(float(line.split()[-1]) for line in lines[:-1]) == pytest.approx(float(total), abs=0.03)


def test_what_unlimited_credits_may_cost_is_said() -> None:
    """2 x 70 % x 730 x 0.05 dollars: the price of a t3 is not the most that it can cost."""
    assert "Up to 51.10 more" in plan.aws_costs(PRICES, HOST)[-1]
    assert not any("more when" in line for line in plan.aws_costs(PRICES, HOST | {"type": "m6i.large"}))


def test_a_type_without_a_price_is_said_to_have_none() -> None:
    """A wrong sum would be worse than none."""
    lines = plan.aws_costs(PRICES, HOST | {"type": "u-24tb1.metal"})
    assert lines[0].endswith("no price known")
    assert lines[-1].startswith("in all and what has no price")


LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


@pytest.mark.parametrize(
    ("ranges", "authority", "domain", "said"),
    [
        (["0.0.0.0/0"], "", "", ["everybody", "the deployment's own CA, which browsers do not know"]),
        (["0.0.0.0/0"], LETS_ENCRYPT, "", ["everybody", "publishes the address; while it refuses"]),
        (["0.0.0.0/0"], LETS_ENCRYPT, "rag.example.org", ["everybody", "publishes the name rag.example.org"]),
        (
            ["203.0.113.0/24", "2001:db8::/32"],
            LETS_ENCRYPT,
            "",
            ["203.0.113.0/24, 2001:db8::/32, nobody else", "port 80", "challenge only"],
        ),
        (["203.0.113.0/24"], "", "", ["203.0.113.0/24, nobody else"]),
    ],
)
def test_the_plan_says_who_may_reach_the_service(
    ranges: list[str], authority: str, domain: str, said: list[str]
) -> None:
    """It also says what its certificate reveals publicly."""
    lines = "\n".join(plan.aws_reach(ranges, authority, domain))
    assert [one for one in said if one not in lines] == []
    assert ("port 80" in lines) is ("port 80" in said)
