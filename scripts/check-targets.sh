#!/usr/bin/env bash
# Type-checks the program for Windows and macOS from any machine. Not part of CI: it compiles every
# dependency twice more.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

targets=(x86_64-pc-windows-gnu aarch64-apple-darwin)
rustup target add "${targets[@]}"
for target in "${targets[@]}"; do
    cargo check --target "$target"
done
