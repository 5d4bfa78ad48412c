import torch

from centernet.fpn import LastLevelP6P7FromP5


def test_top_levels_halve_the_pyramid_output():
    block = LastLevelP6P7FromP5(4)
    p6, p7 = block(torch.randn(1, 4, 8, 6))
    assert p6.shape == (1, 4, 4, 3)
    assert p7.shape == (1, 4, 2, 2)


def test_p7_sees_rectified_p6():
    block = LastLevelP6P7FromP5(1)
    with torch.no_grad():
        block.p6.weight.zero_()
        block.p6.bias.fill_(-1.0)  # P6 is negative everywhere: rectified, nothing is left
        p6, p7 = block(torch.randn(1, 1, 4, 4))
    assert (p6 == -1).all()
    torch.testing.assert_close(p7, torch.zeros_like(p7) + block.p7.bias)
