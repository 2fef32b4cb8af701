"""A patch stops when a package breaks the stack, and prints the command that goes back; reboots are survived.

The package comes from a repository in a directory of the host that claims to be Debian's security archive.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.stack.host import Host
from tests.stack.plays import play
from tests.stack.schedule.jobs import ended, fired_by_cron, history, state
from tests.stack.soak import fault, long

pytestmark = [fault, long("takes minutes, breaks the stack")]
REPOSITORY = "/var/tmp/ragdock-test-repository"
LIST = "/etc/apt/sources.list.d/ragdock-test.list"
# Two versions of one package: the second stops a service when it is installed, the first starts it.
MAKE = f"""
mkdir -p {REPOSITORY}
cd {REPOSITORY}
: >Packages
build() {{
  mkdir -p work/DEBIAN
  printf 'Package: ragdock-test\\nVersion: %s\\nArchitecture: all\\n' "$1" >work/DEBIAN/control
  printf 'Maintainer: nobody <nobody@localhost>\\n' >>work/DEBIAN/control
  printf 'Description: test of a patch\\n' >>work/DEBIAN/control
  printf '#!/bin/sh\\ndocker %s ragdock-landing-1\\n' "$2" >work/DEBIAN/postinst
  chmod 0755 work/DEBIAN/postinst
  dpkg-deb --build work "ragdock-test_$1.deb" >/dev/null
  cat work/DEBIAN/control >>Packages
  printf 'Filename: ./ragdock-test_%s.deb\\nSize: %s\\nSHA256: %s\\n\\n' "$1" \
    "$(stat -c %s "ragdock-test_$1.deb")" "$(sha256sum "ragdock-test_$1.deb" | cut -d' ' -f1)" >>Packages
  rm -r work
}}
build 1 start
build 2 stop
printf 'Origin: Debian\\nLabel: Debian-Security\\nSuite: ragdock-test\\nSHA256:\\n %s %s Packages\\n' \
  "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)" >Release
echo 'deb [trusted=yes] file:{REPOSITORY} ./' >{LIST}
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq ragdock-test=1 >/dev/null
"""
CLEAR = f"""
apt-mark unhold ragdock-test >/dev/null
docker start ragdock-landing-1 >/dev/null
apt-get purge -y -qq ragdock-test >/dev/null
rm -rf {REPOSITORY} {LIST}
apt-get update -qq
"""


@pytest.fixture
def bad_package(host: Host) -> Iterator[None]:
    """A package whose first version is installed and whose second one waits for the patch."""
    host.shell(MAKE, seconds=300)
    yield
    host.shell(CLEAR, seconds=300)
    host.wait("the stack is whole again", lambda: host.healthy("landing"))


@pytest.mark.usefixtures("bad_package")
def test_a_package_that_breaks_the_stack_is_rolled_back(host: Host) -> None:
    """The patch stops at a known step; the printed command, run as it is printed, repairs the stack."""
    outcome = play("playbooks/patch.yml", "-e", "patching_stack_timeout=60").refused(
        'stopped at step "packages"', "ragdock-landing-1", "playbooks/restore.yml -e backup="
    )
    record = state(host, "patch")
    assert not record["ok"]
    assert record["reason"].startswith("Stopped at step packages")
    assert record["figures"]["snapshots"] >= 2
    found = re.search(r"apt-get install --yes --allow-downgrades[^\n]*ragdock-test=1[^\n]*", outcome.output)
    assert found, outcome.tail()
    host.shell(f"DEBIAN_FRONTEND=noninteractive {found.group(0)}", seconds=300)
    host.wait("the service runs again", lambda: host.healthy("landing"))
    play("playbooks/verify.yml").good()


def test_a_patch_with_nothing_to_do_proves_a_backup_and_says_so(host: Host) -> None:
    """From the operator's machine; the record names the backup that was verified in the same run."""
    play("playbooks/patch.yml").good()
    patch, drill, backup = (state(host, job) for job in ("patch", "drill", "backup"))
    assert patch["ok"]
    assert patch["figures"]["backup"] == drill["figures"]["backup"] == backup["figures"]["id"]
    assert patch["started"] <= backup["started"] <= drill["started"] <= patch["ended"]


def test_check_mode_patches_nothing(host: Host) -> None:
    """It makes no backup and no record."""
    records = [f"/opt/ragdock/state/{job}.json" for job in ("patch", "backup")]
    kept = host.run("cat", *records, check=False)
    play("playbooks/patch.yml", "--check", "--diff").good()
    assert host.run("cat", *records, check=False) == kept


def started(host: Host) -> str:
    """Return the time when the host's first process began."""
    return host.run("ps", "-o", "lstart=", "-p", "1", check=False).strip()


def test_the_hosts_own_patch_continues_after_its_restart(host: Host) -> None:
    """Started by cron, with a restart required: the record after the boot has what was noted before it."""
    before, runs = started(host), len(history(host, "patch"))
    host.run("touch", "/var/run/reboot-required")
    found = fired_by_cron(host, "patch", 900)
    assert found["ok"], found["reason"]
    assert started(host) != before
    assert found["figures"]["restarted"] == 1
    assert "reboot-required" in found["figures"]["restart_for"]
    assert found["figures"]["backup"] == state(host, "drill")["figures"]["backup"]
    assert len(history(host, "patch")) == runs + 1
    play("playbooks/verify.yml").good()


def test_a_patch_from_afar_waits_for_the_restart(host: Host) -> None:
    """The operator's run continues when the host is back."""
    before = started(host)
    play("playbooks/patch.yml", "-e", "ragdock_patch_reboot=always").good()
    assert started(host) != before
    assert state(host, "patch")["figures"]["restarted"] == 1


def test_a_patch_interrupted_by_a_power_cut_starts_again(host: Host) -> None:
    """The host goes down during the patch; the record says so, and the next run is complete."""
    before, begun = len(history(host, "patch")), len(log(host))
    host.run("systemd-run", "--unit=ragdock-test-patch", "ragdock-job", "patch")
    host.wait("the patch is half way", lambda: "Snapshot the volumes" in log(host)[begun:], 300)
    host.run("systemctl", "reboot", "--force", check=False)
    time.sleep(10)
    host.wait("both runs are on record", lambda: len(history(host, "patch")) >= before + 2, 900)
    ended(host)
    cut, again = history(host, "patch")[before : before + 2]
    assert cut["reason"].startswith("The host went down")
    assert again["ok"], again["reason"]


def log(host: Host) -> str:
    """Return what the host's own patch runs have printed so far."""
    return host.run("cat", "/var/log/ragdock/patch.log", check=False)
