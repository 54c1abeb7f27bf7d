#!/usr/bin/env bash
# Installs what the program needs and this machine lacks: a C linker, the Vulkan loader, a Vulkan
# driver, the libraries that the window opens at run time. Where nothing is missing it says nothing,
# takes a moment and needs no network. run.sh and test.sh source it, so that they find cargo too.
# With LOGITSCOPE_WITH_BROWSER set, as on the machines that test every change, also a browser without a
# window, which the tests of exported pages drive; they then fail rather than skip without one. With
# LOGITSCOPE_WITH_COMPILERS likewise Mesa's driver for AMD, whose compiler a test asks without any GPU.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

# ---- Is there a Vulkan driver for a GPU of this machine?
# A driver's description alone is no sign: one package brings those of every vendor.
has_driver_file() { # NAME PATTERN
    compgen -G "/usr/share/vulkan/icd.d/$1" >/dev/null || compgen -G "/etc/vulkan/icd.d/$1" >/dev/null
}
has_gpu_driver() {
    # The user has chosen a driver already.
    [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && return 0
    [ -e /dev/nvidia0 ] && has_driver_file 'nvidia*' && return 0
    local node vendor
    for node in /dev/dri/renderD*; do
        [ -e "$node" ] || continue
        vendor=$(cat "/sys/class/drm/${node##*/}/device/vendor" 2>/dev/null || true)
        case "$vendor" in
            0x10de) { has_driver_file 'nvidia*' || has_driver_file 'nouveau*'; } && return 0 ;;
            0x1002) { has_driver_file 'radeon*' || has_driver_file 'amd*'; } && return 0 ;;
            0x8086) has_driver_file 'intel*' && return 0 ;;
            # Arm and other SoCs: no PCI vendor; any hardware driver will be theirs.
            '') { has_driver_file 'freedreno*' || has_driver_file 'panfrost*' || has_driver_file 'asahi*' ||
                has_driver_file 'broadcom*' || has_driver_file 'powervr*'; } && return 0 ;;
        esac
    done
    return 1
}

# ---- Debian and Ubuntu

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
apt_get() {
    # A new machine may still be busy with its own first updates: wait for the lock.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >&2
}
installed() { # PACKAGE
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}
recent_mesa() { # VERSION
    # The software driver of Mesa 22.3 and 24.0 stops every loop after 65,535 iterations: wrong results, no error.
    dpkg --compare-versions "${1:-0}" ge 25
}

has_browser() {
    local name
    for name in chromium-headless-shell chrome-headless-shell chromium chromium-browser google-chrome \
        google-chrome-stable microsoft-edge; do
        command -v "$name" >/dev/null && return 0
    done
    return 1
}

setup_debian() {
    local package missing=() driver='' browser=''
    for package in libvulkan1 libegl1 libx11-6 libx11-xcb1 libxcursor1 libxi6 libxrandr2 libxkbcommon0 \
        libxkbcommon-x11-0 libwayland-client0 libdbus-1-3; do
        installed "$package" || missing+=("$package")
    done
    command -v cc >/dev/null || missing+=(gcc libc6-dev)
    [ -z "${LOGITSCOPE_WITH_BROWSER:-}" ] || has_browser || browser=chromium-headless-shell
    if ! has_gpu_driver && ! recent_mesa "$(dpkg-query -W -f='${Version}' mesa-vulkan-drivers 2>/dev/null)"; then
        driver=mesa-vulkan-drivers
    fi
    if [ -n "${LOGITSCOPE_WITH_COMPILERS:-}" ] && ! has_driver_file 'radeon_icd*'; then
        driver=mesa-vulkan-drivers
    fi
    [ "${#missing[@]}" -gt 0 ] || [ -n "$driver$browser" ] || return 0

    say "installing" "${missing[@]}" ${driver:+"$driver"} ${browser:+"$browser"}
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        # Not all of it is needed by everyone (a linker to build, X11 or Wayland for the window),
        # so go on: what is really needed and missing is named when it is.
        say "neither root nor sudo here: please have these packages installed"
        return 0
    fi
    apt_get update
    [ "${#missing[@]}" -eq 0 ] || apt_get install -y --no-install-recommends "${missing[@]}"
    [ -z "$driver" ] || install_software_driver
    if [ -n "$browser" ] && ! apt_get install -y --no-install-recommends "$browser"; then
        say "no browser to drive exported pages with: put chromium or google-chrome into PATH by hand"
        exit 1
    fi
}

install_software_driver() {
    local candidate codename suite=()
    candidate=$(apt-cache policy mesa-vulkan-drivers | sed -n 's/^ *Candidate: //p')
    if ! recent_mesa "${candidate/(none)/}"; then
        codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
        add_backports "$codename"
        suite=(-t "$codename-backports")
    fi
    apt_get install -y --no-install-recommends "${suite[@]}" mesa-vulkan-drivers
    if ! recent_mesa "$(dpkg-query -W -f='${Version}' mesa-vulkan-drivers)"; then
        say "Mesa here is older than 25, and its software driver computes wrong results: install a newer one"
        exit 1
    fi
}

# Adds the release's backports suite, from the place that the release itself comes from. Packages in
# backports are installed only when asked for, so nothing else changes its version.
add_backports() { # CODENAME
    local list=/etc/apt/sources.list.d/logitscope-backports.list uri
    # shellcheck disable=SC2016 # apt fills these in, not the shell
    if apt-get indextargets --format '$(RELEASE) $(CODENAME)' | grep -w -- "$1-backports" >/dev/null; then
        return 0
    fi
    # Freshly updated lists give each source its code name, however its line spells it ("stable", say).
    # shellcheck disable=SC2016
    uri=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        sed -n "s/^$1 main //p" | sed -n 1p)
    if [ -z "$uri" ]; then
        say "no package source of '$1' to take its backports suite from: install Mesa 25 or newer by hand"
        exit 1
    fi
    say "adding the backports suite of $1: its own Mesa is too old"
    echo "deb $uri $1-backports main" | as_root tee "$list" >/dev/null
    apt_get -o Dir::Etc::sourcelist="$list" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 update
}

# ---- Other systems

# Best effort: look for what matters, and name the packages.
advise() { # COMMAND...
    if ! ldconfig -p | grep -q 'libvulkan\.so\.1' || ! command -v cc >/dev/null ||
        { ! has_gpu_driver && ! has_driver_file 'lvp_icd*'; }; then
        say "something is missing here (the Vulkan loader, a Vulkan driver or a C linker); please run:"
        say "  sudo $*"
    fi
}

case "$(uname -s)" in
    Linux)
        if command -v apt-get >/dev/null; then
            setup_debian
        elif command -v dnf >/dev/null; then
            advise dnf install gcc vulkan-loader mesa-vulkan-drivers libglvnd-egl libX11-xcb libXcursor libXi \
                libXrandr libxkbcommon-x11 libwayland-client dbus-libs
        elif command -v pacman >/dev/null; then
            advise pacman -S --needed gcc vulkan-icd-loader vulkan-swrast libglvnd libx11 libxcursor libxi \
                libxrandr libxkbcommon-x11 wayland dbus
        else
            advise "(your package manager): gcc, the Vulkan loader, Mesa's Vulkan drivers, EGL, X11 and xkbcommon"
        fi
        ;;
esac

# ---- Rust: rustup puts it where a shell opened earlier does not look yet.
command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
if ! command -v cargo >/dev/null; then
    say "Rust is missing: install it with rustup (many systems have a package of that name; then run"
    say "'rustup default stable'), or as its own site describes, and start this again"
    exit 1
fi
