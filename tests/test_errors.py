import pytest

from tfdomain.errors import InputError, TfdomainError


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
