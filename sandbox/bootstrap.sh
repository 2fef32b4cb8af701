#!/usr/bin/env bash
# Installs what this checkout needs and this machine lacks, and prints nothing when that is
# nothing: Docker Engine (running), buildx, mmdebstrap, and the Python tools in .venv.
#   sandbox/bootstrap.sh [--tests]     --tests: Chromium, its certutil and Tesseract too, for the tests
# For Debian 12 and 13 and Ubuntu; safe to run again at any time.
set -euo pipefail

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=$checkout/.sandbox
venv=$checkout/.venv
plugins=/usr/local/lib/docker/cli-plugins
tests=false

fail() { # <what failed> <why it matters> <what to do>
  printf 'error: %s\n  %s\n  %s\n' "$1" "$2" "$3" >&2
  exit 1
}

case "${1:-}" in
  '') ;;
  --tests) tests=true ;;
  *) fail "Unknown option: $1." "Only --tests is known." "Run: sandbox/bootstrap.sh [--tests]" ;;
esac

mkdir -p "$state/logs"
log=$state/logs/bootstrap.log
# Seconds that a stage may print nothing.
silence=${RAGDOCK_SILENCE:-400}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo --preserve-env=DEBIAN_FRONTEND "$@"
  else
    fail "Root is needed to run: $*." "This user is not root and sudo is not here." \
      "Run the same command as root."
  fi
}

descendants() { # <process>
  local child children
  echo "$1"
  mapfile -t -d ' ' children <"/proc/$1/task/$1/children"
  for child in "${children[@]}"; do descendants "$child"; done
}

# Waits for a stage, with a sign of life every ten seconds. One whose output does not grow waits for a connection
# that gives nothing: it is ended, and the answer is 124.
watch_stage() { # <title> <process>
  local started=$SECONDS grew=$SECONDS next=10 size=0 now
  while kill -0 "$2" 2>/dev/null; do
    sleep 0.2
    now=$(stat -c %s "$log")
    if [ "$now" -ne "$size" ]; then
      size=$now grew=$SECONDS
    elif [ $((SECONDS - grew)) -ge "$silence" ]; then
      # shellcheck disable=SC2046 # one word for each process
      as_root kill -TERM $(descendants "$2") || echo "  some had ended already"
      wait "$2" || return 124
    fi
    if [ $((SECONDS - started)) -ge "$next" ]; then
      printf '  %s: %d s\n' "$1" $((SECONDS - started))
      next=$((next + 10))
    fi
  done
  wait "$2"
}

# Runs one stage, its output in the log; one that makes no progress is run again, three times in all.
stage() { # <title> <command>...
  local title=$1 started=$SECONDS status=0 attempt
  shift
  printf '%s ...\n' "$title"
  for attempt in 1 2 3; do
    "$@" >"$log" 2>&1 &
    status=0
    watch_stage "$title" $! || status=$?
    [ "$status" -eq 124 ] || break
    printf '  %s: no output for %d s: ended, attempt %d of 3\n' "$title" "$silence" "$attempt"
  done
  if [ "$status" -ne 0 ]; then
    tail -n 15 "$log" >&2
    fail "$title: failed (its last lines are above, all of them in $log)." \
      "Without it the sandbox and the playbooks cannot run." \
      "Correct what the lines name, then run the same command again."
  fi
  printf '%s: %d s\n' "$title" $((SECONDS - started))
}

# A new machine may be at work on its own updates: their locks are waited for, five minutes each.
apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  local errors=$state/logs/apt-update until=$((SECONDS + 300))
  until as_root apt-get update 2>"$errors"; do
    cat "$errors"
    # DPkg::Lock::Timeout does not cover the lists, which are locked here.
    grep -q 'Could not get lock' "$errors" && [ "$SECONDS" -lt "$until" ] || return 1
    sleep 5
  done
  as_root apt-get install -o DPkg::Lock::Timeout=300 --yes --no-install-recommends "$@"
}

need_apt() {
  command -v apt-get >/dev/null || fail "apt-get is not here." \
    "Missing from this machine: $*; this script installs on Debian and Ubuntu only." \
    "Install them your system's way, then run the same command again."
}

# --- Python: the interpreter, before anything is installed for it ---------------------------
find_python() {
  local name found=''
  for name in python3 python3.14 python3.13 python3.12 python3.11; do
    command -v "$name" >/dev/null || continue
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      command -v "$name"
      return
    fi
    found="$found $("$name" --version 2>&1)"
  done
  fail "Python 3.11 or newer is needed; found:${found:- none}." "Ansible and the sandbox run on it." \
    "Install python3.11 or newer (Debian 12, Ubuntu 24.04 and later have it), then run again."
}

# Its package chromium-browser only installs a snap through snapd, which a machine without systemd has not.
on_ubuntu() { grep -qs '^ID=ubuntu' /etc/os-release; }

# --- Packages of the distribution ------------------------------------------------------------
missing_packages() {
  local wanted=(dockerd:docker.io iptables:iptables ip:iproute2 mmdebstrap:mmdebstrap ssh:openssh-client gpg:gpg
    gpg-agent:gpg-agent) pair
  for pair in "${wanted[@]}"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
  done
  # From release 13 on Debian has the client in a separate package; elsewhere it is included.
  if ! command -v docker >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then echo docker-cli; fi
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
  [ -s /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
  [ -x "$venv/bootstrap/bin/uv" ] || "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  if $tests && ! command -v tesseract >/dev/null; then echo tesseract-ocr; fi
  if $tests && ! command -v certutil >/dev/null; then echo libnss3-tools; fi
  if $tests && ! on_ubuntu && ! command -v chromium >/dev/null; then printf '%s\n' chromium chromium-driver; fi
}

# --- Docker ----------------------------------------------------------------------------------
install_buildx() {
  local candidate scratch
  candidate=$(apt-cache policy docker-buildx 2>/dev/null | sed -n 's/^ *Candidate: //p')
  if [ -n "$candidate" ] && [ "$candidate" != '(none)' ]; then
    apt_install docker-buildx
    return
  fi
  # Debian 12 has no such package: the next release's is fetched into a separate apt root,
  # so this machine's sources stay as they are, and checked with the archive's keyring.
  scratch=$(mktemp -d)
  as_root mmdebstrap --variant=extract --include=docker-buildx --format=tar trixie "$scratch/root.tar"
  tar -x -C "$scratch" -f "$scratch/root.tar" ./usr/libexec/docker/cli-plugins/docker-buildx
  as_root install -D -m 0755 "$scratch/usr/libexec/docker/cli-plugins/docker-buildx" "$plugins/docker-buildx"
  as_root rm -rf "$scratch"
}

docker_answers() { docker info >/dev/null 2>&1 || as_root docker info >/dev/null 2>&1; }

start_docker() {
  local waited=0 before
  # One that was killed leaves its number behind, and another process may have it by now.
  before=$(cat /var/run/docker.pid 2>/dev/null) || before=''
  if [ -n "$before" ] && ! grep -qsx dockerd "/proc/$before/comm"; then
    as_root rm -f /var/run/docker.pid
  fi
  if [ -d /run/systemd/system ]; then
    as_root systemctl enable --now docker
  else
    # No init system: this script starts it, and the file records that `make wipe` stops it.
    # shellcheck disable=SC2016 # the variables are the started shell's
    as_root setsid --fork sh -c 'echo $$ >"$1" && exec dockerd >>"$2" 2>&1 </dev/null' \
      dockerd "$state/dockerd.pid" "$state/logs/dockerd.log"
  fi
  until docker_answers; do
    sleep 0.5
    waited=$((waited + 1))
    if [ "$waited" -ge 120 ]; then
      [ -e "$state/logs/dockerd.log" ] && tail -n 10 "$state/logs/dockerd.log"
      echo "dockerd does not answer after 60 s"
      return 1
    fi
  done
}

# --- The Python tools --------------------------------------------------------------------------
install_uv() {
  mkdir -p "$venv"
  "$python" -m venv "$venv/bootstrap"
  "$venv/bootstrap/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --require-hashes --requirement "$checkout/sandbox/uv-requirements.txt"
}

install_tools() {
  local uv=$venv/bootstrap/bin/uv
  [ -x "$venv/bin/python" ] || "$uv" venv --allow-existing --python "$python" "$venv"
  "$uv" pip sync --python "$venv/bin/python" --require-hashes "$checkout/requirements.txt"
  ln -sf ../bootstrap/bin/uv "$venv/bin/uv"
  sha256sum <"$checkout/requirements.txt" >"$venv/requirements.sha256"
}

tools_are_current() {
  [ -x "$venv/bin/ansible-playbook" ] && [ -x "$venv/bin/uv" ] && [ -e "$venv/requirements.sha256" ] &&
    [ "$(sha256sum <"$checkout/requirements.txt")" = "$(cat "$venv/requirements.sha256")" ]
}

uv_is_current() {
  local wanted
  wanted=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' "$checkout/sandbox/uv-requirements.txt")
  [ -x "$venv/bootstrap/bin/uv" ] && [[ "$("$venv/bootstrap/bin/uv" --version)" == "uv $wanted"* ]]
}

python=$(find_python)
# Twice: a new machine's lists of packages are empty, so that only the first round shows what there is.
for _ in first second; do
  mapfile -t packages < <(missing_packages)
  [ "${#packages[@]}" -gt 0 ] || break
  need_apt "${packages[*]}"
  stage "Packages: ${packages[*]}" apt_install "${packages[@]}"
done

# A network with its own certificate authority: pip and uv are to trust what this machine trusts.
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
  export SSL_CERT_FILE=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
  export PIP_CERT=${PIP_CERT:-$SSL_CERT_FILE}
fi

docker_answers || stage "Docker Engine started" start_docker
docker buildx version >/dev/null 2>&1 || stage "Docker buildx" install_buildx
uv_is_current || stage "uv" install_uv
tools_are_current || stage "Python tools in .venv" install_tools
if $tests && on_ubuntu && [ -z "${RAGDOCK_CHROMIUM:-}" ]; then
  stage "Chromium of Playwright" as_root "$venv/bin/playwright" install --with-deps chromium
fi
