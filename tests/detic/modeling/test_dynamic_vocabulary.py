import torch
from detectron2.structures import Instances

from detic.annotation import AnnotationKind
from detic.modeling.dynamic_vocabulary import ClassSampler

COLUMNS = torch.cat([torch.arange(1.0, 11.0).repeat(4, 1), torch.zeros(4, 1)], dim=1)  # D=4, C=10


def boxes_of(classes):
    return [Instances((8, 8), gt_classes=torch.tensor(classes))]


def test_box_batches_draw_from_classes_with_boxes_only():
    sampler = ClassSampler(4, 10, torch.tensor([1.0, 1.0, 1.0, 1.0]))
    vocabulary = sampler(AnnotationKind.BOX, boxes_of([2]), [[]], COLUMNS)
    assert sorted(vocabulary.embeddings[:, 0].tolist()) == [0, 1, 2, 3, 4]  # background is 0


def test_label_batches_draw_from_all_classes():
    sampler = ClassSampler(10, 10, torch.ones(4))
    vocabulary = sampler(AnnotationKind.IMAGE, boxes_of([]), [[7], []], COLUMNS)
    assert vocabulary.embeddings[0, 0] == 8  # the present class comes first
    assert len(vocabulary.embeddings) == 11


def test_columns_follow_the_sample_and_others_become_background():
    sampler = ClassSampler(2, 10, torch.tensor([1.0, 0.0, 0.0]))
    vocabulary = sampler(AnnotationKind.BOX, boxes_of([2, 2]), [[]], COLUMNS)
    assert vocabulary.class_to_column[torch.tensor([2, 0, 5, 10])].tolist() == [0, 1, 2, 2]


def test_batch_without_labels_still_has_a_vocabulary():
    sampler = ClassSampler(3, 10, torch.ones(10))
    vocabulary = sampler(AnnotationKind.IMAGE, boxes_of([]), [[]], COLUMNS)
    assert vocabulary.embeddings.shape == (4, 4)


def test_every_label_and_every_box_of_the_batch_is_in_the_vocabulary():
    sampler = ClassSampler(1, 10, torch.ones(10))  # no place for drawn classes
    labels = sampler(AnnotationKind.IMAGE, boxes_of([]), [[7, 2], [5, 9]], COLUMNS)
    assert (labels.class_to_column < 4).nonzero().flatten().tolist() == [2, 5, 7, 9]
    boxes = sampler(AnnotationKind.BOX, [*boxes_of([7, 2]), *boxes_of([5])], [[], []], COLUMNS)
    assert (boxes.class_to_column < 3).nonzero().flatten().tolist() == [2, 5, 7]
