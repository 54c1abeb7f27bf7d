#!/usr/bin/env bash
# Makes the pictures of docs/images again, from the real window, engine and built-in model. Needs no display;
# with pngquant installed the pictures come out small enough to commit (under 150 kB each).
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

cargo test --release --test suite pictures_for_the_documents -- --ignored
# With the chat model of real-model.sh, where that was fetched.
chat_model=${XDG_CACHE_HOME:-$HOME/.cache}/logitscope/real-model/SmolLM2-135M-Instruct.Q4_1.gguf
if [ -f "$chat_model" ]; then
  LOGITSCOPE_CHAT_MODEL=$chat_model cargo test --release --test suite pictures_of_a_conversation -- --ignored
else
  echo "screenshots: without $chat_model (scripts/real-model.sh fetches it) the conversation's pictures stay" >&2
fi
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
