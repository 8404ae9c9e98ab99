"""What the processes use of their machines, and the queues inside them. Sampled every 30 s by each process."""

from __future__ import annotations

from db.analytics.measure import ProcessMeasure

MEASURES = (
    ProcessMeasure("cpu_share", "capacity", "share", "up", "line", "cpu_share"),
    ProcessMeasure("memory_bytes", "capacity", "bytes", "up", "line", "rss_bytes", "max"),
    ProcessMeasure("disk_free_bytes", "capacity", "bytes", "down", "line", "disk_free_bytes"),
    ProcessMeasure("gpu_share", "capacity", "share", "none", "line", "gpu_share"),
    ProcessMeasure("gpu_memory_bytes", "capacity", "bytes", "up", "line", "gpu_memory_bytes", "max"),
    ProcessMeasure("commit_queue", "capacity", "count", "up", "line", "n_commit_waiting", "max"),
    ProcessMeasure("shadow_queue", "capacity", "count", "up", "line", "n_shadow_waiting", "max"),
    ProcessMeasure("shadow_drops_by_process", "capacity", "count", "up", "line", "n_shadow_drops", "sum"),
    ProcessMeasure("job_queue", "capacity", "count", "up", "line", "n_jobs_waiting", "max"),
    ProcessMeasure("batch_size", "capacity", "count", "none", "line", "n_events", "per_commit"),
)
