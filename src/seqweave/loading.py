"""The public `load`: a folder is looked at before torch is imported.

Importing torch takes seconds and a quarter of a gigabyte, which a folder that cannot be loaded should not cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from seqweave.folder import read_model
from seqweave.paths import folders_of
from seqweave.wording import missing_library

if TYPE_CHECKING:
    from seqweave.predictor import Model


def load(folder: Path | str | Sequence[Path | str], device: str = "auto", *, precision: str | None = None) -> Model:
    """Load a model folder, after checking every file against its manifest; or several as one, an ensemble.

    An ensemble averages the probabilities of its members at every step (`seqweave.model.ensemble`), and decodes
    with the settings of the first. A folder that is still trained gives the best weights so far.

    Args:
        folder: what `seqweave train -o` wrote, or a list of such folders.
        device: auto, cpu, cuda or mps.
        precision: of decoding, in place of the folder's `search.precision`: fp32 or int8.

    Raises:
        ModelFolderError: when it is not a model folder, or a file is missing, changed, damaged, or does not fit the
            others.
        ConfigError: when the device is not there, the precision is another, the list is empty, or vocabularies of
            an ensemble differ.
    """
    folders = folders_of(folder)
    found = [read_model(one) for one in folders]
    try:
        import_module("seqweave.inspection.tracing")  # it puts `trace` on `Model`
        from seqweave.predictor import build_of
    except ModuleNotFoundError as error:
        sentence = missing_library(error, "seqweave.load")
        raise (ModuleNotFoundError(sentence, name=error.name) if sentence else error) from None
    return build_of(folders, found, device, precision=precision)
