"""Plans a merge: which files to write from which, and under which machine's name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from detcost.evidence import places
from detcost.evidence.reading import Problem
from detcost.farm.merging import identities
from detcost.farm.merging.asv_files import LocatedTarget, MachineTarget, ResultTarget, WholeTarget
from detcost.farm.merging.evidence_files import EvidencePart, EvidenceTarget
from detcost.farm.merging.evidence_lines import FileSummary
from detcost.farm.merging.identities import Identity
from detcost.farm.merging.looking import Whole
from detcost.farm.merging.sources import LOCATED, LOCATED_SUFFIX, MACHINE, SourceFile
from detcost.host import words

Target = EvidenceTarget | WholeTarget


class MergePlan:
    """What a merge writes.

    Attributes
    ----------
    names
        The name of each machine in the merged results.
    targets
        The files to write, without those that are as they should be.
    paths
        The paths of all files of the merged results, except ``benchmarks.json``.
    carried
        The files whose content the merged results have.
    settled
        The number of records in files that are as they should be.
    problems
        What is left out.
    """

    def __init__(
        self, evidence: Sequence[FileSummary], wholes: Sequence[Whole], into: Path
    ) -> None:
        self._into = str(into)
        self.problems: list[Problem] = []
        self.targets: list[Target] = []
        self.paths: set[str] = set()
        self.carried: list[tuple[SourceFile, int]] = []
        self.settled = 0
        self._seen = _newest_by_place(evidence)
        machines = list(self._machines(wholes))
        self._of_place = {whole.file.place: identity for whole, identity in machines}
        known = {identity for summary in evidence for identity in summary.machines}
        self.names = identities.names({*known, *self._of_place.values()})
        self._plan_evidence(evidence)
        self._plan_whole(machines, MachineTarget)
        self._plan_whole(self._results(wholes), ResultTarget)
        self._plan_located([w for w in wholes if w.file.kind == "located" and w.content])

    def _machines(self, wholes: Iterable[Whole]) -> Iterator[tuple[Whole, Identity]]:
        """Yield the descriptions of machines. Evidence beside one tells better what it is."""
        for whole in wholes:
            if whole.file.kind != "machine" or not whole.content:
                continue
            name = whole.content["machine"]
            beside = self._seen.get((whole.file.place, name))
            identity = beside or Identity(name, words.identity(whole.content))
            if identity.is_safe:
                yield whole, identity
            else:
                self._leave_out(whole, f'the name "{name}" can name no folder')

    def _results(self, wholes: Iterable[Whole]) -> Iterator[tuple[Whole, Identity]]:
        """Yield asv's results. Of a path, those of one commit and environment count."""
        subjects: dict[str, tuple[str, str]] = {}
        found = []
        for whole in wholes:
            if whole.file.kind != "result" or not whole.content:
                continue
            identity = self._of_place.get(whole.file.place)
            if identity is None or identity.name != whole.content.machine:
                named = identity.name if identity else "no machine"
                self._leave_out(
                    whole, f"of {whole.content.machine}, but {MACHINE} beside it is of {named}"
                )
                continue
            path = self._path(identity, whole.file.name)
            subjects[path] = max(subjects.get(path, ("", "")), whole.content.subject)
            found.append((whole, identity, path))
        for whole, identity, path in found:
            if whole.content.subject == subjects[path]:
                yield whole, identity
            else:
                self._leave_out(whole, "another file of this name is of another commit")

    def _plan_whole(
        self, wholes: Iterable[tuple[Whole, Identity]], kind: type[WholeTarget]
    ) -> None:
        by_path: dict[str, list[tuple[Whole, Identity]]] = {}
        for whole, identity in wholes:
            by_path.setdefault(self._path(identity, whole.file.name), []).append((whole, identity))
            self.carried.append((whole.file, whole.size))
        for path, several in by_path.items():
            first = several[0][0]
            name = self.names[several[0][1]]
            alike = all(w.digest == first.digest and i.name == name for w, i in several)
            paths = [whole.file.path for whole, _ in several]
            self._add(kind(path, name, paths, alike), alike and path in paths)

    def _plan_evidence(self, evidence: Sequence[FileSummary]) -> None:
        by_path: dict[str, list[tuple[FileSummary, Identity]]] = {}
        for summary in evidence:
            for identity in summary.machines:
                path = self._path(identity, summary.file.name)
                by_path.setdefault(path, []).append((summary, identity))
            if summary.machines:
                self.carried.append((summary.file, summary.size))
        for path, several in by_path.items():
            finished = str(places.finished(Path(path))) if places.is_unfinished(Path(path)) else ""
            self._plan_evidence_file(path, several, by_path.get(finished, []))

    def _plan_evidence_file(
        self,
        path: str,
        several: Sequence[tuple[FileSummary, Identity]],
        finished: Sequence[tuple[FileSummary, Identity]],
    ) -> None:
        first, name = several[0][0], self.names[several[0][1]]
        alike = not finished and all(
            s.clean and len(s.machines) == 1 and s.digest == first.digest and i == several[0][1]
            for s, i in several
        )
        parts = list(map(_part, several))
        renames = any(identity.name != name for _, identity in several)
        done = alike and not renames and path in [part.path for part in parts]
        self.settled += first.records if done else 0
        target = EvidenceTarget(
            path=path,
            name=name,
            parts=parts,
            finished=list(map(_part, finished)),
            records=first.records if alike else None,
            renames=renames,
        )
        self._add(target, done)

    def _plan_located(self, wholes: Sequence[Whole]) -> None:
        """Plan the files of ``locate``. Of one name, versions of TensorFlow are told apart."""
        by_folder: dict[str, list[tuple[Whole, Identity]]] = {}
        for whole in wholes:
            if machine := self._named_by(whole):
                stem = whole.file.name.removesuffix(LOCATED_SUFFIX)
                subject = Identity(stem, whole.content.version)
                by_folder.setdefault(machine, []).append((whole, subject))
        for machine, found in by_folder.items():
            stems = identities.names(subject for _, subject in found)
            by_path: dict[str, list[Whole]] = {}
            for whole, subject in found:
                name = f"{stems[subject]}{LOCATED_SUFFIX}"
                path = os.path.join(self._into, machine, LOCATED, name)
                by_path.setdefault(path, []).append(whole)
            for path, several in by_path.items():
                self._plan_located_file(path, machine, several)

    def _plan_located_file(self, path: str, machine: str, several: Sequence[Whole]) -> None:
        newest = max(several, key=lambda whole: (whole.content.located_at, whole.digest))
        for whole in several:
            if whole.content.subject == newest.content.subject:
                self.carried.append((whole.file, whole.size))
            else:
                self._leave_out(whole, "another file of this name is of another cell")
        copy = newest.content.machine.get("name") == machine
        done = copy and newest.file.path == path
        self._add(LocatedTarget(path, machine, [newest.file.path], copy), done)

    def _named_by(self, whole: Whole) -> str | None:
        """Return the new name of the machine on which ``locate`` ran."""
        name = str(whole.content.machine.get("name"))
        if beside := self._seen.get((whole.file.place, name)):
            return self.names[beside]
        others = {new for machine, new in self.names.items() if name in (machine.name, new)}
        if len(others) > 1:
            self._leave_out(whole, f"several unlike machines have the name {name}")
        elif not Identity(name, "").is_safe:
            self._leave_out(whole, f'the name "{name}" can name no folder')
        else:
            return others.pop() if others else name
        return None

    def _path(self, machine: Identity, name: str) -> str:
        return os.path.join(self._into, self.names[machine], name)

    def _add(self, target: Target, done: bool) -> None:
        self.paths.add(target.path)
        self.targets += [] if done else [target]

    def _leave_out(self, whole: Whole, why: str) -> None:
        self.problems.append(whole.file.problem(why))


def _part(pair: tuple[FileSummary, Identity]) -> EvidencePart:
    """Return what a file gives to a target. Its first machine keeps what cannot be read."""
    summary, identity = pair
    several = len(summary.machines) > 1
    unreadable = summary.file.own and bool(summary.problems) and identity == min(summary.machines)
    return EvidencePart(summary.file.path, identity if several else None, unreadable)


def _newest_by_place(evidence: Iterable[FileSummary]) -> Mapping[tuple[str, str], Identity]:
    """Return which machine was measured last, by folder and name."""
    newest: dict[tuple[str, str], tuple[str, Identity]] = {}
    for summary in evidence:
        for identity, measured_at in summary.machines.items():
            key = (summary.file.place, identity.name)
            newest[key] = max(newest.get(key, ("", identity)), (measured_at, identity))
    return {key: identity for key, (_, identity) in newest.items()}
