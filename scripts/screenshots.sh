#!/usr/bin/env bash
# Makes the pictures of docs/images again, from the real window, engine and built-in model. Needs no display;
# with pngquant installed the pictures come out small enough to commit (under 150 kB each).
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

cargo test --release --test suite pictures_for_the_documents -- --ignored
mkdir -p docs/images
for picture in target/tmp/pictures/window-*.png; do
  name=docs/images/$(basename "$picture")
  if command -v pngquant >/dev/null; then
    pngquant --force --skip-if-larger --speed 1 --output "$name" 160 -- "$picture" || cp "$picture" "$name"
  else
    cp "$picture" "$name"
  fi
done
ls -l docs/images
