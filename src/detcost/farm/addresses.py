"""Where a farm's scheduler is, and who may speak to it.

A scheduler runs what anyone who reaches it sends. So it listens on this machine alone, or else
takes only those who have a certificate.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from detcost.errors import UsageError

#: The files of a folder of certificates.
_CERTIFICATE, _KEY = "farm.pem", "farm.key"
#: How long a scheduler that is started here waits for a sign of life of a machine.
_TTL = "60s"
_INSTALL = 'pip install "detcost[farm]"'


class Place(msgspec.Struct, frozen=True):
    """A scheduler.

    Attributes
    ----------
    address
        Such as ``tls://host:8786``; ``None`` for one to be started here.
    scheduler_file
        The file in which a scheduler tells its address.
    listen
        ``host`` or ``host:port`` for the one to be started here. ``None`` for this machine alone.
    certificates
        The folder of the certificate.
    insecure
        Whether other machines may be reached without a certificate.
    """

    address: str | None = None
    scheduler_file: str | None = None
    listen: str | None = None
    certificates: str | None = None
    insecure: bool = False

    def checked(self) -> Place:
        """Return the place with an address if it has a file.

        Raises
        ------
        UsageError
            If something is missing, or others could reach the scheduler without a certificate.
        """
        _require_dask()
        if sum(map(bool, (self.address, self.scheduler_file, self.listen))) > 1:
            raise UsageError("--scheduler, --scheduler-file and --listen exclude each other")
        place = self
        if self.scheduler_file:
            address = _told_in(Path(self.scheduler_file))
            place = msgspec.structs.replace(self, address=address, scheduler_file=None)
        if self.certificates:
            for name in (_CERTIFICATE, _KEY):
                if not Path(self.certificates, name).is_file():
                    raise UsageError(
                        f"{self.certificates}: no {name}; make one with detcost farm certificates"
                    )
        host = _host(place.address or place.listen or "127.0.0.1")
        encrypted = bool(place.certificates) and not (place.address or "").startswith("tcp:")
        if not (encrypted or place.insecure or _is_this_machine(host)):
            raise UsageError(
                f"{host}: without certificates, anyone who reaches a scheduler can run programs; "
                "give --certificates DIR (detcost farm certificates DIR makes it), or --insecure"
            )
        return place

    def security(self) -> Any:
        """Return dask's security: mutual TLS with the certificate, or none."""
        from distributed.security import Security

        if not self.certificates:
            return None
        certificate, key = (str(Path(self.certificates, n)) for n in (_CERTIFICATE, _KEY))
        roles = ("client", "scheduler", "worker")
        pairs = {f"tls_{role}_cert": certificate for role in roles}
        pairs |= {f"tls_{role}_key": key for role in roles}
        return Security(tls_ca_file=certificate, require_encryption=True, **pairs)

    @property
    def worker_host(self) -> str | None:
        """Where workers listen: on this machine alone if the scheduler does."""
        host = _host(self.address or "")
        return host if _is_this_machine(host) else None

    def start_scheduler(self) -> Any:
        """Return a cluster without workers in this process; ``None`` if there is a scheduler."""
        if self.address:
            return None
        import dask
        from distributed import LocalCluster

        host, _, port = (self.listen or "127.0.0.1").rpartition(":")
        if not host:
            host, port = port, "0"
        dask.config.set({"distributed.scheduler.worker-ttl": _TTL})
        try:
            return LocalCluster(
                n_workers=0,
                host=host,
                scheduler_port=int(port),
                dashboard_address="127.0.0.1:0",
                security=self.security(),
                protocol="tls://" if self.certificates else "tcp://",
                silence_logs=50,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"--listen {self.listen}: cannot listen there ({error}); name another address"
            ) from None


def make_certificates(folder: Path) -> None:
    """Write a certificate and its key, which every machine of one farm gets.

    Raises
    ------
    UsageError
        If there is one already, or the folder cannot be written.
    """
    _require_dask()
    from distributed.security import Security

    if (folder / _KEY).exists():
        raise UsageError(f"{folder}: has a certificate already; name another folder")
    made = Security.temporary()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in ((_CERTIFICATE, made.tls_ca_file), (_KEY, made.tls_client_key)):
            secret = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(secret, "w", encoding="ascii") as file:
                file.write(str(text))
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror})") from None


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise UsageError(f"a farm needs dask.distributed; {_INSTALL}") from None


def _told_in(path: Path) -> str:
    try:
        return str(msgspec.json.decode(path.read_bytes())["address"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        raise UsageError(
            f"{path}: no scheduler has told its address here; start one with "
            f"dask scheduler --scheduler-file {path}"
        ) from None


def _host(address: str) -> str:
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        parts.port  # noqa: B018  # raises
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("tcp", "tls") or not parts.hostname:
        raise UsageError(f'"{address}" is no address; write one such as tls://host:8786')
    return parts.hostname


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
