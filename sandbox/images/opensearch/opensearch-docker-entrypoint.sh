#!/bin/bash
# Starts OpenSearch as upstream's image does. Variables whose names are settings (`discovery.type`,
# `node.name`, …) and `processors` become options; an option in the first place belongs to opensearch; anything
# else is run as it is, found by PATH.
# Upstream also installs demo certificates and a performance analyser unless disabled;
# there are none here, so the variables that forbid them have nothing to do.
set -eu
export OPENSEARCH_HOME=/usr/share/opensearch
export OPENSEARCH_PATH_CONF=$OPENSEARCH_HOME/config
export OPENSEARCH_JAVA_OPTS="-Dopensearch.cgroups.hierarchy.override=/ ${OPENSEARCH_JAVA_OPTS:-}"

if [ "$#" -eq 0 ] || [ "${1:0:1}" = - ]; then
  set -- opensearch "$@"
fi
if [ "$1" != opensearch ]; then
  exec "$@"
fi
if [ "$(id -u)" -eq 0 ]; then
  echo "OpenSearch cannot run as root. Please start your container as another user."
  exit 1
fi

options=()
while IFS='=' read -r -d '' name value; do
  if [[ -n $value && ($name =~ ^[a-z0-9_]+\.[a-z0-9_]+ || $name == processors) ]]; then
    options+=("-E$name=$value")
  fi
done < <(env --null)

if [ "${DISABLE_SECURITY_PLUGIN:-false}" = true ]; then
  options+=("-Eplugins.security.disabled=true")
fi

umask 0002
exec "$@" "${options[@]}"
