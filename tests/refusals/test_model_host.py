"""The model host, as the playbooks manage it.

It exists only with its setting, has the least network access and rights, and is removed with the setting.
Everything runs with the operator's rights only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import boto3

from ansible_collections.ragdock.host.plugins.module_utils.aws import read_model_host
from ansible_collections.ragdock.host.plugins.modules import aws_schedules
from sandbox.settings import OPERATOR_KEYS
from tests.granted import POLICIES
from tests.local_aws import REGION, JudgedAws, judged_aws
from tests.unit.authorization.requests_of import refused

from .conftest import Run
from .test_provision import assert_refused

NAME = "modelled"
MODEL_HOST = {
    "ragdock_model_host_type": "t3.medium",
    "ragdock_model_hours": "Mon-Fri 07:00-19:00 Europe/Berlin",
}
ON_BEDROCK = {
    "name": "gpt-oss-20b",
    "use": ["chat"],
    "source": "openai",
    "base_url": f"https://bedrock-runtime.{REGION}.amazonaws.com/openai/v1",
    "key": "bedrock",
}
EMBEDDER = {"name": "all-minilm", "use": ["embed"], "source": "library"}
THRESHOLD = {
    "Namespace": "Own",
    "MetricName": "Costs",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanThreshold",
}
ADDRESS = "10.20.1.254"
ROLES = read_model_host.role_names(NAME)
SCHEDULING = {f"scheduler:{verb}Schedule" for verb in ("Create", "Delete", "Get", "Update")}
Play = Callable[..., Any]


def completes(play: Play, playbook: str, **settings: Any) -> str:
    """Run a playbook that must succeed and return what it prints."""
    done = play(playbook, **settings)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return str(done.stdout)


def hosts(aws: JudgedAws) -> dict[str, dict[str, Any]]:
    """Instances by the name of their host; '' is the main host."""
    filters = [{"Name": "instance-state-name", "Values": ["running", "stopped"]}]
    listed = aws.client("ec2").describe_instances(Filters=filters)["Reservations"]
    found = [one for group in listed for one in group["Instances"]]
    return {{tag["Key"]: tag["Value"] for tag in one["Tags"]}.get("ragdock:host", ""): one for one in found}


def roles(aws: JudgedAws) -> set[str]:
    """The roles of model hosts."""
    return {one["RoleName"] for one in aws.client("iam").list_roles()["Roles"]} & set(ROLES)


def alarms(aws: JudgedAws) -> set[str]:
    """Names of all alarms, those of the deployment without their prefix."""
    listed = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {one["AlarmName"].removeprefix(f"ragdock-{NAME}-") for one in listed}


def schedules(aws: JudgedAws) -> dict[str, dict[str, Any]]:
    """The schedules by name."""
    scheduler = aws.client("scheduler")
    names = [one["Name"] for one in scheduler.list_schedules()["Schedules"]]
    return {name: scheduler.get_schedule(Name=name) for name in names}


def without_the_setting_there_is_nothing_of_it(aws: JudgedAws, play: Play) -> None:
    """AWS receives no request about it either: an operator's older policy does not allow one."""
    completes(play, "provision")
    assert list(hosts(aws)) == [""]
    assert (roles(aws), schedules(aws)) == (set(), {})
    assert not [action for _who, action in aws.asked if action.startswith("scheduler:")]


def the_plan_shows_it_with_its_cost(aws: JudgedAws, play: Play) -> None:
    """60 hours a week are 261 a month."""
    shown = completes(play, "plan", **MODEL_HOST | {"ragdock_model_host_type": "g6.xlarge"})
    assert re.search(r"make\s+model_instance", shown)
    assert re.search(r"model host g6\.xlarge, 60 hours a week\s+209\.8", shown)
    assert list(hosts(aws)) == [""]


def it_is_reached_by_the_main_host_on_one_port_and_by_nobody_else(aws: JudgedAws, play: Play) -> None:
    """With a fixed private address, metadata by token, and its own role."""
    completes(play, "provision", **MODEL_HOST)
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


def its_role_reaches_session_manager_and_its_images_only(aws: JudgedAws, _play: Play) -> None:
    """Only the main host has rights to secrets, backups and disks."""
    document = aws.client("iam").get_role_policy(RoleName=ROLES[0], PolicyName="host")["PolicyDocument"]
    actions = {action for one in document["Statement"] for action in _listed(one["Action"])}
    assert {action.split(":")[0] for action in actions} == {"ssm", "ssmmessages", "ec2messages", "ecr"}
    assert [action for action in actions if action.startswith("ssm:")] == ["ssm:UpdateInstanceInformation"]


def its_hours_start_and_stop_it_and_nothing_else(aws: JudgedAws, _play: Play) -> None:
    """With the schedules' role, an attempt to touch the main host is refused."""
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
    # When the schedule is created again for another instance, the existing one is updated.
    role = found[stop]["Target"]["RoleArn"]
    params = {"timezone": "Europe/Berlin", "instance": models, "role": role}
    again = {"name": stop, "action": "stop", "expression": found[stop]["ScheduleExpression"]}
    aws_schedules.present(aws.client("scheduler", OPERATOR_KEYS), aws_schedules.request(again, params))
    ec2 = as_scheduler(aws, role)
    assert refused(ec2.stop_instances, InstanceIds=[main])[0] == "UnauthorizedOperation"
    assert refused(ec2.terminate_instances, InstanceIds=[models])[0] == "UnauthorizedOperation"
    ec2.stop_instances(InstanceIds=[models])
    assert hosts(aws)["models"]["State"]["Name"] == "stopped"


def a_second_run_changes_nothing_and_leaves_it_stopped(aws: JudgedAws, play: Play) -> None:
    """An instance that its hours have stopped is in its wanted state."""
    aws.log.clear()
    shown = completes(play, "provision", **MODEL_HOST)
    assert "changed=0" in shown
    assert "The model host is not running (it is stopped)" in " ".join(shown.split())
    assert hosts(aws)["models"]["State"]["Name"] == "stopped"
    assert aws.log == []


def without_hours_it_always_runs(aws: JudgedAws, play: Play) -> None:
    """The schedules are removed with their role. A model on Bedrock adds an alarm for its keys."""
    assert "keys" not in alarms(aws)
    wanted = {"ragdock_model_host_type": MODEL_HOST["ragdock_model_host_type"]}
    completes(play, "provision", **wanted, ragdock_models=[ON_BEDROCK, EMBEDDER])
    assert hosts(aws)["models"]["State"]["Name"] == "running"
    assert (roles(aws), schedules(aws)) == ({ROLES[0]}, {})
    assert "keys" in alarms(aws)


def another_type_is_refused_with_what_to_do(aws: JudgedAws, play: Play) -> None:
    """The running model host is not touched."""
    before = hosts(aws)["models"]["InstanceId"]
    done = play("provision", ragdock_model_host_type="t3.large")
    assert_refused(done, "ragdock_model_host_type is t3.large, but the model host is a t3.medium")
    assert hosts(aws)["models"]["InstanceId"] == before


def without_the_setting_again_it_is_removed(aws: JudgedAws, play: Play) -> None:
    """An unwanted host must not cost money. The main host stays.

    The alarm for keys goes with the last model that needs it; an alarm that somebody else created stays.
    """
    main = hosts(aws)[""]["InstanceId"]
    aws.client("cloudwatch").put_metric_alarm(AlarmName=f"ragdock-{NAME}-costs", **THRESHOLD)
    completes(play, "provision")
    assert {name: one["InstanceId"] for name, one in hosts(aws).items()} == {"": main}
    assert (roles(aws), schedules(aws)) == (set(), {})
    assert alarms(aws) == {"host", "backup", "drift", "drill", "patch", "costs"}


# The order matters: each step starts from the state that the previous one left.
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


def test_the_life_of_a_model_host(playbook: Run) -> None:
    """One long test, because provisioning takes 30 seconds."""
    with judged_aws({name: json.dumps(policy) for name, policy in POLICIES.items()}) as aws:

        def play(name: str, **settings: Any) -> Any:
            ours = {
                "ragdock_name": NAME,
                "ragdock_aws_endpoint_url": aws.url,
                "ragdock_ami_ssm_parameter": "/aws/service/debian/release/13/latest/amd64",
                # One is enough: each service has a repository, and other tests cover those.
                "aws_registry_services": ["rag-app"],
            }
            return playbook(f"playbooks/{name}.yml", timeout=600, **(ours | settings))

        for step in LIFE:
            step(aws, play)
        asked = {action for who, action in aws.asked if who.endswith(":user/operator")}
        assert SCHEDULING - asked == set()


def as_scheduler(aws: JudgedAws, role: str) -> Any:
    """An EC2 client with the scheduler's rights. The role trusts only the scheduler: the test adds EC2."""
    iam, name = aws.client("iam"), role.rpartition("/")[2]
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"Service": "scheduler.amazonaws.com"}
    ours = {
        **trust,
        "Statement": [statement | {"Principal": {"Service": "ec2.amazonaws.com"}, "Condition": {}}],
    }
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(ours))
    given = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="i-0123456789abcdef0")["Credentials"]
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    return boto3.client(
        "ec2",
        endpoint_url=aws.url,
        region_name=REGION,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
