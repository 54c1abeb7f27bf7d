"""The licences of every crate that a build contains, as one text: python3 licences.py TARGET > LICENCES.txt

Asks cargo which crates those are, for this target triple, and takes the texts from the crates themselves.
"""

import json
import subprocess
import sys
from pathlib import Path

NAMES = ("licen", "copying", "notice", "copyright", "unlicense", "ofl.", "ufl.")


def contained(metadata: dict) -> list[dict]:
    """The crates that the program is linked with: not those that only build or test it."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    seen, waiting = set(), [metadata["resolve"]["root"]]
    while waiting:
        crate = waiting.pop()
        if crate in seen:
            continue
        seen.add(crate)
        for dependency in nodes[crate]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    seen.discard(metadata["resolve"]["root"])
    packages = [package for package in metadata["packages"] if package["id"] in seen]
    return sorted(packages, key=lambda package: (package["name"], package["version"]))


def texts(package: dict) -> list[str]:
    folder = Path(package["manifest_path"]).parent
    # Fonts inside of crates have theirs in a folder beside them.
    places = [*folder.glob("*"), *folder.glob("fonts/*")]
    files = [file for file in places if file.is_file() and file.name.lower().startswith(NAMES)]
    if package["license_file"]:
        files.append(folder / package["license_file"])
    found = {file.resolve(): file for file in sorted(files) if file.exists()}
    return [file.read_text(encoding="utf-8", errors="replace").strip() for file in found.values()]


def main() -> None:
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", sys.argv[1]]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    crates = contained(metadata)
    by_text: dict[str, list[str]] = {}
    without = []
    print("Logitscope contains these crates, each under the licence that stands beside it.\n")
    for crate in crates:
        name = f"{crate['name']} {crate['version']}"
        licence = crate["license"] or "its own licence, below"
        print(f"  {name}: {licence}")
        found = texts(crate)
        if not found:
            without.append(name)
        for text in found:
            by_text.setdefault(text, []).append(name)
    if without:
        # Crates published without a text: the expression above names a licence whose text others bring.
        print(f"\nPublished without a text of their own: {', '.join(without)}.")
    for text, names in by_text.items():
        print(f"\n{'=' * 100}\n{', '.join(names)}\n{'-' * 100}\n{text}")
    for file in ("assets/fonts/OFL.txt", "assets/demo-model/README.md"):
        text = (Path(__file__).resolve().parents[2] / file).read_text(encoding="utf-8").strip()
        print(f"\n{'=' * 100}\n{file}\n{'-' * 100}\n{text}")


main()
