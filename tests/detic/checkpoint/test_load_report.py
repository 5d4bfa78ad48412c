from detic.checkpoint.load_report import LoadReport, ShapeMismatch, group_names


def report(**changes):
    fields = {
        "path": "x.pth",
        "names": "mmdetection",
        "num_model_tensors": 3,
        "matched": ("a.b.c",),
        "missing": (),
        "mismatched": (),
        "unexpected": (),
        "vocabulary_sizes": None,
    }
    return LoadReport(**(fields | changes))


def test_names_are_grouped_by_part_and_counted():
    names = [f"roi_heads.box_predictor.{i}.{part}.weight" for i in range(3) for part in "ab"]
    names += ["backbone.fpn_lateral3.bias", "layers.0.weight", "layers.1.weight", "head.weight"]
    assert group_names(names) == (
        "backbone.fpn_lateral3.bias, head.weight, layers.* (2), roi_heads.box_predictor.* (6)"
    )


def test_random_tensors_are_those_missing_or_of_another_shape():
    mismatch = ShapeMismatch("b", (2,), (3,))
    assert report(missing=("a",), mismatched=(mismatch,)).random == ("a", "b")
    assert str(mismatch) == "b is (2,) in the file and (3,) in the model"


def test_table_lists_what_happened_and_nothing_else():
    lines = report().table().splitlines()
    assert len(lines) == 4  # header, rule, two rows
    assert lines[-1].split() == ["matched", "1", "of", "the", "model's", "3", "tensors"]
    table = report(
        missing=("a.b.c", "a.b.d"), unexpected=("fc.bias",), vocabulary_sizes=(22047, 1203)
    ).table()
    assert "a.b.* (2)" in table
    assert "fc.bias" in table
    assert "the model's own 1203 classes, not 22047" in table
