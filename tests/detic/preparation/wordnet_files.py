"""A WordNet of six synsets, as its database files have them."""

LICENCE = "  1 WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.  \n"
DATA = """\
00000001 03 n 01 entity 0 000 | that which exists
00000002 03 n 01 fruit 0 002 @ 00000001 n 0000 ~ 00000003 n 0000 | a ripe part of a plant
00000003 13 n 01 edible_fruit 0 002 @ 00000002 n 0000 #p 00000001 n 0000 | fruit | good to eat
00000004 20 n 02 banana 0 Banana_tree 0 001 @ 00000001 n 0000 | a plant
00000005 13 n 01 banana 1 002 @ 00000003 n 0000 + 00000001 v 0101 | a fruit
00000006 15 n 01 Eden 0 001 @i 00000001 n 0000 | a garden
"""
INDEX = """\
banana n 2 2 @ ~ 2 1 00000004 00000005
banana_tree n 1 1 @ 1 0 00000004
eden n 1 1 @i 1 0 00000006
edible_fruit n 1 2 @ ~ 1 0 00000003
entity n 1 1 ~ 1 1 00000001
fruit n 1 2 @ ~ 1 1 00000002
"""


def write_wordnet(folder, licence=LICENCE):
    """Write the files into a new folder and return it."""
    folder.mkdir()
    (folder / "data.noun").write_text(licence + DATA)
    (folder / "index.noun").write_text(licence + INDEX)
    return folder
