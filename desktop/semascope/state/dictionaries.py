"""The dictionaries that are open: each an SAE, the harvest that was made with it, or both. No Qt.

Which of them is the current one, the session says (`Session.key`). What does not belong together never meets: a harvest is
filed under the fingerprint of the SAE that made it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from semascope.core.models.hookpoint import hooks_text
from semascope.core.session.document import Dictionary, Session

if TYPE_CHECKING:
    from semascope.core.harvest.store import Harvest
    from semascope.jobs.infos import SAEInfo


@dataclass(frozen=True, eq=False)
class OpenDictionary:
    """One that is open.

    Attributes:
        key: The SAE's fingerprint, or where the harvest lies when it doesn't tell its SAE's.
        sae: The SAE, or None while it isn't loaded.
        harvest: The harvest, or None when there is none.
        reference: What the session says of it.
    """

    key: str
    sae: SAEInfo | None
    harvest: Harvest | None
    reference: Dictionary

    @property
    def name(self) -> str:
        """What its files are called."""
        part = self.reference.sae or self.reference.harvest
        return self.sae.name if self.sae is not None else part.name if part is not None else ""

    @cached_property
    def places(self) -> tuple[str, ...]:
        """Where it reads, each place by itself."""
        if self.sae is not None and self.sae.reads:
            return self.sae.reads
        return tuple(map(str, self.harvest.hooks)) if self.harvest is not None else ()

    @property
    def place(self) -> str:
        """Where it reads, in one line: "resid_post.15", "mlp_in.0-25"; its name where that isn't known."""
        if self.sae is not None and self.sae.hook_point:
            return self.sae.hook_point
        return (hooks_text(self.harvest.hooks) if self.harvest is not None else "") or self.name

    @property
    def features(self) -> int:
        """All its features."""
        return self.sae.features if self.sae is not None else self.harvest.features if self.harvest is not None else 0

    @cached_property
    def layered(self) -> bool:
        """Whether each feature belongs to one of several places: a transcoder set, or a cross-layer transcoder."""
        return self.encoders > 1 and len(self.places) == self.encoders and self.features % self.encoders == 0

    @property
    def encoders(self) -> int:
        """How many encoders it has: ids count through them one after the other."""
        if self.sae is not None:
            return self.sae.encoders
        made = self.harvest.info.get("sae", {}).get("encoders", 1) if self.harvest is not None else 1
        return made if isinstance(made, int) and made > 0 else 1

    def place_of(self, feature: int) -> str:
        """Where one feature is read."""
        return self.places[feature * self.encoders // self.features] if self.layered else self.place


class Dictionaries:
    """What is loaded, by fingerprint."""

    def __init__(self) -> None:
        self._saes: dict[str, SAEInfo] = {}
        self._harvests: dict[str, Harvest] = {}

    @property
    def saes(self) -> tuple[SAEInfo, ...]:
        """The open SAEs in the order they were opened in."""
        return tuple(self._saes.values())

    def sae(self, key: str) -> SAEInfo | None:
        return self._saes.get(key)

    def harvest(self, key: str) -> Harvest | None:
        return self._harvests.get(key)

    def __bool__(self) -> bool:
        return bool(self._saes or self._harvests)

    def listed(self, session: Session) -> tuple[OpenDictionary, ...]:
        """Those of a session that are open, in its order; and the current one, if others are."""
        return tuple(
            OpenDictionary(each.key, self.sae(each.key), self.harvest(each.key), each)
            for each in session.dictionaries
            if each.key in self._saes or each.key in self._harvests
        )

    def put_sae(self, info: SAEInfo) -> None:
        """An SAE was opened, or is read otherwise."""
        self._saes[info.fingerprint] = info

    def put_harvest(self, key: str, harvest: Harvest | None) -> None:
        """A harvest was opened, or (None) closed."""
        if harvest is None:
            self._harvests.pop(key, None)
        else:
            self._harvests[key] = harvest

    def keep_only(self, infos: Iterable[SAEInfo]) -> tuple[SAEInfo, ...]:
        """These SAEs are open and no others; returns those that were until now."""
        before, self._saes = self._saes, {info.fingerprint: info for info in infos}
        return tuple(info for mark, info in before.items() if mark not in self._saes)

    def drop_sae(self, key: str) -> None:
        """An SAE was closed."""
        self._saes.pop(key, None)

    def clear(self) -> None:
        """Nothing is open."""
        self._saes.clear()
        self._harvests.clear()


def made_with(harvest: Harvest) -> str:
    """The fingerprint of the SAE that made a harvest, or "" when it does not say."""
    return str(harvest.info.get("sae", {}).get("sha256", ""))
