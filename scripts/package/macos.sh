# The packages for macOS; read by package.sh. The program is built on a Mac, for both kinds of processors; with
# LOGITSCOPE_BINARY the application's folder is laid out on any system, without the disk image.

package_macos() {
    local app=$work/Logitscope.app name=logitscope-$version-macos triple
    if [ -z "${LOGITSCOPE_BINARY:-}" ]; then
        [ "$(uname -s)" = Darwin ] || fail "the program for macOS is built on a Mac"
        for triple in aarch64-apple-darwin x86_64-apple-darwin; do
            rustup target add "$triple"
            MACOSX_DEPLOYMENT_TARGET=11.0 cargo build --locked --profile dist --target "$triple"
        done
        mkdir -p "$work"
        lipo -create -output "$work/logitscope" target/{aarch64,x86_64}-apple-darwin/dist/logitscope
        binary=$work/logitscope
    else
        binary=$LOGITSCOPE_BINARY
    fi
    mkdir -p "$app/Contents/MacOS" "$app/Contents/Resources"
    install -m755 "$binary" "$app/Contents/MacOS/logitscope"
    sed -e "s/@VERSION@/$version/" assets/package/Info.plist.in >"$app/Contents/Info.plist"
    printf 'APPL????' >"$app/Contents/PkgInfo"
    python3 scripts/package/icons.py "$work/icons"
    cp "$work/icons/logitscope.icns" "$app/Contents/Resources"
    papers "$app/Contents/Resources" aarch64-apple-darwin
    if command -v codesign >/dev/null; then
        # Without a maker's certificate: Apple's processors run nothing that is not signed at all.
        codesign --force --sign - "$app"
    fi
    if command -v ditto >/dev/null; then
        ditto -c -k --keepParent "$app" "$out/$name.zip"
    else
        (cd "$work" && zip_with_modes "$name.zip" Logitscope.app) && mv "$work/$name.zip" "$out"
    fi
    if command -v hdiutil >/dev/null; then
        mkdir "$work/image"
        cp -R "$app" "$work/image"
        ln -s /Applications "$work/image/Applications"
        hdiutil create -quiet -ov -volname Logitscope -srcfolder "$work/image" -format UDZO "$out/$name.dmg"
    fi
}

# Python's own zip command forgets which files are programs.
zip_with_modes() { # ZIP FOLDER
    python3 - "$@" <<'END'
import sys, zipfile
from pathlib import Path
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
    for path in sorted(Path(sys.argv[2]).rglob("*")):
        archive.write(path)
END
}
