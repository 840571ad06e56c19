"""What the shapes of tensors say about a map of them: which axis is which, what does not fit, what is still missing.

One list of faults serves the refusal of a written map and the dialog that writes one. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from semascope.core.foreign.headers import FLOATS, TensorInfo
from semascope.core.saes.formats.layout import Stored
from semascope.core.saes.tensor_map import ACTIVATIONS, ROLES, TOPS, TensorMap

_GATE = ("b_gate", "r_mag", "b_mag")
_AXES = {"m": "features", "d_in": "values that it reads", "d_out": "values that it gives"}

Headers = Mapping[str, Mapping[str, TensorInfo]]
"""The tensors of each file, by the file's name."""


def resolved(plan: TensorMap, headers: Headers, file: str) -> dict[str, Stored]:
    """The tensors with all their axes, as the shapes of the file `file` and others show; those left open are absent."""
    shapes = {
        role: headers[stored.file or file][stored.name].shape
        for role, stored in plan.tensors.items()
        if stored.name in headers.get(stored.file or file, {})
    }
    features = _features(shapes)
    found = {}
    for role, shape in shapes.items():
        stored = plan.tensors[role]
        axes = () if _for_all(role, shape) else stored.axes or _axes(role, shape, features)
        if axes:
            found[role] = stored._replace(axes=axes)
    skip, encoder = shapes.get("W_skip", ()), found.get("W_enc")
    if "W_skip" not in found and encoder is not None and len(skip) == 2 and skip[0] != skip[1]:
        reads = shapes["W_enc"][encoder.axes.index("d_in")]
        axes = ROLES["W_skip"].axes
        found["W_skip"] = plan.tensors["W_skip"]._replace(axes=axes if skip[0] == reads else axes[::-1])
    return found


def faults(plan: TensorMap, headers: Headers, file: str) -> list[str]:
    """Why this is no SAE yet: sentences, the first of which matters most; nothing when it is one."""
    return list(_faults(plan, headers, file))


def _faults(plan: TensorMap, headers: Headers, file: str) -> Iterator[str]:
    for role, stored in plan.tensors.items():
        there = headers.get(stored.file or file, {})
        if stored.name not in there:
            yield f"{stored.file or file} has no tensor {stored.name[:60]}, which is to be {role}."
        elif there[stored.name].dtype not in FLOATS:
            yield f"{stored.name[:60]} holds {there[stored.name].dtype} and no fractions, so it can't be {role}."
    for role, other in (("W_enc", "W_dec"), ("W_dec", "W_enc")):
        if role not in plan.tensors and not (plan.tied and other in plan.tensors):
            yield f"Which tensor is the {ROLES[role].words} ({role})?"
    if plan.activation in TOPS and (plan.k is None or plan.k < 1):
        yield f"How many features does it keep for each token (k)? {ACTIVATIONS[plan.activation]} needs that."
    if (
        plan.activation == "jumprelu"
        and plan.threshold is None
        and not {"threshold", "log_threshold"} & plan.tensors.keys()
    ):
        yield "Which tensor holds the thresholds? JumpReLU needs them, or one number for all features."
    missing = [role for role in _GATE if role not in plan.tensors] if plan.activation == "gated" else []
    for role in missing:
        yield f"Which tensor is the {ROLES[role].words} ({role})? A gated SAE has one."
    yield from _misshapen(plan, headers, file)


def _misshapen(plan: TensorMap, headers: Headers, file: str) -> Iterator[str]:
    """Shapes that do not fit each other, or leave open which axis is which."""
    known = resolved(plan, headers, file)
    lengths: dict[str, tuple[int, str]] = {}
    for role, stored in plan.tensors.items():
        info = headers.get(stored.file or file, {}).get(stored.name)
        if info is None:
            continue
        if _for_all(role, info.shape):
            continue
        if len(info.shape) != len(ROLES[role].axes):
            yield f"{stored.name[:60]} has the shape {info.shape}; {role} has {_dimensions(len(ROLES[role].axes))}."
        elif role not in known:
            whose = "what it reads" if role == "W_skip" else "the features"
            yield f"The shape of {stored.name[:60]}, {info.shape}, leaves open which of its axes are {whose}."
        else:
            for axis, length in zip(known[role].axes, info.shape, strict=True):
                before = lengths.setdefault(axis, (length, role))
                if before[0] != length:
                    yield f"{role} has {length:,} {_AXES[axis]}, but {before[1]} has {before[0]:,}."
    features = lengths.get("m", (0, ""))[0]
    if plan.k is not None and plan.activation in TOPS and features and plan.k > features:
        yield f"k is {plan.k:,}, but there are only {features:,} features."
    elif plan.k and plan.activation == "groupmax" and features % plan.k:
        yield f"{features:,} features can't be parted into {plan.k:,} groups of the same size."
    reads, gives = lengths.get("d_in", (0, ""))[0], lengths.get("d_out", (0, ""))[0]
    if plan.subtract_b_dec and reads and gives and reads != gives:
        yield f"b_dec can't be subtracted: it reads {reads:,} values and gives {gives:,}."


def _for_all(role: str, shape: tuple[int, ...]) -> bool:
    """Whether it is one number for all features, as BatchTopK's threshold is."""
    return role == "threshold" and shape in ((), (1,))


def _dimensions(count: int) -> str:
    return "one axis" if count == 1 else f"{count} axes"


def _features(shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    """How many features there are, as far as the vectors of one number for each feature tell."""
    for role in ("b_enc", "threshold", "log_threshold", *_GATE):
        if role in shapes and len(shapes[role]) == 1 and shapes[role][0] > 1:
            return shapes[role][0]
    return None


def _axes(role: str, shape: tuple[int, ...], features: int | None) -> tuple[str, ...]:
    """Which axis is which, or () where the shape leaves it open."""
    ours = ROLES[role].axes
    if len(shape) != len(ours):
        return ()
    if len(shape) == 1:
        return ours
    if shape[0] == shape[1] or "m" not in ours:
        return ()
    # An SAE has more features than it reads values, unless its vectors say otherwise.
    rows = shape[0] == features if features in shape else shape[0] > shape[1]
    return ours if rows == (ours[0] == "m") else ours[::-1]
