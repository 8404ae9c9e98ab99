"""What this process uses of its machine: processor, memory, disk, and graphics processors where there are any."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psutil


class Usage:
    """Reads the operating system's figures; a figure that cannot be had is left out."""

    def __init__(self, data_dir: Path) -> None:
        self._process = psutil.Process()
        self._data_dir = data_dir
        self._gpus = Gpus()
        self._process.cpu_percent(None)  # the first answer is the time since this call

    def read(self) -> dict[str, float]:
        """cpu_share (of one core, since the last reading), rss_bytes, disk_*_bytes, gpu_share, gpu_memory_bytes."""
        with self._process.oneshot():
            found: dict[str, float] = {
                "cpu_share": self._process.cpu_percent(None) / 100,
                "rss_bytes": self._process.memory_info().rss,
            }
        disk = _disk(self._data_dir)
        if disk is not None:
            found |= {"disk_free_bytes": disk.free, "disk_total_bytes": disk.total}
        return found | self._gpus.read()


class Gpus:
    """All graphics processors of the machine through NVML; silent for ever after the first failure."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._is_absent = not (os.path.exists("/dev/nvidiactl") or os.name == "nt")

    def read(self) -> dict[str, float]:
        """gpu_share (mean over the processors) and gpu_memory_bytes (their sum); empty where there are none."""
        if self._is_absent:
            return {}
        try:
            return self._read()
        except Exception:  # noqa: BLE001 - a missing driver, a card that was taken away: the rest still counts
            self._is_absent = True
            return {}

    def _read(self) -> dict[str, float]:
        if self._nvml is None:
            import pynvml

            pynvml.nvmlInit()
            self._nvml = pynvml
        cards = [self._nvml.nvmlDeviceGetHandleByIndex(place) for place in range(self._nvml.nvmlDeviceGetCount())]
        if not cards:
            self._is_absent = True
            return {}
        busy = [self._nvml.nvmlDeviceGetUtilizationRates(card).gpu / 100 for card in cards]
        used = [int(self._nvml.nvmlDeviceGetMemoryInfo(card).used) for card in cards]
        return {"gpu_share": sum(busy) / len(busy), "gpu_memory_bytes": sum(used)}


def _disk(folder: Path) -> Any:
    """The disk of the nearest folder that exists."""
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            return psutil.disk_usage(str(place))
        except OSError:
            continue
    return None
