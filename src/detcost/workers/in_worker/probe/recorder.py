"""A recording in the making: one run of a program with the probe in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from detcost.evidence import recording
from detcost.evidence.recording import Frame, Recording
from detcost.workers.contract import Cell, Conditions, Watched
from detcost.workers.in_worker.probe import digesting
from detcost.workers.in_worker.probe.capturing import Capture
from detcost.workers.in_worker.probe.eager import EagerProbe
from detcost.workers.in_worker.probe.graphs import GraphProbe
from detcost.workers.in_worker.probe.pipelines import PipelineProbe, taking
from detcost.workers.in_worker.probe.returned import ReturnedProbe


class ProbeRecorder:
    """The probe of one run. :meth:`watch` comes before the program is loaded."""

    def __init__(self, watched: Watched):
        self._capture = Capture(*watched.capture[0], watched.at) if watched.capture else None
        self._captured_to = Path(watched.capture[1]) if watched.capture else None
        in_graphs = [self._capture.in_graph] if self._capture else []
        in_eager = [self._capture.eager] if self._capture else []
        self._graphs = GraphProbe(watched, *in_graphs)
        self._eager = EagerProbe(self._graphs.name_of, self._graphs.is_compiled, *in_eager)
        self._returned = ReturnedProbe(self._eager)
        self._pipelines = PipelineProbe(watched, self._graphs.name_of)
        self._frames: list[Frame] = []
        self._outputs: list[str] = []

    def watch(self) -> None:
        """Watch every operation that is made or run from now on."""
        self._graphs.watch()
        self._eager.watch()
        self._pipelines.watch()
        if self._capture:
            self._capture.watch_eager(self._graphs.name_of)

    def built(self) -> None:
        """Note that the program is built, and that its first call follows."""
        self._next()

    def called(self, outputs: Any, digest: Callable[[], str]) -> str:
        """Note a finished call of the step, and return the digest of its outputs."""
        with digesting.unseen():
            self._returned.note(outputs)
            self._outputs.append(digest())
        self._next()
        return self._outputs[-1]

    def _next(self) -> None:
        with digesting.unseen():
            for graph, digests in digesting.handed_out():
                self._frames.append(Frame(graph, self._eager.call, digests))
        self._pipelines.drain(self._eager.call)
        self._eager.call += 1
        if self._capture:
            self._capture.begin_call()

    def write(self, path: str, cell: Cell, conditions: Conditions) -> None:
        """Write what was recorded."""
        if self._capture and self._captured_to:
            self._capture.save(self._captured_to)
        functions = len(self._graphs.graphs)
        others = (*self._graphs.graphs, *self._eager.graphs)
        pipelines, passes = self._pipelines.record(len(others))
        eager = [
            Frame(functions + frame.graph, frame.call, frame.digests)
            for frame in self._eager.frames
        ]
        recorded = Recording(
            scenario=cell.scenario,
            setting=str(cell.setting),
            device=cell.device,
            size=cell.size,
            dtype=cell.dtype,
            seed=cell.seed,
            conditions=conditions.label,
            outputs=tuple(self._outputs),
            graphs=(*taking(others, pipelines), *pipelines),
            frames=tuple(sorted((*self._frames, *eager), key=lambda frame: frame.call)),
            unprobed=(*sorted(self._graphs.unwatched), *self._pipelines.unwatched()),
            passes=tuple(passes),
        )
        recording.write(recorded, Path(path))
