import itertools
import json
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfdomain.config.preparation import PERSONAL_DATA
from tfdomain.errors import InputError
from tfdomain.preparation.personal_data import KINDS, PersonalDataMasker

FOLDER = Path(__file__).parent / "personal_data"
MASKER = PersonalDataMasker(KINDS, regions=["US", "GB", "CN"])


def values(text: str, masker: PersonalDataMasker = MASKER) -> list[tuple[str, str]]:
    return [(each.kind, text[each.start : each.end]) for each in masker.find(text)]


def test_the_kinds_are_those_of_the_configuration():
    assert KINDS == PERSONAL_DATA


# What was reached when the detectors were written: (right, wrong, missing) in the open half. The one miss runs an
# address into the words beside it.
REACHED = {kind: {"wrong": 0, "missing": 0} for kind in KINDS} | {"EMAIL": {"wrong": 1, "missing": 1}}


def test_the_open_half_is_found_at_least_as_well_as_before():
    items = [json.loads(line) for line in (FOLDER / "open.jsonl").read_text(encoding="utf-8").splitlines()]
    counts: Counter = Counter()
    touched = []
    for item in items:
        wanted = {tuple(span) for span in item["spans"]}
        found = {tuple(each) for each in MASKER.find(item["text"])}
        counts.update(("wrong", kind) for kind, _, _ in found - wanted)
        counts.update(("missing", kind) for kind, _, _ in wanted - found)
        if found and not wanted:
            touched.append(item["id"])
    assert len(items) == 264
    assert not touched
    for kind, reached in REACHED.items():
        for outcome, number in reached.items():
            assert counts[outcome, kind] <= number, (outcome, kind)


@pytest.mark.parametrize(
    ("text", "kind", "wanted"),
    [
        ("mail <o'brien@example.ie>.", "EMAIL", ["o'brien@example.ie"]),
        ("邮箱ｌｉ＠ｅｘａｍｐｌｅ．ｃｎ，", "EMAIL", ["ｌｉ＠ｅｘａｍｐｌｅ．ｃｎ"]),
        ("邮箱li@example.cn或müller@köln.example", "EMAIL", ["li@example.cn", "müller@köln.example"]),
        ("reach bob@example.com.Thanks", "EMAIL", ["bob@example.com"]),
        ("name=x&mail=he@example.com&next=1", "EMAIL", ["he@example.com"]),
        ("座机010-55550178转8001", "PHONE", ["010-55550178转8001"]),
        ("0571-5555 0178-802；", "PHONE", ["0571-5555 0178-802"]),
        ("打139-0013-2468/138 0013 8000吧", "PHONE", ["139-0013-2468", "138 0013 8000"]),
        ("(+86) 139 0013 2468", "PHONE", ["(+86) 139 0013 2468"]),
        ("１３９００１３２４６８号", "PHONE", ["１３９００１３２４６８"]),
        ("加V13900132468", "PHONE", ["13900132468"]),
        ("Tel 020 7946 0958 ext 12", "PHONE", ["020 7946 0958 ext 12"]),
        ("+44 (0)20 7946 0958", "PHONE", ["+44 (0)20 7946 0958"]),
        ("call me on 4045550155", "PHONE", ["4045550155"]),
        ("404-555-0155 or 404.555.0131", "PHONE", ["404-555-0155", "404.555.0131"]),
        ("caller ID 07400 612 345", "PHONE", ["07400 612 345"]),
        ("4111111111111111,4242424242424242", "CARD", ["4111111111111111", "4242424242424242"]),
        ("6011 1111 1111 1117 300 miles", "CARD", ["6011 1111 1111 1117"]),
        ("3714-496353-98431", "CARD", ["3714-496353-98431"]),
        ("卡６２２２０２１００１１２３４５６７９７吗", "CARD", ["６２２２０２１００１１２３４５６７９７"]),
        ("gb82west12345698765432.", "IBAN", ["gb82west12345698765432"]),
        ("FR14 2004 1010 0505 0001 3M02 606 DE89", "IBAN", ["FR14 2004 1010 0505 0001 3M02 606"]),
        ("汇ＤＥ８９３７０４００４４０５３２０１３０００吧", "IBAN", ["ＤＥ８９３７０４００４４０５３２０１３０００"]),
        ("IBANDE89370400440532013000", "IBAN", ["DE89370400440532013000"]),
        ("身份证11010519491231002x和", "RESIDENT_ID", ["11010519491231002x"]),
        ("110105 19491231 002X", "RESIDENT_ID", ["110105 19491231 002X"]),
        ("来自10.0.0.1的请求", "IP", ["10.0.0.1"]),
        ("[2001:db8::1]:443, fe80::1%eth0, ::ffff:192.0.2.1.", "IP", ["2001:db8::1", "fe80::1", "::ffff:192.0.2.1"]),
        ("地址：2001:DB8:0:0:8:800:200C:417A。", "IP", ["2001:DB8:0:0:8:800:200C:417A"]),
        ("DNS 8.8.8.8", "IP", ["8.8.8.8"]),
        ("http://192.0.2.1:80/x", "IP", ["192.0.2.1"]),
        ("点https://x.example/r?token=abc。", "URL", ["https://x.example/r?token=abc"]),
        ("[l](https://x.example/r?sid=1d)", "URL", ["https://x.example/r?sid=1d"]),
        ("www.x.example?pwd=abc,", "URL", ["www.x.example?pwd=abc"]),
        ("https://x.example/f?q=电饭煲&token=abc好的", "URL", ["https://x.example/f?q=电饭煲&token=abc"]),
        ("https://x.example/#access_token=abc", "URL", ["https://x.example/#access_token=abc"]),
        ("https://x.example/v?m=a%40b.com", "URL", ["https://x.example/v?m=a%40b.com"]),
        ("https://x.example/users/42/edit", "URL", ["https://x.example/users/42/edit"]),
        ("https://x.example/reset/9f8a7c6b5d4e3f2a1", "URL", ["https://x.example/reset/9f8a7c6b5d4e3f2a1"]),
        ("postgres://bob:pw@10.0.0.5/db", "URL", ["postgres://bob:pw@10.0.0.5/db"]),
        ("born in Leeds, England, on 4 May 1981", "BIRTH_DATE", ["4 May 1981"]),
        ("DOB:05-MAY-85; d.o.b. 5.5.85", "BIRTH_DATE", ["05-MAY-85", "5.5.85"]),
        ("Date of Birth (DD/MM/YYYY): 05/05/1985", "BIRTH_DATE", ["05/05/1985"]),
        ('"birthDate": "1985-05-05T00:00:00Z"', "BIRTH_DATE", ["1985-05-05"]),
        ("5 May 1985 is my daughter's date of birth", "BIRTH_DATE", ["5 May 1985"]),
        ("twins born on 3 May 2010 and 4 May 2010", "BIRTH_DATE", ["3 May 2010", "4 May 2010"]),
        ("本人生于1985年5月5日", "BIRTH_DATE", ["1985年5月5日"]),
        ("1985.05.05出生；1990年5月生，女", "BIRTH_DATE", ["1985.05.05", "1990年5月"]),
        ("出生年月：１９８５－０５－０５", "BIRTH_DATE", ["１９８５－０５－０５"]),
        ("生日为八五年五月五日", "BIRTH_DATE", ["八五年五月五日"]),
    ],
)  # fmt: skip
def test_what_is_found(text, kind, wanted):
    assert values(text) == [(kind, value) for value in wanted]


@pytest.mark.parametrize(
    "text",
    [
        "icon@2x.png, user@host, @jo@mastodon.example, a@b",
        "order no. 020 7946 0958, Ref: 07400612345, 订单号13912345678",
        "sum 4045550155, SF13912345678, item 202-555-0134-A, 2.025.550.134, DFARS 252.227-7013",
        "手机号139****2468，13912345678元",
        "2024-04-02 0912, 20240402091244, 02.04.2024 09.12, 1995-2005-2015",
        "https://x.example/4111111111111111/13912345678",
        "1717410023457 4006381333931 0000 0000 0000 0000 x4111111111111111",
        "IMEI1 352099001761481 IMEI2 352099001761481",
        "GB82 WEST 1234 5698 7654 33, XX89370400440532013000",
        "110105194912310021, 110105194913310028, 910105194912310026",
        "version 1.2.3.4, nginx-1.2.3.4.tar.gz, Client/10.0.3.21, 10.0.3.22-beta, 1.2.3.4.5, 8.8.8.8, 256.1.1.1",
        "std::vector, Cafe::Bed, dead::beef, 12:30:45, 00:1A:2B:3C:4D:5E:6F:70, 10::20",
        "https://x.example/?session=keynote&sort_key=asc&key=price&code=SUMMER24&user=me",
        "https://x.example/commit/2ef7bde608ce5404e97d5f042f95f89f1c232871 https://x.example/@joe",
        "The company was born on 1 May 2001. born again on 3 May 2020. He was born in 1985 and joined on 4 May 2001.",
        "事故发生于2023年1月1日，2023年1月1日生效，医生于2024年3月2日开药，出生证明2020年2月2日签发",
        "生日蛋糕2024年5月4日取，公司生日是2001年5月4日，2023年1月1日生产",
    ],
)
def test_what_stays(text):
    assert values(text) == []
    assert MASKER.mask(text) == (text, {})


def test_placeholders_are_consistent_within_a_text():
    text = "a@example.com b@example.com A@Example.com ａ＠example.com"
    assert MASKER.mask(text) == ("<EMAIL> <EMAIL_2> <EMAIL> <EMAIL>", {"EMAIL": 4})
    assert MASKER.mask("c@example.com")[0] == "<EMAIL>"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("139 0013 2468 +86-139-0013-2468 １３９００１３２４６８ 13900132469", "<PHONE> <PHONE> <PHONE> <PHONE_2>"),
        ("+1 404-555-0155, (404) 555-0155, 404-555-0155 x1", "<PHONE>, <PHONE>, <PHONE_2>"),
        ("4111 1111 1111 1111, 4111111111111111", "<CARD>, <CARD>"),
        ("DE89 3704 0044 0532 0130 00, de89370400440532013000", "<IBAN>, <IBAN>"),
        ("2001:db8::1, 2001:0DB8:0:0:0:0:0:1", "<IP>, <IP>"),
        ("born 5 May 1985, DOB 1985-05-05", "born <BIRTH_DATE>, DOB <BIRTH_DATE>"),
        ("生日19850505，生于1985年5月6日", "生日<BIRTH_DATE>，生于<BIRTH_DATE_2>"),
    ],
)  # fmt: skip
def test_equal_values_in_other_forms_get_one_placeholder(text, masked):
    assert MASKER.mask(text)[0] == masked


def test_placeholders_of_the_text_are_left_and_not_given_out_again():
    assert MASKER.mask("<EMAIL> <PHONE_3> <EMAIL_x>") == ("<EMAIL> <PHONE_3> <EMAIL_x>", {})
    masked, counts = MASKER.mask("<EMAIL> and <PHONE_3>: a@example.com, 404-555-0155")
    assert (masked, counts) == ("<EMAIL> and <PHONE_3>: <EMAIL_2>, <PHONE_4>", {"EMAIL": 1, "PHONE": 1})


def test_what_would_only_show_beside_a_placeholder_is_found_at_once():
    text = "https://x.example/?token=1,https://y.example/?token=24111111111111111 <PHONE>4045550155"
    assert MASKER.mask(MASKER.mask(text)[0]) == (MASKER.mask(text)[0], {})


PIECES = [
    "a@example.com", "139 0013 2468", "+86", "(404) 555-0155", "ext. 5", "4111111111111111", "6222 0212 3456 7890 128",
    "DE89 3704 0044 0532 0130 00", "11010519491231002X", "10.0.3.21", "version ", "2001:db8::1", "::", "https://",
    "x.example/?token=abc", "www.", "born on ", "5 May 1985", "出生", "1985年5月5日", "生", "<EMAIL>", "<PHONE_2>", "<",
    ">", "1", "x", "@", ".", ",", "-", " ", "\n", "call ", "订单号", "，", "：", "１", "Ａ", "\0", "²", "٣", "İ",
]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=12).map("".join))
def test_masking_twice_is_masking_once(text):
    found = MASKER.find(text)
    assert found == sorted(found, key=lambda each: each.start)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))
    masked, counts = MASKER.mask(text)
    assert counts == Counter(each.kind for each in found)
    assert MASKER.find(masked) == []
    assert MASKER.mask(masked) == (masked, {})


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), st.sets(st.sampled_from(KINDS)))
def test_masking_twice_is_masking_once_for_some_kinds(text, kinds):
    masker = PersonalDataMasker(sorted(kinds), regions=["US"])
    masked, counts = masker.mask(text)
    assert set(counts) <= kinds
    assert masker.mask(masked) == (masked, {})


def test_kinds_that_are_not_asked_for_stay_whole():
    masker = PersonalDataMasker(["PHONE"], regions=["CN"])
    text = "13900132468@example.com 13900132468 https://x.example/?token=13900132468"
    assert masker.mask(text) == (text.replace(" 13900132468 ", " <PHONE> "), {"PHONE": 1})


def test_national_forms_are_known_in_the_regions_alone():
    text = "020 7946 0958, 139 0013 2468, +86 139 0013 2469"
    british = PersonalDataMasker(["PHONE"], regions=["GB"])
    assert values(text, british) == [("PHONE", "020 7946 0958"), ("PHONE", "+86 139 0013 2469")]
    nowhere = PersonalDataMasker(["PHONE"], regions=[])
    assert values(text, nowhere) == [("PHONE", "+86 139 0013 2469")]


@pytest.mark.parametrize("piece", ["a@", "1 ", "1.", "(", "https://a?", "生", "born ", "x", " ", "::", "DE89 ", "12-"])
def test_long_texts_of_one_piece_end(piece):
    start = time.process_time()
    MASKER.find(piece * (40_000 // len(piece)))
    # Time in proportion to the square of the length would be minutes.
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kinds": ["EMAL"]}, "kinds: 'EMAL' is no kind of personal data; did you mean EMAIL"),
        ({"kinds": ["NAME"]}, "kinds: 'NAME' is no kind of personal data"),
        ({"kinds": "EMAIL"}, "kinds: is the string 'EMAIL'; give a list"),
        ({"kinds": ["PHONE"], "regions": ["cn"]}, "regions: 'cn' is no region of phonenumbers; did you mean CN"),
        ({"kinds": ["PHONE"], "regions": ["UK"]}, "regions: 'UK' is no region of phonenumbers"),
    ],
)
def test_arguments_that_are_wrong(arguments, message):
    with pytest.raises(InputError) as caught:
        PersonalDataMasker(**arguments)
    assert message in str(caught.value) and "\n" not in str(caught.value)
