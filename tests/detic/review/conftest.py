"""Jobs that cost nothing, and images for them."""

import pytest

from tests.detic.labelling.conftest import label, merged, plan
from tests.quick_labeller import SIZE_HW, found_in

__all__ = ["merged", "plan"]


@pytest.fixture
def photos(write_image):
    """Names of images below photos/ in which the quick labeller finds none, one and two objects."""
    names = [f"photos/{letter}.png" for letter in "123abc"]
    assert {len(found_in(name)) for name in names} == {0, 1, 2}
    for seed, name in enumerate(names):
        write_image(name, width=SIZE_HW[1], height=SIZE_HW[0], seed=seed)
    return names


@pytest.fixture
def job(plan, photos):
    """A job on the photos that is done."""
    job = plan("photos", size=3)
    label(job)
    return job
