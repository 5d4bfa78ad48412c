"""Random annotations and detections, to compare implementations on."""

import numpy as np
from hotcoco import mask as rle

SIDE = 200  # of an image


def random_ground_truth(rng, num_images=30, num_classes=9):
    """Return an LVIS-like annotation file with polygons."""
    images, annotations = [], []
    for image_id in range(1, num_images + 1):
        classes = rng.integers(1, num_classes + 1, rng.integers(1, 9)).tolist()
        for category_id in classes:
            polygon = _random_polygon(rng)
            mask = rle.fr_poly(polygon, SIDE, SIDE)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category_id,
                    "bbox": rle.to_bbox(mask).tolist(),
                    "area": float(rle.area(mask)),
                    "segmentation": [polygon],
                }
            )
        absent = sorted(set(range(1, num_classes + 1)) - set(classes))
        images.append(
            {
                "id": image_id,
                "height": SIDE,
                "width": SIDE,
                "neg_category_ids": [c for c in absent if rng.random() < 0.5],
                "not_exhaustive_category_ids": [c for c in set(classes) if rng.random() < 0.2],
            }
        )
    categories = [
        {"id": number, "name": f"class {number}", "frequency": "rcf"[number % 3]}
        for number in range(1, num_classes + 1)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def random_detections(rng, ground_truth, per_image=40, score_steps=50):
    """Return detections near the annotations, with masks, some of a wrong class; scores repeat."""
    num_classes = len(ground_truth["categories"])
    detections = []
    for image in ground_truth["images"]:
        nearby = [a for a in ground_truth["annotations"] if a["image_id"] == image["id"]]
        for _ in range(per_image):
            target = nearby[rng.integers(len(nearby))]
            is_right = rng.random() < 0.7
            polygon = np.array(target["segmentation"][0]) + rng.normal(0, 5, 6)
            mask = rle.fr_poly(np.clip(polygon, 0, SIDE).tolist(), SIDE, SIDE)
            wrong = int(rng.integers(1, num_classes + 1))
            detections.append(
                {
                    "image_id": image["id"],
                    "category_id": target["category_id"] if is_right else wrong,
                    "bbox": (np.array(rle.to_bbox(mask)) + rng.uniform(0, 2, 4)).tolist(),
                    "score": float(rng.integers(1, score_steps) / score_steps),
                    "segmentation": {"size": [SIDE, SIDE], "counts": mask["counts"].decode()},
                }
            )
    return detections


def _random_polygon(rng):
    """Return a triangle as x0, y0, x1, y1, x2, y2."""
    width, height = rng.uniform(10, 150, 2)
    x, y = rng.uniform(0, SIDE - width), rng.uniform(0, SIDE - height)
    return [float(v) for v in (x, y, x + width, y + height / 3, x + width / 3, y + height)]
