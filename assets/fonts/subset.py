"""Makes the two fonts of the window from their published files.

    pip install fonttools
    python subset.py Inter-roman.var.ttf JetBrainsMono-Regular.ttf

Keeps Latin, Greek, Cyrillic, punctuation, arrows, mathematics and box drawing; leaves out hinting and layout
features that the window does not use. Inter keeps its weight axis from 400 to 700, and its digits become the
tabular ones, so that numbers stand in columns.
"""

import sys

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

UNICODES = (
    "0020-007E,00A0-024F,0259,02B0-02FF,0370-03FF,0400-045F,0490-0491,1E00-1EFF,2000-206F,2070-209F,"
    "20A0-20BF,2100-214F,2150-218F,2190-21FF,2200-22FF,2300-23FF,2460-2473,2500-257F,2580-259F,25A0-25FF,"
    "2600-2610,2713,2717,27E8-27E9,2B00-2B1F"
)


def make_digits_tabular(font):
    """Points the digits at the glyphs that the feature `tnum` would choose."""
    table = font["GSUB"].table
    tabular = {}
    for record in table.FeatureList.FeatureRecord:
        if record.FeatureTag == "tnum":
            for index in record.Feature.LookupListIndex:
                for lookup in table.LookupList.Lookup[index].SubTable:
                    tabular.update(getattr(lookup, "ExtSubTable", lookup).mapping)
    for cmap in font["cmap"].tables:
        for digit in range(0x30, 0x3A):
            if digit in cmap.cmap:
                cmap.cmap[digit] = tabular.get(cmap.cmap[digit], cmap.cmap[digit])


def save_subset(font, features, path):
    """Writes the part of a font that the window uses."""
    options = subset.Options()
    options.layout_features = features
    options.hinting = False
    options.name_IDs = ["*"]
    options.glyph_names = False
    options.notdef_outline = True
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=subset.parse_unicodes(UNICODES))
    subsetter.subset(font)
    font.save(path)


def main():
    inter_path, mono_path = sys.argv[1:]
    inter = TTFont(inter_path)
    make_digits_tabular(inter)
    save_subset(inter, ["kern", "mark", "mkmk", "ccmp", "locl"], "Inter-subset.ttf")
    # Limiting the axis works only on a font that was written and read again.
    inter = instancer.instantiateVariableFont(TTFont("Inter-subset.ttf"), {"wght": (400, 400, 700)})
    inter.save("Inter-subset.ttf")
    save_subset(TTFont(mono_path), ["mark", "mkmk", "ccmp", "locl"], "JetBrainsMono-subset.ttf")


main()
