#!/usr/bin/env bash
# Runs every test; arguments are passed on to `cargo test`. A machine without a GPU runs them on the
# software Vulkan driver that the set-up installs.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

# Release: the reference and the software GPU are many times slower unoptimised.
cargo test --release "$@"
