#!/usr/bin/env bash
# Run all of ansible-test's sanity tests on the collection ragdock.host, in separate environments
# below .sandbox/ansible-test. Only the first run needs the package registry.
set -euo pipefail

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export HOME=$checkout/.sandbox/ansible-test
export PATH=$checkout/.venv/bin:$PATH
# ansible-test would otherwise download this installer of pip for environments without pip.
cache=$HOME/.ansible/test/cache
mkdir -p "$cache"
cat >"$cache/get_pip_24_2.py" <<'PYTHON'
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
packages = [word for word in sys.argv[1:] if not word.startswith("--")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *packages]))
PYTHON
log=$HOME/sanity.log
version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
cd "$checkout/collections/ansible_collections/ragdock/host"
# ansible-test needs a working directory without symbolic links in its path.
cd "$(pwd -P)"
if ! ansible-test sanity --python "$version" --color no "$@" >"$log" 2>&1; then
  grep -E '^(ERROR|FATAL)|^>>> Standard|^\[WARNING' "$log" >&2 || tail -n 20 "$log" >&2
  exit 1
fi
