"""What of a data set could be left out to settle a finding, and by which names a recipe says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import tomli_w

from core.data.left_out import Namer
from core.doctor.data import ERROR, NOTE, WARNING, Finding, Gathered, Unit

_ONE_LINE = 100  # characters
_GRAVEST_FIRST = (ERROR, WARNING, NOTE)


def offered(findings: Sequence[Finding], found: Gathered) -> list[Finding]:
    """The findings with ``leave_out`` filled from ``spare``: names of just these photos and pairs.

    Nothing is offered that would leave none to train or to validate on, and what errors and warnings offer leaves
    some when all of it is taken: the graver come first. The answer is in that order.
    """
    alone = [(path,) for finding in findings if finding.kind == "unpaired" for path in finding.spare]
    units: dict[tuple[Path, ...], Unit] = {_group(unit): unit for unit in found.units}
    namer = Namer([*units, *alone])
    owners: dict[Path, set[Path]] = defaultdict(set)  # file -> what goes with it
    for group, unit in units.items():
        for file in unit.files:
            owners[file].add(group[0])
    for group in alone:
        owners[group[0]].add(group[0])
    known: dict[Path, str] = {}
    taken: set[Path] = set()  # if errors and warnings so far have their way
    answer = []
    for finding in sorted(findings, key=lambda finding: _GRAVEST_FIRST.index(finding.severity)):
        going = dict.fromkeys(owner for file in finding.spare for owner in sorted(owners.get(file, ())))
        names = []
        if going and _leaves_some(found.units, set(going) | taken):
            if finding.severity != NOTE:
                taken |= set(going)
            for owner in going:
                if owner not in known:
                    known[owner] = namer.name(owner)
                names.append(known[owner])
        # one line of a form holds one name: what breaks lines or cannot be shown is beyond it
        if not all(name.isprintable() and name == name.strip() for name in names):
            names = []
        answer.append(finding if finding.leave_out else replace(finding, leave_out=tuple(names)))
    return answer


def line_for(already: Sequence[str], findings: Sequence[Finding]) -> str:
    """The recipe's ``leave_out`` as TOML with what errors and warnings offer; empty when they offer nothing."""
    more = [name for item in findings if item.severity != NOTE for name in item.leave_out]
    if not more:
        return ""
    text = tomli_w.dumps({"leave_out": list(dict.fromkeys((*already, *more)))}).rstrip()
    first, *names, last = text.splitlines()
    joined = f"{first}{' '.join(name.strip() for name in names).rstrip(',')}{last}"
    return joined if len(joined) <= _ONE_LINE else text


def _group(unit: Unit) -> tuple[Path, ...]:
    return (unit.target,) if unit.input is None else (unit.input, unit.target)


def _leaves_some(units: Sequence[Unit], going: set[Path]) -> bool:
    roles = {(unit.validates, unit.input is None) for unit in units}
    return roles == {(unit.validates, unit.input is None) for unit in units if _group(unit)[0] not in going}
