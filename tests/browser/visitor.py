"""Someone who visits the deployed stack with Chromium.

Where the stack is comes from RAGDOCK_URL, RAGDOCK_USER, RAGDOCK_PASSWORD and RAGDOCK_CA; what is not set is
asked of the sandbox. The browser is the one that RAGDOCK_CHROMIUM names, else Debian's Chromium, else what
`playwright install chromium` brought (Ubuntu).
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

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


def deployed() -> Stack:
    """Where the stack is."""
    return Stack(value("url").rstrip("/"), value("user"), value("password"), value("ca"))


@contextmanager
def chromium(stack: Stack) -> Iterator[Browser]:
    """Chromium, which trusts the stack's CA."""
    debians = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
    executable = os.environ.get("RAGDOCK_CHROMIUM") or debians
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        if stack.ca:
            _trust(stack.ca, Path(home))
        launched = playwright.chromium.launch(
            executable_path=executable, args=_SWITCHES, env={**os.environ, "HOME": home}
        )
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


def _trust(ca: str, home: Path) -> None:
    """Let Chromium under this home trust a CA, in the store of certificates that it reads on Linux."""
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    pem = home / "ca.pem"
    pem.write_text(ca)
    for arguments in (["-N", "--empty-password"], ["-A", "-n", "ragdock", "-t", "C,,", "-i", str(pem)]):
        subprocess.run(["certutil", "-d", f"sql:{store}", *arguments], check=True)
