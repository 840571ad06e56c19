"""How the interface writes numbers: activations, counts, shares. Plain functions."""


def activation_text(value: float) -> str:
    """An activation or logit with about three digits that matter: 14.2, 3.14, 0.052."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 0.1 or size == 0:
        return f"{value:.2f}".rstrip("0").rstrip(".") if size == 0 else f"{value:.2f}"
    return f"{value:.2g}"


def signed_text(value: float) -> str:
    """A signed value with two decimals: +2.31, −0.92."""
    return f"{value:+.2f}".replace("-", "−")


def count_text(value: int) -> str:
    """8,192"""
    return f"{value:,}"


def percent_text(share: float) -> str:
    """A share of tokens with as many digits as it has: 12.4 %, 0.41 %, 0.0031 %, 0 %."""
    percent = 100.0 * share
    if percent == 0:
        return "0 %"
    if percent >= 10:
        return f"{percent:.1f} %"
    if percent >= 0.01:
        return f"{percent:.2f} %"
    return f"{percent:.1g} %" if percent >= 1e-4 else "< 0.0001 %"
