"""One's own data, as annotation tools export it, becomes a recipe and a training.

A reader for each format returns annotated images; they become files in COCO's format; facts about them
become the recipe.
"""
