# The packages for Linux; read by package.sh.

# The libraries that the program opens while it runs, which no linker has noted; scripts/setup.sh installs the same.
DEB_NEEDS='libvulkan1, libegl1, libx11-6, libx11-xcb1, libxcursor1, libxi6, libxrandr2, libxkbcommon0, libxkbcommon-x11-0, libwayland-client0, libdbus-1-3'
# Fedora's names of files, which openSUSE has as well.
RPM_NEEDS='libvulkan.so.1 libEGL.so.1 libX11.so.6 libX11-xcb.so.1 libXcursor.so.1 libXi.so.6 libXrandr.so.2 libxkbcommon.so.0 libxkbcommon-x11.so.0 libwayland-client.so.0 libdbus-1.so.3'

linux_target() { rustc -vV | sed -n 's/^host: //p'; }

# The files as they lie on a system, below FOLDER.
linux_tree() { # FOLDER
    local root=$1 triple size
    triple=$(linux_target)
    build "$triple" ''
    install -Dm755 "$binary" "$root/usr/bin/logitscope"
    install -Dm644 assets/package/logitscope.desktop "$root/usr/share/applications/logitscope.desktop"
    install -Dm644 assets/package/logitscope-mime.xml "$root/usr/share/mime/packages/logitscope.xml"
    mkdir -p "$root/usr/share/metainfo"
    sed -e "s/@VERSION@/$version/" -e "s/@DATE@/$(on_date +%Y-%m-%d)/" assets/package/metainfo.xml.in \
        >"$root/usr/share/metainfo/org.logitscope.Logitscope.metainfo.xml"
    python3 scripts/package/icons.py "$work/icons"
    for size in 16 22 24 32 48 64 128 256 512; do
        install -Dm644 "$work/icons/$size.png" "$root/usr/share/icons/hicolor/${size}x$size/apps/logitscope.png"
    done
    install -Dm644 "$work/icons/logitscope.svg" "$root/usr/share/icons/hicolor/scalable/apps/logitscope.svg"
    mkdir -p "$root/usr/share/man/man1"
    gzip -9nc assets/package/logitscope.1 >"$root/usr/share/man/man1/logitscope.1.gz"
    papers "$root/usr/share/doc/logitscope" "$triple"
}

package_tar() {
    local name
    name="logitscope-$version-linux-$(uname -m)"
    linux_tree "$work/$name"
    mv "$work/$name/usr/"* "$work/$name" && rmdir "$work/$name/usr"
    tar -C "$work" --sort=name --owner=0 --group=0 --mtime="@$SOURCE_DATE_EPOCH" -czf "$out/$name.tar.gz" "$name"
}

package_deb() {
    need dpkg-deb dpkg
    local root=$work/deb architecture doc
    architecture=$(dpkg --print-architecture)
    linux_tree "$root"
    # Debian has its own names for these.
    doc=$root/usr/share/doc/logitscope
    rm "$doc/LICENSE-MIT" "$doc/LICENSE-APACHE"
    {
        printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: Logitscope\n\n'
        printf 'Files: *\nCopyright: The Logitscope developers\nLicense: Expat or Apache-2.0\n\nLicense: Expat or Apache-2.0\n'
        printf ' Apache-2.0: see /usr/share/common-licenses/Apache-2.0. Expat:\n .\n'
        sed -e 's/^$/./' -e 's/^/ /' LICENSE-MIT
        printf '\nComment: The licences of the crates in the program are in LICENCES-OF-CRATES.txt.gz beside this file.\n'
    } >"$doc/copyright"
    {
        printf 'logitscope (%s) stable; urgency=medium\n\n  * See CHANGELOG.md.\n\n' "$version"
        printf ' -- %s  %s\n' "$maintainer" "$(on_date '+%a, %d %b %Y %H:%M:%S +0000')"
    } | gzip -9n >"$doc/changelog.gz"
    gzip -9n "$doc/CHANGELOG.md" "$doc/LICENCES-OF-CRATES.txt"
    mkdir "$root/DEBIAN"
    {
        printf 'Package: logitscope\nVersion: %s\nArchitecture: %s\nMaintainer: %s\n' "$version" "$architecture" "$maintainer"
        printf 'Section: science\nPriority: optional\nInstalled-Size: %s\n' "$(du -sk "$root/usr" | cut -f1)"
        printf 'Depends: libc6 (>= %s), libgcc-s1, %s\n' "$(newest_glibc "$root/usr/bin/logitscope")" "$DEB_NEEDS"
        printf 'Recommends: mesa-vulkan-drivers (>= 25) | vulkan-icd, xdg-desktop-portal\n'
        printf 'Description: %s\n' "$summary"
        printf ' Logitscope runs a language model on your own GPU and opens it up while it\n'
        printf ' runs: the logits of every step, what penalties, temperature and top-p made\n'
        printf ' of them, the draw, and the token that was chosen and why.\n'
    } >"$root/DEBIAN/control"
    (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
    find "$root" -type d -exec chmod 755 {} + -o -type f ! -path '*/usr/bin/*' -exec chmod 644 {} +
    dpkg-deb --root-owner-group -Zxz --build "$root" "$out/logitscope_${version}_$architecture.deb" >/dev/null
}

# The newest version of the C library that the program asks for.
newest_glibc() { # PROGRAM
    need objdump binutils
    objdump -T "$1" | sed -n 's/.*(\{0,1\}GLIBC_\([0-9.]*\)).*/\1/p' | sort -uV | tail -1
}

package_rpm() {
    need rpmbuild rpm
    local root=$work/rpm top
    linux_tree "$root"
    top=$(realpath "$work")/rpmbuild
    mkdir -p "$top"
    {
        printf 'Name: logitscope\nVersion: %s\nRelease: 1\nSummary: %s\nLicense: MIT OR Apache-2.0\n' "$version" "$summary"
        printf 'Requires: %s\n' "$(for library in $RPM_NEEDS; do printf '%s()(64bit) ' "$library"; done)"
        printf 'Recommends: mesa-vulkan-drivers xdg-desktop-portal\n'
        printf '%%global __os_install_post %%{nil}\n%%global debug_package %%{nil}\n'
        printf '%%description\nLogitscope runs a language model on your own GPU and opens it up while it runs: the logits of\n'
        printf 'every step, what each stage made of them, the draw, and the token that was chosen and why.\n'
        printf '%%install\ncp -a %q/. %%{buildroot}/\n' "$(realpath "$root")"
        printf '%%files\n'
        printf '%%dir /usr/share/doc/logitscope\n'
        (cd "$root" && find . -type f | sed -e 's|^\./|/|' -e 's|^/usr/share/doc/|%doc &|' | sort)
    } >"$work/logitscope.spec"
    rpmbuild -bb --quiet --define "_topdir $top" --define "use_source_date_epoch_as_buildtime 1" \
        --define "_build_id_links none" "$work/logitscope.spec"
    find "$top/RPMS" -name '*.rpm' -exec cp {} "$out/" \;
}
