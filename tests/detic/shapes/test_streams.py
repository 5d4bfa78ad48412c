from detic.shapes.streams import Stream, generator


def test_items_do_not_depend_on_each_other():
    in_order = [generator(0, Stream.TRAIN, index).random() for index in range(3)]
    assert generator(0, Stream.TRAIN, 2).random() == in_order[2]


def test_seeds_streams_and_items_differ():
    keys = [(0, Stream.TRAIN, 1), (1, Stream.TRAIN, 1), (0, Stream.VAL, 1), (0, Stream.TRAIN, 2)]
    assert len({generator(*key).random() for key in keys}) == 4
