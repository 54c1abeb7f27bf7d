# The packages for Windows; read by package.sh. On Linux the program is built by mingw-w64.

package_windows() {
    local triple=x86_64-pc-windows-gnu folder=$work/logitscope
    case "$(uname -s)" in
        Linux) need x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64 ;;
        *) triple=$(rustc -vV | sed -n 's/^host: //p') ;;
    esac
    [ -n "${LOGITSCOPE_BINARY:-}" ] || rustup target add "$triple"
    build "$triple" .exe
    mkdir -p "$folder"
    cp "$binary" "$folder/logitscope.exe"
    papers "$folder" "$triple"
    python3 scripts/package/icons.py "$work/icons"
    cp "$work/icons/logitscope.ico" "$folder"
    for paper in "$folder"/LICENSE-*; do mv "$paper" "$paper.txt"; done
    local name=logitscope-$version-windows-x86_64
    (cd "$work" && python3 -m zipfile -c "$name.zip" logitscope)
    mv "$work/$name.zip" "$out"
    if command -v makensis >/dev/null; then
        makensis -V2 -DVERSION="$version" -DFOLDER="$(native "$folder")" -DOUT="$(native "$out")/$name-setup.exe" \
            scripts/package/logitscope.nsi
    else
        say "no installer: makensis is not there"
    fi
}

# A path as programs of this system have it.
native() { # PATH
    if command -v cygpath >/dev/null; then cygpath -wa "$1"; else realpath "$1"; fi
}
