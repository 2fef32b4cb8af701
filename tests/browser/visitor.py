"""Someone who visits the deployed stack with Chromium.

Where the stack is comes from RAGDOCK_URL, RAGDOCK_USER, RAGDOCK_PASSWORD and RAGDOCK_CA; what is not set is
asked of the sandbox. The browser is the one that RAGDOCK_CHROMIUM names, else Debian's Chromium, else what
`playwright install chromium` brought (Ubuntu).
"""

import base64
import hashlib
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.stack.endpoint import value

_SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Stack:
    """The deployed stack, seen from outside."""

    url: str
    user: str
    password: str = field(repr=False)
    ca: str

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the endpoint."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 443


def deployed() -> Stack:
    """Where the stack is."""
    return Stack(value("url").rstrip("/"), value("user"), value("password"), value("ca"))


@contextmanager
def chromium(stack: Stack) -> Iterator[Browser]:
    """Chromium, which trusts the one key that Python has just verified against the CA."""
    debians = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
    executable = os.environ.get("RAGDOCK_CHROMIUM") or debians
    switches = [*_SWITCHES]
    if stack.url.startswith("https://"):
        switches.append(f"--ignore-certificate-errors-spki-list={_verified_key(stack)}")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=switches)
        yield launched
        launched.close()


def visitor(browser: Browser, stack: Stack, **options: object) -> BrowserContext:
    """Someone new: nothing of another visitor is known to the browser."""
    context = browser.new_context(base_url=stack.url, **options)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    return context


def sign_in(page: Page, stack: Stack) -> None:
    """Log in with the generated password."""
    page.goto(f"{stack.url}/login")
    page.get_by_label("User").fill(stack.user)
    page.get_by_label("Password").fill(stack.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("tab", name="Ask")).to_be_visible(timeout=60_000)


def _verified_key(stack: Stack) -> str:
    """Connect once with full verification and name the server's key as Chromium wants it named.

    Debian's Chromium takes no CA file; a certificate error of any other key still stops it.
    """
    trust = ssl.create_default_context(cadata=stack.ca or None)
    host, port = stack.address
    with (
        socket.create_connection((host, port), timeout=30) as plain,
        trust.wrap_socket(plain, server_hostname=host) as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
    assert shown is not None
    key = x509.load_der_x509_certificate(shown).public_key()
    spelled = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spelled).digest()).decode()
