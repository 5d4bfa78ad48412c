from detic.errors import some_of, unknown_choice


def test_message_lists_the_choices_and_the_nearest():
    message = str(unknown_choice("vocabulary", "lviz", ["lvis", "coco"]))
    assert message == "unknown vocabulary 'lviz'; choose lvis or coco (did you mean 'lvis'?)"


def test_nothing_near_gives_no_suggestion():
    assert str(unknown_choice("dataset", "xyz", ["coco"])) == "unknown dataset 'xyz'; choose coco"


def test_long_lists_are_counted():
    message = str(unknown_choice("parent", "dgo", ["dog", *map(str, range(99))], where="a.txt"))
    expected = "a.txt: unknown parent 'dgo'; choose one of the 100 known ones (did you mean 'dog'?)"
    assert message == expected


def test_the_first_of_many_names_are_given():
    names = [str(number) for number in range(985)]
    assert some_of(names) == "0, 1, 2, 3, 4 and 980 more"
    assert some_of(names[:5]) == "0, 1, 2, 3, 4"
    assert some_of([]) == ""
