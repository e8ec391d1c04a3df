"""The request: what a user wants to measure. It is checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from detcost.errors import UsageError, did_you_mean
from detcost.evidence.schema import SCOPES
from detcost.experiment.profiles import Profile
from detcost.scenarios import registry
from detcost.scenarios.bench import SIZES
from detcost.settings import grammar
from detcost.settings.grammar import DEFAULT, Setting

#: Types that a scenario may be built with. Each scenario declares its own.
DTYPES = (
    *("float32", "bfloat16", "float16", "float64", "float8_e5m2", "float8_e4m3fn"),
    *("complex64", "complex128", "int8", "int16", "int32", "int64"),
)


class Request(msgspec.Struct, frozen=True):
    """A checked request; ``None`` for ``devices`` or ``dtype`` is the default.

    Attributes
    ----------
    fits_settings
        Whether a program of the user's is measured under the settings that fit it, instead of
        :attr:`settings`.
    fits_profile
        Whether a program of the user's is measured as long as it usually needs, instead of by
        :attr:`profile`.
    seconds
        The time for the whole run, if the user gave one. It replaces the profile.
    steps
        How many steps each cell is followed after its trials. ``None`` follows none.
    """

    scenarios: tuple[str, ...]
    settings: tuple[Setting, ...]
    devices: tuple[str, ...] | None
    scopes: tuple[str, ...]
    profile: Profile
    size: str = "medium"
    dtype: str | None = None
    seed: int = 42
    fits_settings: bool = False
    fits_profile: bool = False
    seconds: float | None = None
    steps: int | None = None

    @classmethod
    def parse(
        cls,
        scenarios: Sequence[str],
        setting_names: Sequence[str] | None,
        devices: Sequence[str] | None,
        *,
        scopes: Sequence[str] | None,
        profile: Profile,
        size: str,
        dtype: str | None,
        seed: int,
        fits_profile: bool = False,
        seconds: float | None = None,
        steps: int | None = None,
    ) -> Request:
        """Check all names that can be checked without running a user's file.

        ``default`` becomes the first setting, because costs are relative to it. ``None`` for the
        scopes means those of the profile.

        Raises
        ------
        UsageError
            For the first unknown name.
        """
        if not scenarios:
            raise UsageError("no scenario named; detcost list scenarios shows them all")
        for name in scenarios:
            if not name.isprintable():
                raise UsageError(
                    f"scenario {name!a} contains characters that cannot be printed; rename it"
                )
            if not registry.is_external(name):
                registry.find_built_in(name)
        chosen = (
            grammar.default_grid() if setting_names is None else grammar.parse_all(setting_names)
        )
        for device in devices or ():
            _check_device(device)
        for scope in scopes or ():
            _check_name("scope", scope, SCOPES)
        _check_name("size", size, SIZES)
        if dtype is not None:
            _check_name("type", dtype, DTYPES)
        if not 0 <= seed < 2**32:
            raise UsageError(f"seed {seed}: TensorFlow takes one from 0 to {2**32 - 1}")
        if steps is not None and steps < 2:
            raise UsageError(f"--steps {steps}: name at least 2 steps, such as --steps 200")
        return cls(
            tuple(dict.fromkeys(scenarios)),
            tuple(dict.fromkeys([DEFAULT, *chosen])),
            tuple(dict.fromkeys(devices)) if devices else None,
            tuple(profile.scopes if scopes is None else dict.fromkeys(scopes)),
            profile,
            size,
            dtype,
            seed,
            setting_names is None,
            fits_profile,
            seconds,
            steps,
        )


def _check_name(kind: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise UsageError(
            f'no {kind} "{name}"{did_you_mean(name, known)}; there are {", ".join(known)}'
        )


def _check_device(name: str) -> None:
    if not re.fullmatch(r"[A-Z][A-Z_]*:\d+", name):
        advice = did_you_mean(name.upper(), ("CPU:0", "GPU:0", "TPU:0"))
        raise UsageError(
            f'device "{name}" is not a name like CPU:0 or GPU:1{advice}; '
            "detcost list devices shows what is here"
        )
