"""Markdown on the page: the same marks as in the transcript, and nothing of a stranger's text becomes HTML."""

import pytest

from bot.sandbox.markdown_html import as_html

NAMES = {"5": "user"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "<div>plain</div>"),
        ("<b>&", "<div>&lt;b&gt;&amp;</div>"),
        ("**bold** and *thin*", "<div><strong>bold</strong> and <em>thin</em></div>"),
        ("***both*** not", "<div><strong><em>both</em></strong> not</div>"),
        ("**a *b** c", "<div><strong>a <em>b</em></strong> c</div>"),
        ("**open", "<div><strong>open</strong></div>"),
        (r"\*not\* `a*b`", "<div>*not* <code>a*b</code></div>"),
        ("<@5> <@6>", '<div><span class="mention">@user</span> &lt;@6&gt;</div>'),
        ("</style add:9>", '<div><span class="mention">/style add</span></div>'),
        ("[a<b](https://x.org/)", '<div><span class="link">a&lt;b</span></div>'),
        ("<t:1300:R>", "<div><time>in 5 minutes</time></div>"),
        ("### Head\n-# small", '<div class="h3">Head</div><div class="small">small</div>'),
        ("- one\n1. two", '<div class="item">one</div><div>1. two</div>'),
    ],
)
def test_text_becomes_html(text: str, shown: str) -> None:
    assert as_html(text, NAMES.get, 1000.0) == shown
