#!/usr/bin/python
"""Checks against AWS whether this run may start: account, region, name, instance type, image, domain."""

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_preflight
short_description: Find out, before anything changes, whether AWS will let this run succeed
description:
  - Checks credentials, account, region, instance type with its memory and zones, the account's quotas and
    plan, image, the deployment's name and the domain's zone in one process, and meanwhile the AWS CLI and its
    Session Manager plugin. Changes nothing. Fails with every problem at once.
options:
  name: {description: The deployment's name., type: str, required: true}
  region: {description: The region., type: str, required: true}
  account: {description: The only account to accept; empty for any., type: str, default: ""}
  known_id: {description: The deployment's id as this checkout remembers it., type: str, default: ""}
  adopt: {description: Accept a deployment that another checkout made., type: bool, default: false}
  instance_type: {description: The host's type., type: str, required: true}
  model_host_type: {description: The model host's type; empty for none., type: str, default: ""}
  memory_limits: {description: MiB by service., type: dict, required: true}
  reserve_mib: {description: MiB for the host itself., type: int, required: true}
  root_gib: {description: GiB of the root volume., type: int, required: true}
  ami_id: {description: A fixed image., type: str, default: ""}
  ami_parameter: {description: The parameter that names the image., type: str, required: true}
  domain: {description: The public host name., type: str, default: ""}
  connects:
    description: Whether the run connects to the host by Session Manager and needs its programs.
    type: bool
    default: false
  cli_folder: {description: Folder that has them; empty for PATH., type: str, default: ""}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Check the account, region, instance type, image and name, and the Session Manager plugin
  ragdock.host.aws_preflight:
    name: research
    region: eu-central-1
    instance_type: t3.large
    memory_limits: {opensearch: 2048}
    reserve_mib: 1024
    root_gib: 20
    ami_parameter: /aws/service/debian/release/13/latest/amd64
"""

RETURN = r"""
account: {description: Account of the credentials., type: str, returned: always}
deployment_id: {description: Identity of the deployment; new when there is none., type: str, returned: always}
exists: {description: Has this deployment a network already., type: bool, returned: always}
caller: {description: ARN of who has the credentials., type: str, returned: always}
ami_id: {description: The image a new host would get., type: str, returned: always}
root_device: {description: Name of the image's root device., type: str, returned: always}
zones: {description: Zones that offer the type of each host., type: list, elements: str, returned: always}
model_host_graphics: {description: "The model host's GPUs, in words.", type: str, returned: always}
quotas: {description: "What a new host takes of the account's limits.", type: list, returned: always}
plan: {description: "The account's plan; empty when AWS does not say.", type: str, returned: always}
memory_mib: {description: Memory of the instance type., type: int, returned: always}
processors: {description: Virtual processors of the instance type., type: int, returned: always}
running: {description: "Running hosts: ids, addresses, volumes by device.", type: list, returned: always}
model_hosts: {description: "Model hosts, of any state, as the running ones.", type: list, returned: always}
zone_id: {description: Route 53 zone of the domain; empty without one., type: str, returned: always}
"""

# The action plugin of this name does the work, in the task's own process on the operator's machine.
