#!/usr/bin/env bash
# Installs what this machine lacks to run tonne: Python packages into .venv and, on Debian and Ubuntu
# with root or sudo, PostgreSQL with TimescaleDB (unless TONNE_DATABASE_URL names a database).
#
#   bootstrap.sh           what the local stack needs
#   bootstrap.sh lint      only the Python packages (run, test and cluster also build the documentation)
#   bootstrap.sh test      also what the tests need: mosquitto, chromium, axe-core, Prometheus,
#                          Alertmanager and tahutils
#   bootstrap.sh packages  also what the Debian package is tried with: debootstrap
#   bootstrap.sh fuzz      the Python packages, and atheris
#   bootstrap.sh cluster   also what a cluster of machines needs: Patroni, etcd, nftables
#
# A second call finds everything there and does nothing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=messages.sh
source "$here/messages.sh"
# shellcheck source=python-packages.sh
source "$here/python-packages.sh"
# shellcheck source=system-packages.sh
source "$here/system-packages.sh"
# shellcheck source=browser-packages.sh
source "$here/browser-packages.sh"

purpose=${1:-run}
case "$purpose" in
  run | lint | fuzz | test | packages | cluster) ;;
  *) die "bootstrap.sh takes run, lint, fuzz, test, packages or cluster, not $purpose" ;;
esac
cd "$here/../.."

# first: it says whether that can be done here at all
[ "$purpose" != packages ] || install_package_test_programs
install_python_packages
if [ "$purpose" = fuzz ]; then
  install_apart tests/fuzz/requirements.lock .venv/atheris
  exit
fi
[ "$purpose" = lint ] || build_documentation
[ "$purpose" = lint ] || install_database
if [ "$purpose" = test ] || [ "$purpose" = packages ]; then
  install_test_programs
  install_browser_packages
  install_apart tests/tahu/requirements.lock .venv/tahu
fi
if [ "$purpose" = cluster ]; then
  install_cluster_programs
  install_apart deploy/cluster/requirements.lock .venv/patroni
fi
