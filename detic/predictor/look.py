"""What a call of a detector does with its images."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detic.detections import Detections, from_instances
from detic.image_sources import ImageSource, image_source
from detic.modeling.build import DetectionModel
from detic.modeling.request import DetectionRequest
from detic.predictor.batches import batches, detect_alike, naming_out_of_memory
from detic.predictor.input_format import InputFormat
from detic.predictor.prepared_vocabulary import PreparedVocabulary
from detic.predictor.tiles import Tiles, detect_in_tiles


@dataclass(frozen=True)
class Look:
    """A look at images with one model, for one vocabulary."""

    model: DetectionModel
    input_format: InputFormat
    request: DetectionRequest
    vocabulary: PreparedVocabulary  # whose classes ``request`` asks for

    def at(self, sources: Iterable[ImageSource], batch_size: int) -> Iterator[Detections]:
        """Yield the detections of images, which are read batch by batch."""
        for batch in batches(sources, batch_size):
            yield from self._found([source.fetched() for source in batch])

    def in_tiles(self, sources: Iterable[ImageSource], tiles: Tiles) -> Iterator[Detections]:
        """Yield the detections of images, whose tiles are looked at one after the other."""
        for source in sources:
            fetched = source.fetched()
            found = detect_in_tiles(self._found_in_tile, fetched.windows(), tiles)
            yield replace(found[: self.request.max_detections], image=fetched)

    def _found_in_tile(self, images: list[np.ndarray]) -> list[Detections]:
        found = self._found([image_source(image) for image in images])
        return [replace(in_tile, image=None) for in_tile in found]  # its pixels can go

    def _found(self, sources: Sequence[ImageSource]) -> list[Detections]:
        arrays = [source.read() for source in sources]
        with naming_out_of_memory([array.shape[:2] for array in arrays]):
            inputs = [self.input_format.model_input(array) for array in arrays]
            outputs = detect_alike(self.model, inputs, self.request)
            return [
                from_instances(
                    output["instances"],
                    self.vocabulary.names,
                    self.vocabulary.parents,
                    image=source,
                    class_colors=self.vocabulary.colors,
                )
                for output, source in zip(outputs, sources, strict=True)
            ]
