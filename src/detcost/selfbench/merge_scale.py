"""Merging the results of a large farm: seconds and bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from detcost.selfbench import report_scale


def figures(folder: Path, machines: int = report_scale.MACHINES) -> dict[str, tuple[float, int]]:
    """Merge two synthetic farms, one after the other; return seconds and peak memory of each.

    In the first one each machine has a name of its own. In the second one every machine is in a
    tree of its own, has the name ``vm``, and is unlike the others.
    """
    farm, vms, into = folder / "farm", folder / "vms", folder / "results"
    report_scale.make_farm(farm, machines)
    own = report_scale.measured("merge", str(farm), "--into", str(into))
    shutil.rmtree(into)
    trees = list(_as_vms(farm, vms))
    shutil.rmtree(farm)
    one = report_scale.measured("merge", *trees, "--into", str(into))
    return {"own names": own, "one name": one}


def _as_vms(farm: Path, vms: Path) -> Iterator[str]:
    """Write each machine of a farm into a tree of its own, as an unlike machine called ``vm``."""
    for number, file in enumerate(sorted(farm.rglob("*.jsonl"))):
        folder = vms / f"{number}" / "vm"
        folder.mkdir(parents=True)
        cpu = b"Some CPU %d" % number
        text = file.read_bytes().replace(b"Some CPU @ 2.00GHz", cpu)
        name = b'"name":"%s"' % file.parent.name.encode()
        (folder / file.name).write_bytes(text.replace(name, b'"name":"vm"'))
        yield str(folder.parent)
