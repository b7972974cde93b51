import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfdomain.preparation.html_remnants import has_html, without_html

WORDS = st.lists(st.sampled_from(["card", "3", "你好", "it's", '"so"', "é", "R&D", "x<y", "5>3", "#39"]), min_size=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one<br>two<BR/>three<br />four", "one\ntwo\nthree\nfour"),
        ("<b>H</b>ello, <i class='x'>you</I>", "Hello, you"),
        ("<p class=intro hidden>one</p>", "\none\n"),
        ("<td>1</td><td>2</td>", " 1  2 "),
        ('<a href="http://x.org/?a=1&copy=2&lt=3">here</a>', "here"),
        ("<img alt='a > b' src=x.png>", " "),
        ("<title>News</title>", "\nNews\n"),
        ("<!DOCTYPE html><?xml version='1.0'?>x<![if !vml]>y<![endif]>", "  x y "),
        ("<o:p></o:p>x", "x"),
    ],
)
def test_tags(text, expected):
    assert has_html(text)
    assert without_html(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d",
        "x<y and z>2",
        "if a<b and c>d",
        "a<b>c",
        "I <3 you",
        "p<0.05, n>30",
        "mail <EMAIL> or <EMAIL_2>, call <PHONE>",
        "Dear <title> <name>, your <address>",
        "<TITLE> <ADDRESS> <TIME> <CODE>",
        "vector<int> and List<String>",
        "<US10YT=RR>",
        "<不满意>",
        "<b and c>",
        "see http://x.org/?a=1&copy=2&lt=3",
        "AT&T, R&D; Marks & Spencer",
        "&unknown; &;",
        "->-- <- <>",
        "we felt; order #39, ticket #36; 5",
        '<input TYPE=补充点评 2007年11月5日',
        "the end: a <b",
    ],
)  # fmt: skip
def test_what_only_looks_like_html_stays(text):
    assert without_html(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<script>if (a<b) {x='<p>'}</script>ok", " ok"),
        ("<style type='text/css'>p {color: red}</STYLE >ok", " ok"),
        ("a<!-- <p>no</p> -->b", "a b"),
        ("<script><!--\nx()\n--></script>ok", " ok"),
        ("<!-- <script>x</script> -->ok", " ok"),
        ("a<script>1</script>b<script>2</script>c", "a b c"),
        ("never closed <!-- stays", "never closed <!-- stays"),
        ("how do I use <script> here", "how do I use  here"),
        ("left open <!-- <script>x</script>y", "left open <!--  y"),
    ],
)
def test_scripts_styles_and_comments_go_with_what_they_hold(text, expected):
    assert without_html(text) == expected


@pytest.mark.parametrize("cut", ['<a href="http://x.org/a', "<a href=http://x", "<img class='x' src='", '<a b="1" '])
def test_a_tag_that_the_end_cuts(cut):
    assert without_html(f"read {cut}") == "read "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("&quot;R&amp;D&quot; &#39;&#x4f60;&#22909;&#39;", "\"R&D\" '你好'"),
        ("&amp;amp;nbsp;|&amp;#39;", "\xa0|'"),
        ("caf&eacute; &hellip; &NBSP; &#146;", "café … \xa0 ’"),
        ("a&nbsp b&nbsp.", "a\xa0 b\xa0."),
        ("women #39;s and teams #39; AT amp;T", "women's and teams' AT&T"),
        (" quot;yes, quot; he said:  #36;10", '"yes," he said: $10'),
    ],
)
def test_entities(text, expected):
    assert without_html(text) == expected


@given(WORDS, st.sampled_from(["p", "div", "b", "span", "em", "h1", "li", "label"]))
def test_what_was_written_as_html_is_read_back(words, tag):
    text = " ".join(words)
    page = f"<{tag} class='{html.escape(words[0])}'>{html.escape(text)}</{tag}><!-- {words[0]} -->"
    assert without_html(page).strip() == text


@pytest.mark.parametrize("part", ["<", "<a ", '<a x="', "<!-- ", "<script>", "&amp;", "&", " #39", "<b hidden ", "</"])
def test_the_work_grows_with_the_text(part):
    """Thirty thousand openings without an end take well under the tests' time."""
    without_html(part * 30_000)
