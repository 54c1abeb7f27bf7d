#!/usr/bin/env bash
# Installs a package in a fresh system below a folder, looks whether it starts, and removes it again:
#   scripts/package/try-linux.sh PACKAGE SUITE FOLDER
# PACKAGE is a .deb or an .rpm; SUITE is one of Debian's or Ubuntu's (bookworm, trixie, noble), made by debootstrap. An .rpm
# is tried on a Debian, too, by rpm itself. Needs root and the network; a FOLDER that is there already is taken as it is.
set -euo pipefail
package=$(realpath "$1") suite=$2 root=$3
say() { printf 'try: %s\n' "$*" >&2; }
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

system() { # makes the system, unless it is there
    local mirror=http://deb.debian.org/debian options=() script=
    if [ "$suite" = noble ] || [ "$suite" = jammy ]; then
        mirror=http://archive.ubuntu.com/ubuntu
        options=(--components=main,universe --no-check-gpg) script=/usr/share/debootstrap/scripts/gutsy
    fi
    [ -d "$root/usr" ] || debootstrap --variant=minbase "${options[@]}" "$suite" "$root" "$mirror" $script >/dev/null
    if [ -n "$script" ]; then
        echo "deb $mirror $suite-updates main universe" >"$root/etc/apt/sources.list.d/updates.list"
    fi
}

case "$package" in
    *.deb)
        system
        backports=
        install() {
            inside apt-get -qq update
            inside apt-get -qq install -y --no-install-recommends "/$(basename "$package")" xvfb xauth
            inside apt-get -qq install -y --no-install-recommends $backports mesa-vulkan-drivers
        }
        remove() { inside apt-get -qq purge -y logitscope; }
        # What Debian 12 has computes wrongly in software: its backports are right.
        if [ "$suite" = bookworm ]; then
            echo "deb http://deb.debian.org/debian bookworm-backports main" >"$root/etc/apt/sources.list.d/backports.list"
            backports='-t bookworm-backports'
        fi
        ;;
    *.rpm)
        # On a Debian: every library that the package asks for has to be one that is there, and its program has to run.
        system
        install() {
            inside apt-get -qq update
            inside apt-get -qq install -y --no-install-recommends rpm xvfb xauth mesa-vulkan-drivers libvulkan1 libegl1 libx11-6 \
                libx11-xcb1 libxcursor1 libxi6 libxrandr2 libxkbcommon0 libxkbcommon-x11-0 libwayland-client0 libdbus-1-3
            inside rpm -qpR "/$(basename "$package")" | sed -n 's/^\(lib[^(]*\)().*/\1/p' | sort -u | while read -r library; do
                inside ldconfig -p | grep "$library " >/dev/null || { say "$library is nowhere"; exit 1; }
            done
            inside rpm -i --nodeps "/$(basename "$package")"
        }
        remove() { inside rpm -e logitscope; }
        ;;
    *) say "neither .deb nor .rpm"; exit 2 ;;
esac
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp "$package" "$root/"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
mountpoint -q "$root/dev" || mount --rbind /dev "$root/dev"
trap 'umount -l "$root/dev" "$root/proc" 2>/dev/null || true' EXIT

say "installing"
install >/dev/null
say "$(inside logitscope --version)"
say "$(inside logitscope adapters | head -1)"
inside logitscope generate -p "Once upon a time" --max-tokens 20
say "the window, for ten seconds"
inside sh -c 'Xvfb :97 -screen 0 1400x900x24 >/dev/null 2>&1 & server=$!; sleep 2
    DISPLAY=:97 timeout 10 logitscope >/tmp/window.log 2>&1; code=$?
    kill $server; [ $code = 124 ] || { cat /tmp/window.log; exit 1; }'
say "removing"
remove >/dev/null
left=$(inside sh -c 'find / -xdev -iname "*logitscope*" ! -path "/root/*" ! -path "/proc/*" ! -path "/var/*"' | grep -v "^/$(basename "$package")$" || true)
[ -z "$left" ] || { say "left behind: $left"; exit 1; }
say "done"
