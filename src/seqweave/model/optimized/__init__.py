"""Faster decoding on a processor: the same networks with optimized weights, behind the same contract."""

from seqweave.model.optimized.network import OptimizedSeq2Seq, optimized, precision_of

__all__ = ["OptimizedSeq2Seq", "optimized", "precision_of"]
