#!/bin/sh
# Installs the Session Manager agent, if its package carries a signature of the key that it is given.
#   install-agent.sh KEYRING URL [SECONDS]       URL: the folder that holds the package and its signature
# A new host has no way out until its address is associated, about a minute after its start, and Debian's image has
# neither package lists nor gpgv: what needs the network is tried again for SECONDS, a quarter of an hour.
set -u
keyring=$1
url=$2
seconds=${3:-900}
export DEBIAN_FRONTEND=noninteractive

# The clock may be set while this runs; the time since the start of the system is not.
now() { cut -d. -f1 /proc/uptime; }
end=$(($(now) + seconds))

fail() {
  echo "Ragdock: $* The agent is not installed; nobody reaches this host." >&2
  exit 1
}

again() { # <what it means that it never worked> <command>...
  meaning=$1
  shift
  until "$@"; do
    [ "$(now)" -lt "$end" ] || fail "$meaning, for $seconds s."
    sleep 5
  done
}

apt() { apt-get --quiet=2 -o Acquire::Retries=0 -o Acquire::http::Timeout=10 -o DPkg::Lock::Timeout=60 "$@"; }
have() { command -v curl >/dev/null && command -v gpgv >/dev/null; }
# Without --error-on=any an update that fetched nothing counts as done.
tools() { have || { apt update --error-on=any && apt install --yes --no-install-recommends curl gpgv && have; }; }
fetch() {
  for file in amazon-ssm-agent.deb amazon-ssm-agent.deb.sig; do
    curl --fail --silent --show-error --location --connect-timeout 10 --max-time 120 --output "$file" "$url/$file" || return
  done
}

cd "$(mktemp -d)" || exit
again "curl or gpgv, which checks the agent's signature, is missing, and Debian's mirrors did not provide it" tools
again "$url did not provide the agent" fetch
# Also good when the key has ended since it signed: the version is a fixed one.
if ! said=$(gpgv --status-fd 1 --keyring "$keyring" amazon-ssm-agent.deb.sig amazon-ssm-agent.deb); then
  case $said in
    *BADSIG* | *NO_PUBKEY*) fail "$url holds a package that Amazon's key did not sign." ;;
    *) fail "gpgv could not check the signature of the package in $url (its reason is above)." ;;
  esac
fi
again "dpkg did not install the agent" apt install --yes ./amazon-ssm-agent.deb
systemctl enable --now amazon-ssm-agent
