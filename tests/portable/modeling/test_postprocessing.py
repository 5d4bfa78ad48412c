import torch
from detectron2.modeling import detector_postprocess
from detectron2.modeling.postprocessing import sem_seg_postprocess
from detectron2.structures import Boxes, Instances


def detections(**fields) -> Instances:
    """Three boxes in an input of 20 x 40 pixels; the last lies outside."""
    boxes = torch.tensor([[0.0, 0.0, 20.0, 10.0], [30.0, 10.0, 60.0, 15.0], [41.0, 0.0, 50.0, 5.0]])
    return Instances((20, 40), pred_boxes=Boxes(boxes), scores=torch.ones(3), **fields)


def test_boxes_are_scaled_clipped_and_dropped_when_empty():
    results = detector_postprocess(detections(), 40, 40)
    assert results.image_size == (40, 40)
    assert results.pred_boxes.tensor.tolist() == [[0, 0, 20, 20], [30, 20, 40, 30]]
    assert len(results.scores) == 2


def test_the_argument_keeps_its_boxes():
    original = detections()
    before = original.pred_boxes.tensor.clone()
    detector_postprocess(original, 40, 80)
    torch.testing.assert_close(original.pred_boxes.tensor, before)
    assert original.image_size == (20, 40)


def test_masks_are_pasted_into_the_image():
    results = detector_postprocess(detections(pred_masks=torch.ones(3, 1, 4, 4)), 20, 40)
    assert results.pred_masks.shape == (2, 20, 40)
    assert results.pred_masks.dtype == torch.bool
    assert results.pred_masks[0].nonzero().amax(dim=0).tolist() == [9, 19]
    assert results.pred_masks[0, 1:9, 1:19].all()


def test_proposals_are_postprocessed_like_detections():
    proposals = Instances((20, 40), proposal_boxes=Boxes(torch.tensor([[0.0, 0.0, 50.0, 5.0]])))
    results = detector_postprocess(proposals, 40, 80)
    assert results.proposal_boxes.tensor.tolist() == [[0, 0, 80, 10]]


def test_segmentation_loses_its_padding():
    logits = torch.zeros(2, 6, 8)
    logits[1, :4, :6] = 1
    resized = sem_seg_postprocess(logits, (4, 6), 8, 12)
    assert resized.shape == (2, 8, 12)
    assert (resized[1] == 1).all()
