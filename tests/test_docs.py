"""Links in the documentation lead to a file of the repository, and to a heading in it."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

ROOT = Path(__file__).parents[1]
PAGES = sorted(page for place in ("*.md", "docs/**/*.md", "bundles/*/docs/*.md") for page in ROOT.glob(place))
MARKDOWN = MarkdownIt().enable("table")


@cache
def parts(page: Path) -> list[SyntaxTreeNode]:
    return list(SyntaxTreeNode(MARKDOWN.parse(page.read_text())).walk(include_self=False))


@cache
def anchors(page: Path) -> set[str]:
    """Those that GitHub makes of headings: without punctuation, and numbered where several are alike."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in (part for part in parts(page) if part.type == "heading"):
        text = "".join(part.content for part in heading.walk() if part.type in ("text", "code_inline"))
        name = re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def broken(page: Path, *, root: Path = ROOT) -> Iterator[str]:
    """What is wrong with a page's links; those to other sites are not followed."""
    for part in parts(page):
        if part.type.startswith("html") or (part.type == "text" and "](" in part.content):
            yield f"{part.content}: write a link as [text](path)"
        link = str(part.attrs.get("href", part.attrs.get("src", "")))
        scheme, host, path, _, anchor = map(unquote, urlsplit(link))
        if not link or scheme or host:
            continue
        target = (page.parent / path).resolve() if path else page
        if not (target.is_relative_to(root) and target.exists()):
            yield f"{link}: there is no such file"
        elif anchor and (target.suffix != ".md" or anchor not in anchors(target)):
            yield f"{link}: there is no such heading"


@pytest.mark.parametrize("page", [str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page):
    assert list(broken(ROOT / page)) == []


def test_links_that_lead_nowhere_are_found(tmp_path):
    right = (
        "a.md#the---out-dir-of-train",
        "#twice",
        "#twice-1",
        "#so-called",
        "sub",
        "a%20b.png",
        "https://a.org/none",
    )
    wrong = ("#twice-2", "#in-code", "none.md", "sub#a", "a%20b.png#a", "..", "/a.md")
    (tmp_path / "sub").mkdir()
    (tmp_path / "a b.png").touch()
    text = "# The `--out` DIR of *train*\n## Twice\n## Twice\n## So [called](sub)\n```\n# In code [x](none)\n```\n"
    text += "".join(f"`[x](none)` ![x](sub) [x]({link})\n" for link in (*right, *wrong))
    (tmp_path / "a.md").write_text(text + "<a href='none'>\n[x](a b.png)\n")
    told = [one.rpartition(":")[0] for one in broken(tmp_path / "a.md", root=tmp_path)]
    assert told == [*wrong, "<a href='none'>", "[x](a b.png)"]
