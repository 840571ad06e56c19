"""The page "What opens" is what the tables say, and the tables are what the program does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from semascope.core.identify import identify
from semascope.core.models.hookpoint import SITES
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import FAMILIES
from semascope.core.saes.formats.layout import Family
from semascope.core.saes.formats.what_opens import MODELS, REPORTED, page
from tests.core.models import families
from tests.core.saes.golden import GOLDEN, folders

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "resources" / "help" / "what-opens.md"


def test_the_page_is_up_to_date() -> None:
    """After a change: python -m semascope.core.saes.formats.what_opens > resources/help/what-opens.md"""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_readme_leads_to_it() -> None:
    assert "resources/help/what-opens.md" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_says_all(family: Family) -> None:
    assert family.title
    assert family.rule.endswith((".", "below)."))
    assert family.files
    assert family.releases
    text = " ".join(page().split())
    for said in (family.rule, f"(`{family.name}`)", *family.files, *family.releases):
        assert said in text


def test_every_format_of_a_fixture_is_a_family_of_the_page() -> None:
    names = {family.name for family in FAMILIES}
    assert len(names) == len(FAMILIES)
    assert {identify(GOLDEN / name).format for name in folders()} <= names


def test_every_model_that_is_tested_is_on_the_page() -> None:
    listed = {name for classes in MODELS.values() for name in classes}
    assert listed == {type(families.build(name)).__name__ for name in families.FAMILIES}


def test_every_site_is_on_the_page() -> None:
    text = page()
    assert all(f"| `{site}` | {what} |" in text for site, what in SITES.items())


def test_what_identify_reports_is_all_of_it() -> None:
    assert set(identify(GOLDEN / "sae_lens/standard").as_json()) == set(REPORTED)


def test_the_map_on_the_page_opens(tmp_path: Path) -> None:
    found = re.search(r"```json\n(.*?)```", page(), re.DOTALL)
    assert found
    plan = json.loads(found[1])
    (tmp_path / "semascope-map.json").write_text(found[1])
    torch.manual_seed(0)
    d, m = 6, 80
    tensors = {
        "encoder.weight": torch.randn(m, d), "encoder.bias": torch.randn(m),
        "decoder.weight": torch.randn(d, m), "decoder.bias": torch.randn(d),
    }  # fmt: skip
    torch.save(tensors, tmp_path / plan["weights"])
    sae = open_sae(tmp_path, device="cpu")
    assert str(sae.config.hook_point) == plan["hook"]
    x = torch.randn(3, d)
    p = (x - tensors["decoder.bias"]) @ tensors["encoder.weight"].T + tensors["encoder.bias"]
    top = p.topk(plan["k"], dim=-1)
    f = torch.zeros_like(p).scatter(-1, top.indices, top.values.relu())
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
