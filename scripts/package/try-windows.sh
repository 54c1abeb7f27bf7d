#!/usr/bin/env bash
# Tries the package for Windows under Wine, on the Vulkan driver of this machine: the commands, paths that are not plain,
# and the window.
#   scripts/package/try-windows.sh PACKAGE.zip FOLDER
# FOLDER gets the transcript and a picture of the window. Needs wine64, and for the picture Xvfb and ImageMagick's import;
# Wine before version 9 also mingw-w64. What Wine cannot show: DirectX 12, and Windows' own dialogs.
set -euo pipefail
package=$(realpath "$1") folder=$2
mkdir -p "$folder"
folder=$(realpath "$folder")
export WINEPREFIX=$folder/prefix WINEDEBUG=-all
wine=$(command -v wine64 || command -v /usr/lib/wine/wine64 || command -v wine)
say() { printf 'try: %s\n' "$*" >&2; }

place="$folder/a path with spaces, ä and 水"
mkdir -p "$place"
(cd "$place" && python3 -m zipfile -e "$package" .)
cd "$place/logitscope"
# Wine 8 lacks one library that Rust programs take their random numbers from.
if ! ls "$(dirname "$(realpath "$wine")")"/{../,}*/wine/x86_64-windows/bcryptprimitives.dll >/dev/null 2>&1; then
    printf '%s\n' '#include <windows.h>' '#include <ntsecapi.h>' \
        '__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return RtlGenRandom(data, (ULONG)size); }' \
        >prng.c
    x86_64-w64-mingw32-gcc -shared -o bcryptprimitives.dll prng.c -ladvapi32
fi
transcript=$folder/transcript.txt errors=$folder/errors.txt
: >"$transcript"
: >"$errors"
logitscope() {
    printf '\n> logitscope %s\n' "$*" >>"$transcript"
    timeout 900 "$wine" logitscope.exe "$@" >>"$transcript" 2>>"$errors" && return
    cat "$errors" >&2
    exit 1
}

# Wine's Vulkan needs a display, for commands too.
Xvfb :98 -screen 0 1400x900x24 >/dev/null 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; wineserver -k 2>/dev/null || true' EXIT
sleep 2
export DISPLAY=:98

say "commands"
logitscope --version
logitscope adapters -v
logitscope check
logitscope generate -p "Once upon a time" -n 40
printf 'Once upon a time\r\nthere was a king\r\n' >"../prompt ö.txt"
logitscope generate --prompt-file "../prompt ö.txt" -n 8 --trace "../run é.json"
logitscope page "../run é.json" --out "../run é.html"
ls .. >>"$transcript"

say "window"
"$wine" logitscope.exe "../run é.json" >"$folder/window.txt" 2>&1 &
window=$!
sleep "${SECONDS_TO_WAIT:-60}"
import -window root "$folder/window.png"
kill -0 $window || { say "the window is gone"; cat "$folder/window.txt" >&2; exit 1; }
say "done: $transcript, $folder/window.png"
