"""What a training batch is supervised by."""

import torch

from detic.modeling.supervision import SampledClasses, Supervision


def test_labelled_classes_follow_the_columns_of_sampled_classes():
    labelled = torch.tensor([[True, False, True, True], [True, True, False, False]])
    # Classes 2 and 0 are sampled; the last column is the background.
    sampled = SampledClasses(torch.zeros(3, 5), torch.tensor([1, 2, 0, 2, 2]))
    assert torch.equal(Supervision(labelled_classes=labelled).labelled_columns(), labelled)
    columns = Supervision(classes=sampled, labelled_classes=labelled).labelled_columns()
    assert columns.tolist() == [[True, True], [False, True]]
    assert Supervision(classes=sampled).labelled_columns() is None
