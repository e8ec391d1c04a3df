"""What devices are here. Runs in workers: it asks TensorFlow, whatever kinds it knows."""

from __future__ import annotations

from typing import Any

import msgspec

from detcost.errors import NotApplicable


class Device(msgspec.Struct, frozen=True):
    """A physical device as TensorFlow names it, without the leading slash-words.

    Attributes
    ----------
    name
        ``CPU:0``, ``GPU:0``, ``TPU:0``, … Metal's and other plug-ins' devices too.
    model
        What it is, where the driver tells.
    details
        Everything else TensorFlow knows of it.
    """

    name: str
    model: str | None = None
    details: dict[str, Any] = {}


def inventory() -> list[Device]:
    """Return every physical device TensorFlow reports, the CPU first."""
    import tensorflow as tf

    found = []
    for physical in tf.config.list_physical_devices():
        details = tf.config.experimental.get_device_details(physical)
        model = details.pop("device_name", None)
        plain = {key: v if isinstance(v, int) else str(v) for key, v in details.items()}
        found.append(Device(physical.name.removeprefix("/physical_device:"), model, plain))
    return sorted(found, key=lambda device: (not device.name.startswith("CPU"), device.name))


def select(name: str) -> None:
    """Prepare the devices of this process for a cell on ``name``.

    Memory growth is switched on for every accelerator, so that the workers of a
    block fit beside each other.

    Raises
    ------
    NotApplicable
        If the device is absent.
    """
    import tensorflow as tf

    present = [device.name for device in inventory()]
    if name not in present:
        raise NotApplicable(f"no {name} here; TensorFlow reports {', '.join(present)}")
    for physical in tf.config.list_physical_devices():
        if physical.device_type != "CPU":
            try:
                tf.config.experimental.set_memory_growth(physical, True)
            except ValueError:  # a device whose memory TensorFlow does not manage
                continue


def several(name: str) -> list[str]:
    """Return every device of the kind of ``name``, having split a lone CPU in two.

    Raises
    ------
    NotApplicable
        If there is one, and it cannot be split.
    """
    import tensorflow as tf

    kind = name.partition(":")[0]
    physical = tf.config.list_physical_devices(kind)
    if len(physical) == 1:
        if kind != "CPU":
            raise NotApplicable(f"one {kind} here; replicas need several")
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(physical[0], halves)
        return ["CPU:0", "CPU:1"]
    return [device.name.removeprefix("/physical_device:") for device in physical]


def keep_one(name: str, task: int) -> None:
    """Hide the accelerators of this process but one of the kind of ``name``, another each task.

    Raises
    ------
    NotApplicable
        If there is none for this task.
    """
    import tensorflow as tf

    kind = name.partition(":")[0]
    if kind != "CPU" and name != f"{kind}:0":
        raise NotApplicable(f"each process has one {kind}, its {kind}:0; ask for that")
    present = tf.config.list_physical_devices()
    mine = [device for device in present if device.device_type == kind][task : task + 1]
    if kind != "CPU" and not mine:
        raise NotApplicable(f"too few {kind}s here for one a process")
    for other in {device.device_type for device in present} - {"CPU"}:
        tf.config.set_visible_devices(mine if other == kind else [], other)


def peak_memory(name: str) -> int | None:
    """Return the peak bytes allocated on an accelerator; ``None`` on CPUs and where unknown."""
    import tensorflow as tf

    if name.startswith("CPU"):
        return None
    try:
        return int(tf.config.experimental.get_memory_info(name)["peak"])
    except (ValueError, NotImplementedError, tf.errors.OpError):
        return None
