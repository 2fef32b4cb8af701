"""OpenSearch's certificates and users, as seen from the host."""

from __future__ import annotations

import json
from typing import Any

from cryptography import x509

from tests.stack.backup.vault import Vault, aws
from tests.stack.host import Host

# Runs on the host, since OpenSearch cannot be reached from elsewhere; secrets are passed on standard input.
ASK = """
import base64, http.client, json, pathlib, socket, ssl, subprocess, sys, tempfile
given = json.load(sys.stdin)
words = ["docker", "ps", "--quiet", "--filter", "label=com.docker.compose.service=opensearch"]
ids = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
inspected = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True).stdout
found = json.loads(inspected)
at = next(iter(found[0]["NetworkSettings"]["Networks"].values()))["IPAddress"]
if given.get("shown"):
    print(json.dumps(ssl.get_server_certificate((at, 9200))))
    raise SystemExit
context = ssl.create_default_context(cadata=given["ca"])
if given.get("cert"):
    with tempfile.TemporaryDirectory() as private:
        file = pathlib.Path(private, "both.pem")
        file.touch(mode=0o600)
        file.write_text(given["key"] + given["cert"])
        context.load_cert_chain(file)
headers = {}
if given.get("password"):
    login = f"{given['user']}:{given['password']}".encode()
    headers["Authorization"] = "Basic " + base64.b64encode(login).decode()
connection = http.client.HTTPSConnection("opensearch", 9200, timeout=20)
try:
    plain = socket.create_connection((at, 9200), 20)
    connection.sock = context.wrap_socket(plain, server_hostname="opensearch")
    connection.request("GET", "/_plugins/_security/authinfo", headers=headers)
    print(json.dumps(connection.getresponse().status))
except OSError as error:
    print(json.dumps(type(error).__name__))
"""


class Node:
    """The OpenSearch node of a host."""

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.vault = Vault(host, name)
        self.name = name

    def _ask(self, **given: Any) -> Any:
        # The script may be an argument: it contains no secret.
        return json.loads(self.host.run("python3", "-c", ASK, given=json.dumps(given)))

    def secret(self, name: str) -> str:
        """Return a secret from the parameter store."""
        return self.vault.secret(name)

    def stored(self, name: str) -> x509.Certificate:
        """Return a certificate from the parameter store."""
        return x509.load_pem_x509_certificate(self.secret(f"{name}_cert").encode())

    def put(self, name: str, text: str) -> None:
        """Overwrite a secret in the parameter store without a rotation."""
        path = f"/ragdock/{self.name}/{name}"
        aws("ssm").put_parameter(Name=path, Value=text, Type="SecureString", Overwrite=True)

    def names(self) -> set[str]:
        """Return the names of all parameters of the deployment."""
        pages = aws("ssm").get_paginator("get_parameters_by_path").paginate(Path=f"/ragdock/{self.name}/")
        return {one["Name"].rsplit("/", 1)[-1] for page in pages for one in page["Parameters"]}

    def serial(self) -> int:
        """Return the serial number of the certificate that the node presents."""
        return x509.load_pem_x509_certificate(self._ask(shown=True).encode()).serial_number

    def as_user(self, user: str, password: str) -> int | str:
        """Return the HTTP status for a user's password, or the error's name if there is no connection."""
        answer: int | str = self._ask(ca=self.secret("opensearch_ca_cert"), user=user, password=password)
        return answer

    def as_admin(self, ca: str, cert: str, key: str) -> int | str:
        """Return the HTTP status for a client certificate, or the error's name if either side refuses."""
        answer: int | str = self._ask(ca=ca, cert=cert, key=key)
        return answer

    def since(self) -> str:
        """Return the time when its container was started."""
        (found,) = self.host.inspect("opensearch")
        return str(found["State"]["StartedAt"])

    def checks(self) -> list[int]:
        """Return the exit codes of its last health checks."""
        (found,) = self.host.inspect("opensearch")
        return [one["ExitCode"] for one in found["State"]["Health"]["Log"]]
