#!/usr/bin/env bash
# Checks and measures the GPU of this machine in under seven minutes, without network: report.json, report.txt and
# report.log in the current folder, or in $OUT. Other arguments go to `logitscope report` (--quick, --adapter …).
#
#     scripts/gpu-report.sh                 with what is built here (what is not built is left out, and said)
#     scripts/gpu-report.sh --pack DIR      builds all that it needs into DIR, for a bare machine: there, DIR/run.sh
#
# docs/gpu-report.md tells how to read it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")

say() { printf 'gpu-report: %s\n' "$*" >&2; }

# ---- Packing

# The newest program of this name among what Cargo built for tests and benches.
built() { # NAME
    cargo build --release --message-format=json "${@:2}" 2>/dev/null |
        sed -n "s/.*\"name\":\"$1\".*\"executable\":\"\([^\"]*\)\".*/\1/p" | tail -n 1
}

pack() { # DIR
    source "$here/setup.sh"
    say() { printf 'gpu-report: %s\n' "$*" >&2; }
    local folder library
    mkdir -p "$1"
    folder=$(cd "$1" && pwd)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$root"
    mkdir -p "$work/bin" "$work/lib" "$work/scripts" "$work/tests"
    say "building the program, the test suite and the benches"
    cargo build --release --quiet
    cp target/release/logitscope "$work/bin/"
    cp "$(built suite --test suite)" "$work/bin/suite"
    cp "$(built kernels --bench kernels)" "$work/bin/kernels"
    cp "$(built compiled --bench compiled)" "$work/bin/compiled"
    cp "$(built submission --bench submission)" "$work/bin/submission"
    strip "$work"/bin/*
    cp scripts/gpu-report.sh scripts/gpu_report_torch.py "$work/scripts/"
    cp -r tests/fixtures "$work/tests/"
    # The scripts that made the fixtures are not needed to run on them.
    find "$work/tests" -name '*.py' -delete
    # What a machine with a driver and no desktop may lack: the loader, and what drivers open beside themselves.
    for library in libvulkan.so.1 libGLdispatch.so.0 libEGL.so.1 libGLX.so.0 libX11.so.6 libXext.so.6 libxcb.so.1 \
        libXau.so.6 libXdmcp.so.6 libbsd.so.0 libmd.so.0; do
        library=$(ldconfig -p | sed -n "s/.*=> \(\/.*\/$library\)\$/\1/p" | sed -n 1p)
        [ -z "$library" ] || cp -L "$library" "$work/lib/"
    done
    say "packing"
    # The program and its tests have much in common: a dictionary that reaches over both halves the whole.
    tar -C "$work" -cf - bin lib scripts tests | xz -9 >"$folder/files.tar.xz"
    cat >"$folder/run.sh" <<'RUN'
#!/bin/sh
# Unpacks beside the temporary files, checks and measures the GPU, and leaves report.json, report.txt and report.log
# in $OUT or the current folder. Arguments go to `logitscope report`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
if command -v xz >/dev/null; then
    xz -dc "$here/files.tar.xz" | tar -C "$work" -xf -
else
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$here/files.tar.xz" "$work"
fi
bash "$work/scripts/gpu-report.sh" "$@"
RUN
    chmod +x "$folder/run.sh"
    say "$(du -ck "$folder/files.tar.xz" "$folder/run.sh" | tail -n 1 | cut -f1) KiB in $folder: carry it over and start run.sh there"
}

# ---- The Vulkan driver, on a machine that keeps it where no loader looks

# Makes a folder with those of our libraries that this machine lacks, and lets programs find them.
lend_libraries() {
    local library lent
    [ -d "$root/lib" ] || return 0
    lent=$(mktemp -d)
    for library in "$root"/lib/*; do
        ldconfig -p 2>/dev/null | grep -q "${library##*/} " || cp "$library" "$lent/"
    done
    export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$lent"
}

# Whether there is an adapter that is no software driver.
has_gpu() {
    "$program" adapters 2>/dev/null | grep -Eq ', (discrete|integrated|virtual) GPU,|, other,'
}

# Where servers, containers and some systems keep descriptions of drivers.
described_drivers() {
    compgen -G '/usr/local/nvidia/share/vulkan/icd.d/*.json' || true
    compgen -G '/usr/share/vulkan/icd.d/*.json' || true
    compgen -G '/etc/vulkan/icd.d/*.json' || true
    compgen -G '/usr/local/share/vulkan/icd.d/*.json' || true
    compgen -G '/run/opengl-driver/share/vulkan/icd.d/*.json' || true
    compgen -G '/usr/lib/*/GL/vulkan/icd.d/*.json' || true
}

# NVIDIA's driver is a Vulkan driver under either name; the second one needs no X libraries.
undescribed_drivers() {
    local name folder
    for name in libGLX_nvidia.so.0 libEGL_nvidia.so.0; do
        for folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/lib64 /usr/lib/x86_64-linux-gnu \
            /usr/lib/aarch64-linux-gnu /run/opengl-driver/lib /usr/lib/wsl/lib; do
            [ ! -e "$folder/$name" ] || echo "$folder/$name"
        done
    done
}

use_driver() { # FILE
    export VK_DRIVER_FILES="$1" VK_ICD_FILENAMES="$1" # the second for loaders before 1.3.207
}

find_driver() {
    local file library
    [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] || return 0
    [ "$(uname -s)" = Linux ] || return 0
    ! has_gpu || return 0
    for file in $(described_drivers); do
        use_driver "$file"
        if has_gpu; then say "the driver is described in $file" && return 0; fi
    done
    for library in $(undescribed_drivers); do
        file=$(mktemp --suffix .json)
        printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.3.0"}}\n' \
            "$library" >"$file"
        use_driver "$file"
        if has_gpu; then say "the driver is $library" && return 0; fi
    done
    unset VK_DRIVER_FILES VK_ICD_FILENAMES
}

# ---- Running

find_program() {
    local candidate
    for candidate in "$root/bin/logitscope" "$root/target/release/logitscope" "$here/logitscope" \
        "$(command -v logitscope || true)"; do
        [ -x "$candidate" ] && echo "$candidate" && return 0
    done
    say "the program is not here: build it with 'cargo build --release', or unpack a package of it"
    exit 1
}

# The newest file of these, and nothing where there is none.
newest() { # FILE...
    local file newest=''
    for file in "$@"; do
        if [ -x "$file" ] && [ -f "$file" ] && { [ -z "$newest" ] || [ "$file" -nt "$newest" ]; }; then
            newest=$file
        fi
    done
    printf '%s' "$newest"
}

if [ "${1:-}" = --pack ]; then
    [ "$#" = 2 ] || { say "usage: gpu-report.sh --pack DIR" && exit 2; }
    pack "$2"
    exit
fi

program=$(find_program)
lend_libraries
find_driver
arguments=(--out "${OUT:-.}")
add() { [ -z "$2" ] || arguments+=("$1" "$2"); }
deps=$root/target/release/deps
add --suite "$(newest "$root/bin/suite" "$deps"/suite-????????????????)"
add --kernels "$(newest "$root/bin/kernels" "$deps"/kernels-????????????????)"
add --compiled "$(newest "$root/bin/compiled" "$deps"/compiled-????????????????)"
add --submission "$(newest "$root/bin/submission" "$deps"/submission-????????????????)"
[ ! -d "$root/tests/fixtures" ] || add --checkpoints "$root/tests/fixtures"
# PyTorch beside it, where it sees a CUDA device.
for python in "${PYTHON:-}" python3 python; do
    if [ -n "$python" ] && "$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
        add --pytorch "$here/gpu_report_torch.py"
        add --python "$python"
        break
    fi
done
exec "$program" report "${arguments[@]}" "$@"
