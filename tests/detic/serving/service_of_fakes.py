"""A service around a detector that finds whatever it is asked for."""

import asyncio
import threading
from contextlib import asynccontextmanager
from io import BytesIO

import numpy as np
from PIL import Image

from detic.detections import Detections
from detic.serving.limits import Limits
from detic.serving.service import Service, ServiceOptions
from detic.vocabulary import Vocabulary


class FakeDetector:
    """It answers with the names of the vocabulary, and keeps what it was called with."""

    name, version, threshold = "fake", "1", 0.5
    classes = Vocabulary.from_names(["thing"])

    def __init__(self):
        self.batches = []
        self.started, self.may_go = threading.Event(), threading.Event()
        self.may_go.set()

    def prepare(self, classes):
        return classes.names

    def batch_key(self, image_size_hw):
        return image_size_hw

    def detect(self, images, vocabulary, *, threshold, masks):
        self.started.set()
        self.may_go.wait(20)
        self.batches.append([image.shape for image in images])
        return [found_in(image, vocabulary, masks) for image in images]


def found_in(image, names, masks):
    height, width = image.shape[:2]
    count = len(names)
    corner = np.zeros((count, height, width), bool)
    corner[:, :2, :3] = True
    return Detections(
        boxes_xyxy=np.tile(np.float32([0, 0, 3, 2]), (count, 1)),
        scores=np.full(count, 0.75, np.float32),
        labels=np.arange(count),
        names=np.array(names),
        image_size_hw=(height, width),
        masks=corner if masks else None,
    )


def image_file(width=8, height=6, format="PNG"):
    file = BytesIO()
    Image.new("RGB", (width, height), (9, 99, 200)).save(file, format)
    return file.getvalue()


def in_service(test, detector=None, *, token=None, hosts=None, limits=None, **options):
    """Run an asynchronous test with a client of a service and the service."""

    async def run():
        async with client_of(detector, token, hosts, limits, options) as (client, service):
            return await asyncio.wait_for(test(client, service), 60)

    return asyncio.run(run())


@asynccontextmanager
async def client_of(detector, token, hosts, limits, options):
    import httpx

    from detic.serving.app import create_app

    chosen = ServiceOptions(limits=limits or Limits(), **options)
    service = Service(detector or FakeDetector(), chosen)
    app = create_app(service, token=token, hosts=hosts)
    try:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client, service
    finally:
        service.close()
