"""`make url` and similar targets print only the value on standard output, so that scripts can use it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

CHECKOUT = Path(__file__).parents[2]
PATTERNS = {
    "url": r"https://[^/\s]+/",
    "name": r"[a-z][a-z0-9-]{1,18}[a-z0-9]",
    "user": r"[a-z]+",
    "password": r"[A-Za-z0-9]{40}",
    "token": r"[A-Za-z0-9]{40}",
}

pytestmark = pytest.mark.docker


def printed(value: str) -> str:
    """Return what `make VALUE` prints; a failing test must not show it, since some values are secrets."""
    done = subprocess.run(["make", value], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"make {value} ended with {done.returncode}"
    return done.stdout


@pytest.mark.parametrize("value", PATTERNS)
def test_one_value_stands_alone_on_standard_output(value: str) -> None:
    """No output of make itself, no colour, no second line."""
    as_it_should_be = re.fullmatch(PATTERNS[value] + "\n", printed(value)) is not None
    assert as_it_should_be, f"make {value} prints something else"


def test_the_authority_is_one_certificate_that_can_be_given_to_curl() -> None:
    """It is PEM, and a certificate that may sign."""
    text = printed("ca")
    assert text.startswith("-----BEGIN CERTIFICATE-----\n")
    (certificate,) = x509.load_pem_x509_certificates(text.encode())
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert text.endswith("-----END CERTIFICATE-----\n")


def test_a_value_that_is_not_there_is_an_error_with_nothing_on_standard_output() -> None:
    """A script must not mistake a message for a value."""
    program = CHECKOUT / ".venv/bin/python"
    done = subprocess.run(
        [program, "-m", "sandbox", "show", "nothing"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert "There is no value named nothing" in done.stderr
