"""Recipes: YAML files merged over the defaults of every configuration key, and checked as a whole."""

from detic.recipes.recipe import default_config, load_recipe

__all__ = ["default_config", "load_recipe"]
