"""The analytics CSV: one line for each launch, without loss during rotation.

Every append holds an exclusive lock on a file beside the CSV, so that threads of this
process and the second container of a rolling update take turns: nobody renames the file
while another writes to it.
"""

import csv
import fcntl
import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

HEADER = ("timestamp", "user_ip", "action")
LAUNCH = "LaunchAppClicked"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_KEPT_BITS = {4: 24, 6: 48}


def shown_address(client: str, *, whole: bool) -> str:
    """The address as written to the file: shortened to its network unless `whole`."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if whole:
        return str(address)
    network = ipaddress.ip_network(f"{address}/{_KEPT_BITS[address.version]}", strict=False)
    return str(network)


def harmless(value: str) -> str:
    """Quote a value that a spreadsheet would otherwise run as a formula."""
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value


@dataclass(frozen=True)
class AnalyticsLog:
    """Appends events to a CSV file that is rotated by size."""

    path: Path
    max_bytes: int
    keep_files: int
    whole_address: bool

    def record(self, client: str, action: str = LAUNCH) -> None:
        """Append one event; raises OSError if it cannot be written."""
        line = _as_csv(
            datetime.now(UTC).isoformat(timespec="milliseconds"),
            shown_address(client, whole=self.whole_address),
            action,
        )
        with self._locked():
            if self._size() + len(line) > self.max_bytes:
                self._rotate()
            if self._size() == 0:
                line = _as_csv(*HEADER) + line
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())

    def rotated(self) -> list[Path]:
        """The rotated files, oldest first."""
        return sorted(self.path.parent.glob(f"{self.path.stem}-*{self.path.suffix}"))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self.path.with_name(f".{self.path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _rotate(self) -> None:
        if self._size() == 0:
            return
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.path.rename(self.path.with_name(f"{self.path.stem}-{stamp}{self.path.suffix}"))
        for surplus in self.rotated()[: -self.keep_files]:
            surplus.unlink()


def _as_csv(*cells: str) -> bytes:
    buffer = StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([harmless(cell) for cell in cells])
    return buffer.getvalue().encode()
