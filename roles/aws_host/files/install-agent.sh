#!/bin/sh
# Installs the Session Manager agent, if its package carries a signature of the key that it is given.
#   install-agent.sh KEYRING URL       URL: the folder that holds the package and its signature
set -eu
keyring=$1
url=$2
cd "$(mktemp -d)"
for file in amazon-ssm-agent.deb amazon-ssm-agent.deb.sig; do
  curl --fail --silent --show-error --retry 8 --retry-connrefused --location --output "$file" "$url/$file"
done
# Also good when the key has ended since it signed: the version is a fixed one.
if ! gpgv --keyring "$keyring" amazon-ssm-agent.deb.sig amazon-ssm-agent.deb; then
  echo "Ragdock: $url holds a package that Amazon's key did not sign. It is not installed; nobody reaches this host." >&2
  exit 1
fi
dpkg --install amazon-ssm-agent.deb
systemctl enable --now amazon-ssm-agent
