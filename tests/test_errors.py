import pytest

from tfdomain.errors import InputError, TfdomainError, within


def test_the_line_says_where_what_and_the_mend():
    assert str(TfdomainError("p")) == "p"
    assert str(TfdomainError("p", where="w")) == "w: p"
    assert str(TfdomainError("p", mend="m")) == "p; m"
    assert str(TfdomainError("p", where="w", mend="m")) == "w: p; m"


def test_it_is_one_line_whatever_it_is_made_of():
    error = InputError("first\n  second\t third", where="a\nb", mend="c\r\nd")
    assert str(error) == "a b: first second third; c d"
    assert (error.problem, error.where, error.mend) == ("first\n  second\t third", "a\nb", "c\r\nd")


def test_exit_codes_and_kinds():
    assert (TfdomainError.exit_code, InputError.exit_code) == (1, 2)
    with pytest.raises(ValueError, match="p"):
        raise InputError("p")
    assert not issubclass(TfdomainError, ValueError)


def test_a_place_is_named_before_that_of_wrong_input():
    with pytest.raises(InputError, match=r"^tasks.intent: a.csv: p; m$"), within("tasks.intent"):
        raise InputError("p", where="a.csv", mend="m")
    with pytest.raises(InputError, match=r"^tasks.intent: p$"), within("tasks.intent"):
        raise InputError("p")
    with pytest.raises(InputError, match=r"^p$"), within(""):
        raise InputError("p")
