from gencourse.toy import double


def test_double_is_a_sum():
    assert double(3) == 3 + 3
