#!/bin/sh
# Debian packages for the browser and SLURM tests. Installs only what is missing, only as root, and never fails:
# a test that lacks its package is skipped and says so.
set -u
missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v sbatch >/dev/null 2>&1 && [ -x /usr/sbin/slurmctld ] || missing="$missing slurm-wlm"
[ -x /usr/sbin/munged ] || missing="$missing munge"
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
    echo "not installed, their tests will be skipped:$missing (as root on Debian: apt-get install$missing)"
    exit 0
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
(apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing) >/dev/null 2>&1 \
    || echo "apt-get could not install$missing; their tests will be skipped"
exit 0
