#!/usr/bin/env bash
# Makes what people install, from a clean checkout, into target/package:
#   scripts/package.sh tar          Linux: a folder in a .tar.gz
#   scripts/package.sh deb          Debian, Ubuntu
#   scripts/package.sh rpm          Fedora, openSUSE
#   scripts/package.sh windows      Windows: a .zip and, where makensis is there, an installer; on Linux by mingw-w64
#   scripts/package.sh macos        macOS: Logitscope.app in a .zip and a .dmg; on a Mac
# The version is Cargo.toml's, the date the last commit's. Set LOGITSCOPE_BINARY to pack a program that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'package: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || fail "$1 is missing: install $2"
}

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
summary=$(sed -n 's/^description = "\(.*\)"/\1/p' Cargo.toml | head -1)
maintainer=${LOGITSCOPE_MAINTAINER:-The Logitscope developers <logitscope@users.noreply.github.com>}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
out=target/package
work=$out/work
rm -rf "$work"
mkdir -p "$work"
touch "$work/begun"
trap 'rm -rf "$work"' EXIT

on_date() { # FORMAT: the date of the last commit, in English
    if date -u -d @0 >/dev/null 2>&1; then LC_ALL=C date -u -d "@$SOURCE_DATE_EPOCH" "$1"
    else LC_ALL=C date -u -r "$SOURCE_DATE_EPOCH" "$1"; fi
}

# Builds for a target and sets `binary`.
build() { # TARGET_TRIPLE ENDING
    if [ -n "${LOGITSCOPE_BINARY:-}" ]; then
        binary=$LOGITSCOPE_BINARY
        return
    fi
    need cargo "a Rust toolchain from https://rustup.rs"
    cargo build --locked --profile dist --target "$1"
    binary=target/$1/dist/logitscope$2
}

# What every package has besides the program: its licences and those of all that it contains.
papers() { # FOLDER TARGET_TRIPLE
    need python3 python3
    mkdir -p "$1"
    cp LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md "$1"
    python3 scripts/package/licences.py "$2" >"$1/LICENCES-OF-CRATES.txt"
}

source scripts/package/linux.sh
source scripts/package/windows.sh
source scripts/package/macos.sh

case "${1:-}" in
    tar | deb | rpm | windows | macos) "package_$1" ;;
    *) sed -n '2,9p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 2 ;;
esac
find "$out" -maxdepth 1 -type f -newer "$work/begun" | sort | while read -r file; do
    say "$file ($(wc -c <"$file" | tr -d ' ') bytes)"
done
