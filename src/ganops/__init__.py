"""GanOps: retrain image generators on a schedule; promote only a provably better one."""

__version__ = "0.1.0"
