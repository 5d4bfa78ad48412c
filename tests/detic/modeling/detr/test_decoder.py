import pytest
import torch

from detic.modeling.detr.decoder import Decoder, refined
from detic.modeling.detr.encoder import LayerParams
from detic.modeling.detr.queries import Queries
from tests.detic.modeling.detr.test_attention import B, tiny_levels

PARAMS = LayerParams(width=8, num_heads=2, num_levels=2, feedforward_width=8, dropout=0.0)
Q = 3


class Constant(torch.nn.Module):
    """A box head that always says the same."""

    def __init__(self, change):
        super().__init__()
        self.change = torch.nn.Parameter(torch.tensor(change))

    def forward(self, x):
        return self.change.expand(*x.shape[:-1], 4)


def decode(references, refine, change=(0.5, 0.0, 0.0, 0.0)):
    """The boxes after two layers, and the parameter of the first one's head."""
    torch.manual_seed(0)
    decoder = Decoder(PARAMS, num_layers=2, refine_boxes=refine)
    queries = Queries(torch.randn(B, Q, 8), torch.randn(B, Q, 8), references)
    heads = [Constant(change), Constant(change)]
    layers = decoder(queries, tiny_levels(), heads)
    return [layer.boxes for layer in layers], heads[0].change


def test_a_change_adds_to_the_logits_of_a_box():
    box = torch.tensor([0.5, 0.2, 0.3, 0.1])
    torch.testing.assert_close(refined(box, torch.zeros(4)), box)
    grown = refined(box, torch.tensor([0.0, 0.0, 1.0, 0.0]))
    torch.testing.assert_close(grown[2], (torch.tensor(0.3).logit() + 1).sigmoid())


def test_a_point_has_no_size_to_start_from():
    boxes = refined(torch.tensor([0.3, 0.6]), torch.tensor([0.0, 0.0, -1.0, 2.0]))
    sizes = torch.tensor([-1.0, 2.0]).sigmoid()
    torch.testing.assert_close(boxes, torch.cat([torch.tensor([0.3, 0.6]), sizes]))


def test_each_layer_refines_the_boxes_of_the_one_before():
    first, second = decode(torch.full((B, Q, 4), 0.5), refine=True)[0]
    torch.testing.assert_close(first[..., 0], torch.full((B, Q), 0.5).sigmoid())
    torch.testing.assert_close(second[..., 0], torch.full((B, Q), 1.0).sigmoid())


def test_without_refinement_each_layer_starts_from_the_references():
    first, second = decode(torch.full((B, Q, 2), 0.5), refine=False)[0]
    torch.testing.assert_close(first, second)


def test_no_gradient_flows_from_a_layers_boxes_into_the_head_before():
    boxes, change = decode(torch.full((B, Q, 4), 0.5), refine=True)
    with pytest.raises(RuntimeError, match="not have been used"):
        torch.autograd.grad(boxes[1].sum(), change)


def test_the_order_of_queries_does_not_matter():
    torch.manual_seed(0)
    decoder = Decoder(PARAMS, num_layers=2, refine_boxes=True)
    content, position, references = (torch.rand(B, Q, n) for n in (8, 8, 4))
    heads = [Constant((0.0,) * 4)] * 2
    order = [2, 0, 1]
    straight = decoder(Queries(content, position, references), tiny_levels(), heads)[-1].content
    shuffled = decoder(
        Queries(content[:, order], position[:, order], references[:, order]), tiny_levels(), heads
    )[-1].content
    torch.testing.assert_close(shuffled, straight[:, order])
