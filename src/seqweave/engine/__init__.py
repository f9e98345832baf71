"""Predictions through the engine of native/: no torch. See docs/engine.md."""

from seqweave.engine.library import engine_missing
from seqweave.engine.network import EngineNetwork, Output, Sources, force, search

__all__ = ["EngineNetwork", "Output", "Sources", "engine_missing", "force", "search"]
