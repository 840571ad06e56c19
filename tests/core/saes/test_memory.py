"""Memory that is stated before an SAE is loaded, against what it then takes."""

from __future__ import annotations

import pytest

from semascope.core.saes.formats.detect import describe
from semascope.core.saes.memory import bytes_mapped, bytes_needed, choices, parameters
from semascope.core.saes.weights import read_tensors
from tests.core.saes.golden import GOLDEN, folders
from tests.core.saes.make import config as plain_config
from tests.core.saes.make_layers import config, tensors


@pytest.mark.parametrize("name", folders())
def test_every_fixture(name: str) -> None:
    layout = describe(GOLDEN / name)
    numbers = sum(tensor.numel() for tensor in read_tensors(layout).values())
    known = parameters(layout.config)
    if layout.config.activation in ("matching_pursuit", "temporal"):  # one has no encoder, the other attention besides
        assert known == pytest.approx(numbers, rel=1.0)
    else:
        assert known == pytest.approx(numbers, rel=0.15)  # vectors count in ones so small
    assert bytes_needed(layout.config) == 4 * known
    assert bytes_needed(layout.config, "bfloat16") == 2 * known


@pytest.mark.parametrize("kind", ["transcoder_set", "cross_layer_transcoder", "crosscoder"])
def test_several_hook_points(kind: str) -> None:
    sizes = (40, 40, 40, 40)
    numbers = sum(tensor.numel() for tensor in tensors(kind, sizes=sizes).values())
    assert parameters(config(kind, sizes=sizes)) == pytest.approx(numbers, rel=0.25)


def test_a_crosscoder_that_may_write_everywhere_is_counted_so() -> None:
    sizes = (40, 40, 40, 40)
    least = sum(tensor.numel() for tensor in tensors("causal crosscoder", sizes=sizes).values())
    assert least < parameters(config("causal crosscoder", sizes=sizes)) < 2 * least


def test_the_choices() -> None:
    large = plain_config("jumprelu", d_in=2304, d_out=2304, d_sae=1 << 20)
    found = choices(large, mappable=True)
    assert found["float32"] == 2 * found["bfloat16"] == bytes_needed(large)
    assert found["float32"] == pytest.approx(2 * 2304 * (1 << 20) * 4, rel=0.01)
    assert found["mapped"] == bytes_mapped(large) < found["float32"] / 50
    assert "mapped" not in choices(large, mappable=False)
