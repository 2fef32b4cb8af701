"""Reads every secret below one path, and logs none of it.

The lookup of amazon.aws does the same, but prints the values at verbosity 4.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_secrets_read
short_description: Every secret under one path of the Parameter Store
description:
  - Gives one dictionary of name (without the path) and value.
options:
  _terms: {description: The path., required: true}
  region: {description: The region., type: str, required: true}
  profile: {description: Profile of the AWS configuration., type: str}
  endpoint_url: {description: Address of the AWS API., type: str}
  access_key: {description: Access key of a local AWS API., type: str}
  secret_key: {description: Its secret half., type: str}
author: ["Ragdock (!UNKNOWN)"]
"""

from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.ragdock.host.plugins.module_utils.aws.session import quick

with suppress(ImportError):
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

NEXT = "_next"
# During a rotation, a client that trusts one of these trusts its successor too.
TRUSTED_TOGETHER = ("opensearch_ca", "model_host_ca")


def settled(values: dict[str, str]) -> dict[str, str]:
    """Return values that can be used together while some are being rotated.

    A pair is promoted key first: until its certificate follows, only the new certificate matches the key.
    """
    found = dict(values)
    for name in (key.removesuffix("_cert" + NEXT) for key in values if key.endswith("_cert" + NEXT)):
        key, cert = f"{name}_key", f"{name}_cert"
        if key + NEXT in values and values[key + NEXT] == values.get(key):
            found[cert] = values[cert + NEXT]
    for name in TRUSTED_TOGETHER:
        now, then = found.get(f"{name}_cert", ""), values.get(f"{name}_cert{NEXT}", "")
        if now and then and now != then:
            found[f"{name}_cert"] = f"{now.rstrip()}\n{then}"
    return found


class LookupModule(LookupBase):
    """The class that Ansible loads."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        """Read the secrets below the path in the first term."""
        self.set_options(var_options=variables, direct=kwargs)
        path = terms[0].rstrip("/") + "/"
        try:
            session = boto3.session.Session(
                aws_access_key_id=self.get_option("access_key"),
                aws_secret_access_key=self.get_option("secret_key"),
                profile_name=self.get_option("profile"),
                region_name=self.get_option("region"),
            )
            ssm = session.client("ssm", endpoint_url=self.get_option("endpoint_url"), config=quick())
            pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=path, WithDecryption=True)
            found = [item for page in pages for item in page["Parameters"]]
        except (BotoCoreError, ClientError) as error:
            raise AnsibleLookupError(
                f"The secrets under {path} could not be read: {error}. Nothing was changed. "
                "Compare your rights with docs/policies/operator.json and run again."
            ) from None
        return [settled({str(item["Name"]).removeprefix(path): str(item["Value"]) for item in found})]
