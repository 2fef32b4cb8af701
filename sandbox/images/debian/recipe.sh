#!/bin/sh
# Writes the file system of debian:trixie-slim's stand-in to standard output as a tar
# archive. mmdebstrap knows Debian's own mirrors and checks their signatures with the
# archive keyring, so nothing here names or trusts a server.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# The same packages give the same layer, so what is built on it stays in Docker's cache.
export SOURCE_DATE_EPOCH=1754006400

# The shell that mmdebstrap starts fills in $1, the new root, not this one.
# shellcheck disable=SC2016
exec mmdebstrap --quiet --variant=minbase --format=tar \
  --include=ca-certificates \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook="copy-in '$here/docker-clean' /etc/apt/apt.conf.d" \
  --customize-hook='rm -f "$1"/var/cache/apt/archives/*.deb "$1"/var/cache/apt/*.bin' \
  trixie -
