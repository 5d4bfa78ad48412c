"""Which half of a name is right, on boxes that can be compared by hand."""

from detic.shapes.naming import NamingShares, naming_shares

HERE, THERE = [0, 0, 10, 10], [50, 50, 10, 10]
CATEGORIES = [
    {"id": 1, "name": "green striped key", "frequency": "f"},
    {"id": 2, "name": "red key", "frequency": "c"},
    {"id": 3, "name": "red star", "frequency": "r"},
]


def box(category_id, bbox, **score):
    return {"image_id": 1, "category_id": category_id, "bbox": bbox, **score}


def test_the_likeliest_detection_on_an_object_names_it():
    found = [box(2, HERE, score=0.9), box(3, HERE, score=0.4)]
    shares = naming_shares(CATEGORIES, [box(3, HERE)], found)
    assert shares["novel"] == NamingShares(objects=1, found=1, look=1, noun=0, both=0)


def test_shares_are_of_the_objects_that_were_found():
    objects = [box(1, HERE), box(2, THERE)]
    shares = naming_shares(CATEGORIES, objects, [box(2, HERE, score=0.9)])
    assert shares["base"] == NamingShares(objects=2, found=0.5, look=0, noun=1, both=0)
    assert shares["novel"] == NamingShares(objects=0, found=0, look=0, noun=0, both=0)
