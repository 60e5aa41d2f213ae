"""Recording and differentiating models while they run."""

from rnnlab.analysis.probe.system import System, Trace, stateful, systems, traces

__all__ = ["System", "Trace", "stateful", "systems", "traces"]
