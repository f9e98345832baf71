"""Faster decoding on a processor: the same networks with prepared weights, behind the same contract."""

from seqweave.model.inference.network import FastSeq2Seq, precision_of, prepared

__all__ = ["FastSeq2Seq", "precision_of", "prepared"]
