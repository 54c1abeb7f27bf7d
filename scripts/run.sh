#!/usr/bin/env bash
# Builds the program and opens its window; arguments are passed on (a model's folder or file, say).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/scripts/setup.sh"

# Built in its own directory, run in the caller's: arguments may be relative paths.
(cd "$root" && cargo build --release)
program=$root/target/release/logitscope

# macOS always has a display, and sets neither variable.
if [ "$#" -eq 0 ] && [ "$(uname -s)" != Darwin ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    echo "run: no display here (neither DISPLAY nor WAYLAND_DISPLAY is set), so the built-in model" \
        "tells a tale in the terminal instead of the window" >&2
    # Plain greedy decoding of so small a model soon repeats itself; the penalty keeps the tale going.
    exec "$program" generate -p "Once upon a time" --repetition-penalty 1.2
fi
exec "$program" "$@"
