"""The weights that a run starts from."""

from dataclasses import dataclass

from detic.vocabulary.model_classes import ModelClasses


@dataclass(frozen=True)
class InitialWeights:
    """The weights of a recipe."""

    path: str  # a file or an address; "": none
    classes: ModelClasses  # of the model, whose vectors weights may bring
    allow_partial: bool = False  # run although parts of the detector stay random
    pretrained_backbone: bool = False  # without a path, load timm's weights of the backbone
    # The run has counted its class frequencies: those in the weights are of other data
    frequencies_are_counted: bool = False

    @classmethod
    def from_config(cls, cfg) -> "InitialWeights":
        node = cfg.MODEL
        return cls(
            path=node.WEIGHTS,
            classes=ModelClasses.from_config(cfg),
            allow_partial=node.ALLOW_PARTIAL_WEIGHTS,
            pretrained_backbone=node.TIMM.PRETRAINED,
        )
