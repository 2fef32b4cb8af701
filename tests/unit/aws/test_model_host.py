"""The model host: nothing of it without its setting, least reach and rights with it, and gone with it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import boto3
import pytest

from ansible_collections.ragdock.host.plugins.filter import model_host as filters
from ansible_collections.ragdock.host.plugins.module_utils import model_hours
from ansible_collections.ragdock.host.plugins.module_utils.aws import machine, read_model_host
from ansible_collections.ragdock.host.plugins.module_utils.aws.refusal import RefusalError
from tests.local_aws import JudgedAws, judged_aws
from tests.unit.authorization.requests_of import refused
from tests.unit.aws.test_operator_rights import MODEL_HOST, NAME, POLICIES, play

ADDRESS = "10.20.1.254"
ROLES = read_model_host.role_names(NAME)


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
    """In the settings' own time zone, so that summer time needs no change."""
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
    """A host that starts at another time than was meant is noticed by its bill."""
    with pytest.raises(ValueError, match=r"form|ends before|no time zone"):
        model_hours.parse(text)


def test_models_of_the_model_host_are_remote_to_the_main_host() -> None:
    """And are installed on the model host alone."""
    local: dict[str, Any] = {"name": "all-minilm", "use": ["embed"], "source": "library"}
    large = {"name": "big", "use": ["chat"], "source": "library", "parameters": {"num_ctx": 8192}}
    address = {"base_url": f"https://{ADDRESS}:11443/v1", "key": {"parameter": "model_host_key"}}
    models = [local, large | {"model_host": True}]
    assert filters.model_host_models(models) == [large]
    assert filters.model_host_remote(models, address) == [
        local,
        {"name": "big", "use": ["chat"], "source": "openai", **address},
    ]


def test_only_cards_with_a_driver_are_accepted() -> None:
    """A host that cannot use what it is paid for is refused before it is paid."""
    card = {"Name": "L4", "Manufacturer": "NVIDIA", "Count": 1, "MemoryInfo": {"SizeInMiB": 22888}}
    kind = {"InstanceType": "g6.xlarge", "GpuInfo": {"Gpus": [card]}}
    assert machine.graphics_of(kind, "x") == "1 x L4, 22888 MiB each"
    assert machine.graphics_of({"InstanceType": "m6i.large"}, "x") == ""
    kind["GpuInfo"] = {"Gpus": [card | {"Manufacturer": "AMD"}]}
    with pytest.raises(RefusalError, match=r"x is 'g6.xlarge', whose graphics cards are made by AMD"):
        machine.graphics_of(kind, "x")


def run(aws: JudgedAws, state: Path, playbook: str, **settings: Any) -> str:
    """What a playbook prints that ends well."""
    done = play(aws, state, playbook, **settings)
    assert done.returncode == 0, "\n".join((*aws.log, done.stdout[-4000:], done.stderr[-2000:]))
    return done.stdout


def hosts(aws: JudgedAws) -> dict[str, dict[str, Any]]:
    """Host -> its instance: '' is the main host."""
    filters = [{"Name": "instance-state-name", "Values": ["running", "stopped"]}]
    listed = aws.client("ec2").describe_instances(Filters=filters)["Reservations"]
    found = [one for group in listed for one in group["Instances"]]
    return {{tag["Key"]: tag["Value"] for tag in one["Tags"]}.get("ragdock:host", ""): one for one in found}


def roles(aws: JudgedAws) -> set[str]:
    """The roles of model hosts."""
    return {one["RoleName"] for one in aws.client("iam").list_roles()["Roles"]} & set(ROLES)


def schedules(aws: JudgedAws) -> dict[str, dict[str, Any]]:
    """The schedules by name."""
    scheduler = aws.client("scheduler")
    names = [one["Name"] for one in scheduler.list_schedules()["Schedules"]]
    return {name: scheduler.get_schedule(Name=name) for name in names}


def without_the_setting_there_is_nothing_of_it(aws: JudgedAws, state: Path) -> None:
    """Nor is AWS asked about it: an operator's older policy has no right to."""
    run(aws, state, "provision")
    assert list(hosts(aws)) == [""]
    assert (roles(aws), schedules(aws)) == (set(), {})
    assert not [action for _who, action in aws.asked if action.startswith("scheduler:")]


def the_plan_shows_it_with_its_cost(aws: JudgedAws, state: Path) -> None:
    """60 hours a week are 261 a month."""
    shown = run(aws, state, "plan", **MODEL_HOST | {"ragdock_model_host_type": "g6.xlarge"})
    assert re.search(r"make\s+model_instance", shown)
    assert re.search(r"model host g6\.xlarge, 60 hours a week\s+209\.8", shown)
    assert list(hosts(aws)) == [""]


def it_is_reached_by_the_main_host_on_one_port_and_by_nobody_else(aws: JudgedAws, state: Path) -> None:
    """With a fixed private address, metadata by token, and its own role."""
    run(aws, state, "provision", **MODEL_HOST)
    found = hosts(aws)
    main, models = found[""], found["models"]
    assert models["PrivateIpAddress"] == ADDRESS
    assert models["PublicIpAddress"], "without one it has no way out to install anything"
    assert models["IamInstanceProfile"]["Arn"].endswith(f"/{ROLES[0]}")
    assert models["MetadataOptions"]["HttpTokens"] == "required"
    assert models["SubnetId"] == main["SubnetId"]
    (of_models,) = models["SecurityGroups"]
    (of_main,) = main["SecurityGroups"]
    (group,) = aws.client("ec2").describe_security_groups(GroupIds=[of_models["GroupId"]])["SecurityGroups"]
    (rule,) = group["IpPermissions"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 11443, 11443)
    assert (rule["IpRanges"], rule["Ipv6Ranges"]) == ([], [])
    assert [one["GroupId"] for one in rule["UserIdGroupPairs"]] == [of_main["GroupId"]]


def its_role_reaches_session_manager_and_its_images_only(aws: JudgedAws, _state: Path) -> None:
    """Secrets, backups and disks are the main host's."""
    document = aws.client("iam").get_role_policy(RoleName=ROLES[0], PolicyName="host")["PolicyDocument"]
    actions = {action for one in document["Statement"] for action in _listed(one["Action"])}
    assert {action.split(":")[0] for action in actions} == {"ssm", "ssmmessages", "ec2messages", "ecr"}
    assert [action for action in actions if action.startswith("ssm:")] == ["ssm:UpdateInstanceInformation"]


def its_hours_start_and_stop_it_and_nothing_else(aws: JudgedAws, _state: Path) -> None:
    """The schedules' role, tried: it may not touch the main host."""
    models, main = hosts(aws)["models"]["InstanceId"], hosts(aws)[""]["InstanceId"]
    start, stop = f"ragdock-{NAME}_models-start", f"ragdock-{NAME}_models-stop"
    found = schedules(aws)
    assert set(found) == {start, stop}
    for name, verb, hour in ((start, "start", 7), (stop, "stop", 19)):
        one = found[name]
        assert one["ScheduleExpression"] == f"cron(0 {hour} ? * MON,TUE,WED,THU,FRI *)"
        assert one["ScheduleExpressionTimezone"] == "Europe/Berlin"
        assert one["Target"]["Arn"] == f"arn:aws:scheduler:::aws-sdk:ec2:{verb}Instances"
        assert json.loads(one["Target"]["Input"]) == {"InstanceIds": [models]}
    ec2 = as_scheduler(aws, found[stop]["Target"]["RoleArn"])
    assert refused(ec2.stop_instances, InstanceIds=[main])[0] == "UnauthorizedOperation"
    assert refused(ec2.terminate_instances, InstanceIds=[models])[0] == "UnauthorizedOperation"
    ec2.stop_instances(InstanceIds=[models])
    assert hosts(aws)["models"]["State"]["Name"] == "stopped"


def a_second_run_changes_nothing_and_leaves_it_stopped(aws: JudgedAws, state: Path) -> None:
    """What its hours have stopped is as it should be."""
    aws.log.clear()
    shown = run(aws, state, "provision", **MODEL_HOST)
    assert "changed=0" in shown
    assert "The model host does not run (it is stopped)" in " ".join(shown.split())
    assert hosts(aws)["models"]["State"]["Name"] == "stopped"
    assert aws.log == []


def without_hours_it_always_runs(aws: JudgedAws, state: Path) -> None:
    """And the schedules go with their role."""
    run(aws, state, "provision", ragdock_model_host_type=MODEL_HOST["ragdock_model_host_type"])
    assert hosts(aws)["models"]["State"]["Name"] == "running"
    assert (roles(aws), schedules(aws)) == ({ROLES[0]}, {})


def another_type_is_refused_with_what_to_do(aws: JudgedAws, state: Path) -> None:
    """The model host that serves is not touched."""
    before = hosts(aws)["models"]["InstanceId"]
    done = play(aws, state, "provision", ragdock_model_host_type="t3.large")
    assert done.returncode != 0
    assert "ragdock_model_host_type is t3.large, but the model host is a t3.medium" in done.stdout
    assert hosts(aws)["models"]["InstanceId"] == before


def without_the_setting_again_it_is_removed(aws: JudgedAws, state: Path) -> None:
    """A host that nobody wants is not paid for. The main host stays."""
    main = hosts(aws)[""]["InstanceId"]
    run(aws, state, "provision")
    assert {name: one["InstanceId"] for name, one in hosts(aws).items()} == {"": main}
    assert (roles(aws), schedules(aws)) == (set(), {})


# In this order: each begins with what the one before has left.
LIFE = (
    without_the_setting_there_is_nothing_of_it,
    the_plan_shows_it_with_its_cost,
    it_is_reached_by_the_main_host_on_one_port_and_by_nobody_else,
    its_role_reaches_session_manager_and_its_images_only,
    its_hours_start_and_stop_it_and_nothing_else,
    a_second_run_changes_nothing_and_leaves_it_stopped,
    without_hours_it_always_runs,
    another_type_is_refused_with_what_to_do,
    without_the_setting_again_it_is_removed,
)


def test_the_life_of_a_model_host(tmp_path: Path) -> None:
    """By the playbooks, with the operator's rights. test_operator_rights.py destroys one."""
    with judged_aws({name: json.dumps(policy) for name, policy in POLICIES.items()}) as aws:
        aws.client("route53").create_hosted_zone(Name="example.org.", CallerReference="one")
        for step in LIFE:
            step(aws, tmp_path)


def as_scheduler(aws: JudgedAws, role: str) -> Any:
    """EC2 with the rights that the scheduler has."""
    given = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="scheduler")["Credentials"]
    return boto3.client(
        "ec2",
        endpoint_url=aws.address,
        region_name="us-east-1",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
