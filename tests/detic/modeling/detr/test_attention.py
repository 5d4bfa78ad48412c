import math

import pytest
import torch

from detic.modeling.detr import attention
from detic.modeling.detr.attention import DeformableAttention, deformable_attention
from detic.modeling.detr.levels import TokenLevels, sizes_of

SHAPES = ((3, 4), (2, 2))
B, N, M, F, P = 2, 5, 2, 3, 4


def random_inputs(dtype=torch.float64, seed=0):
    """Values, locations and weights; some locations lie outside the maps."""
    g = torch.Generator().manual_seed(seed)
    num_cells = sum(h * w for h, w in SHAPES)
    values = torch.randn(B, num_cells, M, F, generator=g, dtype=dtype)
    locations = 1.4 * torch.rand(B, N, M, len(SHAPES), P, 2, generator=g, dtype=dtype) - 0.2
    weights = torch.rand(B, N, M, len(SHAPES), P, generator=g, dtype=dtype)
    return values, locations, weights


def at(values, x, y):
    """Return the value of a map (H, W, F) at a location, by the four cells around it."""
    height, width = values.shape[:2]
    column, row = x * width - 0.5, y * height - 0.5
    left, top = math.floor(column), math.floor(row)
    total = torch.zeros_like(values[0, 0])
    for r in (top, top + 1):
        for c in (left, left + 1):
            if 0 <= r < height and 0 <= c < width:
                total += (1 - abs(row - r)) * (1 - abs(column - c)) * values[r, c]
    return total


def naive_attention(values, locations, weights):
    sums = torch.zeros(B, N, M, F, dtype=values.dtype)
    levels = values.split([h * w for h, w in SHAPES], dim=1)
    for b, n, m in torch.cartesian_prod(*map(torch.arange, (B, N, M))).tolist():
        for level, (height, width) in enumerate(SHAPES):
            cells = levels[level][b, :, m].view(height, width, F)
            for p in range(P):
                x, y = locations[b, n, m, level, p].tolist()
                sums[b, n, m] += weights[b, n, m, level, p] * at(cells, x, y)
    return sums.flatten(2)


@pytest.mark.parametrize("bound", [2**24, 1, 200], ids=["at once", "query by query", "two queries"])
def test_attention_sums_what_is_at_each_point(monkeypatch, bound):
    monkeypatch.setattr(attention, "_MAX_SAMPLED", bound)
    values, locations, weights = random_inputs()
    found = deformable_attention(values, SHAPES, locations, weights)
    torch.testing.assert_close(found, naive_attention(values, locations, weights))


@pytest.mark.parametrize("bound", [2**24, 100], ids=["kept", "sampled again"])
def test_gradients_are_those_of_finite_differences(monkeypatch, bound):
    monkeypatch.setattr(attention, "_MAX_SAMPLED", bound)
    inputs = [x[:1, :3] if x.dim() > 4 else x[:1] for x in random_inputs()]
    for x in inputs:
        x.requires_grad_()
    values, locations, weights = inputs

    def attend(values, locations, weights):
        return deformable_attention(values, SHAPES, locations, weights)

    assert torch.autograd.gradcheck(attend, (values, locations, weights), fast_mode=True)


def test_what_is_sampled_is_not_kept_beyond_the_bound(monkeypatch):
    """The memory that the backward pass needs is that of the inputs, not of all samples."""
    monkeypatch.setattr(attention, "_MAX_SAMPLED", 100)
    inputs = [x.requires_grad_() for x in random_inputs()]
    kept = []

    def keep(x):
        kept.append(x.shape)
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        deformable_attention(inputs[0], SHAPES, *inputs[1:])
    num_sampled = B * M * F * N * len(SHAPES) * P
    assert all(math.prod(shape) < num_sampled for shape in kept)


def tiny_levels(dtype=torch.float32):
    torch.manual_seed(0)
    num_cells = sum(h * w for h, w in SHAPES)
    padding = torch.zeros(B, num_cells, dtype=torch.bool)
    padding[1, 3] = True
    return TokenLevels(
        tokens=torch.randn(B, num_cells, 8, dtype=dtype),
        positions=torch.zeros(B, num_cells, 8, dtype=dtype),
        padding=padding,
        shapes_hw=SHAPES,
        sizes_wh=sizes_of(SHAPES, torch.device("cpu")),
        valid_wh=torch.tensor([[[4.0, 3.0], [2.0, 2.0]]] * B),
    )


def test_heads_start_on_rays_of_their_own():
    layer = DeformableAttention(8, 4, 2)
    layer.reset_parameters()
    offsets = layer.sampling_offsets.bias.detach().view(4, 2, 4, 2)
    torch.testing.assert_close(offsets[:, 0], offsets[:, 1])  # the same on all levels
    for head, direction in enumerate([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)]):
        for i in range(4):
            expected = (i + 1) * torch.tensor(direction)
            torch.testing.assert_close(offsets[head, 0, i], expected, atol=1e-6, rtol=0)


def test_padded_tokens_add_nothing_not_even_the_bias():
    layer, levels = DeformableAttention(8, 2, 2), tiny_levels()
    torch.nn.init.ones_(layer.value_proj.bias)
    references = torch.rand(B, N, 2, 2)
    queries = torch.randn(B, N, 8)
    before = layer(queries, references, levels)
    levels.tokens[1, 3] += 100
    torch.testing.assert_close(layer(queries, references, levels), before)


def test_offsets_are_in_cells_from_points_and_in_parts_of_the_box_from_boxes():
    offsets = torch.tensor([2.0, -1.0]).expand(1, 1, 1, 2, P, 2)
    points = torch.tensor([0.5, 0.5]).expand(1, 1, 2, 2)
    sizes_wh = sizes_of(SHAPES, torch.device("cpu"))
    of_points = attention._locations(offsets, points, sizes_wh)[0, 0, 0]
    torch.testing.assert_close(of_points[0, 0], torch.tensor([0.5 + 2 / 4, 0.5 - 1 / 3]))
    torch.testing.assert_close(of_points[1, 0], torch.tensor([0.5 + 2 / 2, 0.5 - 1 / 2]))
    boxes = torch.tensor([0.5, 0.5, 0.8, 0.4]).expand(1, 1, 2, 4)
    of_boxes = attention._locations(offsets, boxes, sizes_wh)[0, 0, 0]
    expected = torch.tensor([0.5 + 2 / 4 * 0.8 / 2, 0.5 - 1 / 4 * 0.4 / 2])
    torch.testing.assert_close(of_boxes[0, 0], expected)


def test_places_are_sampled_in_float32_under_mixed_precision(monkeypatch):
    seen = []

    def spy(values, shapes_hw, locations, weights):
        seen.extend((values.dtype, locations.dtype, weights.dtype))
        return deformable_attention(values, shapes_hw, locations, weights)

    monkeypatch.setattr(attention, "deformable_attention", spy)
    layer, levels = DeformableAttention(8, 2, 2), tiny_levels()
    queries, references = torch.randn(B, N, 8), torch.rand(B, N, 2, 2)
    exact = layer(queries, references, levels)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = layer(queries, references, levels)
    assert set(seen) == {torch.float32}
    torch.testing.assert_close(rounded.float(), exact, atol=0.1, rtol=0.1)


def test_the_layer_computes_in_float64_too():
    layer, levels = DeformableAttention(8, 2, 2).double(), tiny_levels(torch.float64)
    queries, references = (torch.rand(B, N, *s, dtype=torch.float64) for s in ((8,), (2, 4)))
    assert layer(queries, references, levels).dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_attention_equals_that_of_the_cpu():
    inputs = random_inputs(torch.float32)
    on_gpu = deformable_attention(inputs[0].cuda(), SHAPES, *(x.cuda() for x in inputs[1:]))
    torch.testing.assert_close(on_gpu.cpu(), deformable_attention(inputs[0], SHAPES, *inputs[1:]))
