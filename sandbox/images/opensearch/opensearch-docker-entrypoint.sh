#!/bin/bash
# Starts OpenSearch as upstream's image does: variables whose names are settings
# (`discovery.type`, `node.name`, …) become options; anything but `opensearch` is run as it is.
# Upstream also installs demo certificates and a performance analyser unless disabled;
# there are none here, so the variables that forbid them have nothing to do.
set -eu

if [ "${1:-opensearch}" != opensearch ]; then
  exec "$@"
fi
[ "$#" -gt 0 ] && shift

options=()
while IFS='=' read -r -d '' name value; do
  if [[ $name =~ ^[a-z0-9_]+\.[a-z0-9_.]+$ ]]; then
    options+=("-E$name=$value")
  fi
done < <(env --null)

if [ "${DISABLE_SECURITY_PLUGIN:-false}" = true ]; then
  options+=("-Eplugins.security.disabled=true")
fi

umask 0002
exec /usr/share/opensearch/bin/opensearch "${options[@]}" "$@"
