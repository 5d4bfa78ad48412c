"""What the images of a batch are annotated with."""

from enum import Enum


class AnnotationKind(str, Enum):
    """The annotation of one dataset; values are those of ``DATALOADER.DATASET_ANN``."""

    BOX = "box"
    IMAGE = "image"
    CAPTION = "caption"
    CAPTION_AND_TAGS = "captiontag"
    PROPOSAL = "prop"  # boxes without classes: they train the proposal network only
    PROPOSAL_AND_TAGS = "proptag"

    @property
    def has_boxes(self) -> bool:
        return self in (self.BOX, self.PROPOSAL, self.PROPOSAL_AND_TAGS)

    @property
    def has_box_classes(self) -> bool:
        return self is self.BOX

    @property
    def has_captions(self) -> bool:
        return self in (self.CAPTION, self.CAPTION_AND_TAGS)

    @property
    def has_image_labels(self) -> bool:
        """Whether labels of whole images, where there are any, supervise the classifier.

        The C4 heads also take those of proposal batches; the cascade heads skip such batches.
        """
        return self not in (self.BOX, self.CAPTION)
