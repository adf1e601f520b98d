"""Tests that text from outside becomes one line without markup or control characters."""

import html
import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pso_pipeline.text import LONGEST_SHOWN, for_chat, for_html, for_markdown, for_terminal

ALL = [for_terminal, for_markdown, for_chat, for_html]
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

hostile = st.text(
    st.one_of(
        st.sampled_from("[]()<>!@#&;:/\\|`*_~'\"\x1b\x9b\x9d\x07\u202e\u2066\u200b\ufeff\ud800\r\n\t"),
        st.characters(exclude_categories=()),
    ),
    max_size=40,
)


@pytest.mark.parametrize("clean", ALL)
@given(text=hostile)
def test_one_line_without_invisible_characters(clean, text):
    cleaned = clean(text)
    assert not {unicodedata.category(each) for each in cleaned} & INVISIBLE
    assert cleaned == cleaned.strip()
    cleaned.encode()


@given(text=hostile)
def test_nothing_in_markdown_and_chat_opens_anything(text):
    for clean in (for_markdown, for_chat):
        assert not set(clean(text)) & set("[]<>`\\|")
        assert "://" not in html.unescape(clean(text))
        assert not re.search(r"@\S|www\.", html.unescape(clean(text)), re.IGNORECASE)


@given(text=hostile)
def test_html_comes_back_as_the_text(text):
    assert not set(for_html(text)) & set("<>'\"")
    assert html.unescape(for_html(text)) == for_terminal(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\", "here"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("two\r\nlines\u2028more", "two lines more"),
        ("Hôtel Élysée 東京 [b]", "Hôtel Élysée 東京 [b]"),
        ("\ud800broken", "broken"),
    ],
)
def test_a_terminal_shows(text, shown):
    assert for_terminal(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![x](https://evil.example/a.png)", "!(x)(https: //evil.example/a.png)"),
        ("https&#58;//evil.example", "https& #58;//evil.example"),
        (r"https:\/\/evil.example", "https: ////evil.example"),
        ("www.evil.example and a@evil.example", "www .evil.example and a@ evil.example"),
        ("<img src=x onerror=alert(1)>", "(img src=x onerror=alert(1))"),
        ("<!channel> <https://evil.example|Mews> @here", "(!channel) (https: //evil.example/Mews) @ here"),
        ("Bed & Breakfast, 15:30", "Bed & Breakfast, 15:30"),
    ],
)
def test_markdown_and_chat_show(text, shown):
    assert for_markdown(text) == for_chat(text) == shown


def test_a_long_text_is_cut():
    assert len(for_terminal("x" * 10_000_000)) == LONGEST_SHOWN
    assert for_terminal("x" * 10_000_000).endswith("x…")


def test_rich_prints_it_as_it_is():
    out = io.StringIO()
    Console(file=out, markup=False, emoji=False, highlight=False, width=200).print(for_terminal("[/b] [red]x :smile:"))
    assert out.getvalue().strip() == "[/b] [red]x :smile:"
