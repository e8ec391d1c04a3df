"""The devices of this machine, as TensorFlow reports them. Runs in workers."""

from __future__ import annotations

from typing import Any

import msgspec

from detcost.errors import NotApplicable


class Device(msgspec.Struct, frozen=True):
    """A physical device.

    Attributes
    ----------
    name
        TensorFlow's name without ``/physical_device:``, such as ``CPU:0``, ``GPU:0`` or a
        plug-in's device.
    model
        The product's name, if the driver reports it.
    details
        Everything else that TensorFlow reports.
    """

    name: str
    model: str | None = None
    details: dict[str, Any] = {}


def inventory() -> list[Device]:
    """Return every physical device that TensorFlow reports, the CPU first."""
    import tensorflow as tf

    devices = []
    for physical in tf.config.list_physical_devices():
        details = tf.config.experimental.get_device_details(physical)
        model = details.pop("device_name", None)
        plain = {key: v if isinstance(v, int) else str(v) for key, v in details.items()}
        devices.append(Device(physical.name.removeprefix("/physical_device:"), model, plain))
    return sorted(devices, key=lambda device: (not device.name.startswith("CPU"), device.name))


def select(name: str) -> None:
    """Prepare the devices of this process for a cell on the device ``name``.

    Memory growth is switched on for every accelerator, so that all workers of a block fit
    into its memory.

    Raises
    ------
    NotApplicable
        If the device is absent.
    """
    import tensorflow as tf

    present = [device.name for device in inventory()]
    if name not in present:
        raise NotApplicable(f"no device {name}; TensorFlow reports {', '.join(present)}")
    for physical in tf.config.list_physical_devices():
        if physical.device_type != "CPU":
            try:
                tf.config.experimental.set_memory_growth(physical, True)
            except ValueError:  # TensorFlow does not manage the memory of this device
                continue


def several(name: str) -> list[str]:
    """Return every device of the kind of ``name``. A single CPU is split in two.

    Raises
    ------
    NotApplicable
        If there is a single device that is not a CPU.
    """
    import tensorflow as tf

    kind = name.partition(":")[0]
    physical = tf.config.list_physical_devices(kind)
    if len(physical) == 1:
        if kind != "CPU":
            raise NotApplicable(f"this machine has one {kind}; replicas need several")
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(physical[0], halves)
        return ["CPU:0", "CPU:1"]
    return [device.name.removeprefix("/physical_device:") for device in physical]


def keep_one(name: str, task: int) -> None:
    """Hide all accelerators from this process, except one of the kind of ``name`` for its task.

    Raises
    ------
    NotApplicable
        If there is no device for this task.
    """
    import tensorflow as tf

    kind = name.partition(":")[0]
    if kind != "CPU" and name != f"{kind}:0":
        raise NotApplicable(f"each process has one {kind}, named {kind}:0; use that name")
    present = tf.config.list_physical_devices()
    mine = [device for device in present if device.device_type == kind][task : task + 1]
    if kind != "CPU" and not mine:
        raise NotApplicable(f"too few {kind}s; each process needs one")
    for other in {device.device_type for device in present} - {"CPU"}:
        tf.config.set_visible_devices(mine if other == kind else [], other)


def peak_memory(name: str) -> int | None:
    """Return the peak bytes allocated on an accelerator; ``None`` on CPUs or if unknown."""
    import tensorflow as tf

    if name.startswith("CPU"):
        return None
    try:
        return int(tf.config.experimental.get_memory_info(name)["peak"])
    except (ValueError, NotImplementedError, tf.errors.OpError):
        return None
