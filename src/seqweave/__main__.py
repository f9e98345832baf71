"""`python -m seqweave`: the command line."""

from __future__ import annotations

import sys

from seqweave.cli.main import main

sys.exit(main())
