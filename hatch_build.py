"""Builds the engine when the package is installed or a wheel is made; without a C compiler the package does without."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class EngineHook(BuildHookInterface[Any]):
    """See https://hatch.pypa.io/latest/plugins/build-hook/custom."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files are collected; the wheel is of this platform then, for every Python 3."""
        spec = importlib.util.spec_from_file_location("native_build", Path(self.root) / "native" / "build.py")
        assert spec is not None
        assert spec.loader is not None
        native = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(native)
        failed = native.build(native.default_place())
        if failed:
            self.app.display_warning(f"the engine was not built: {failed}. Predictions will be slower, through torch.")
            return
        build_data["artifacts"].append(str(native.default_place().relative_to(self.root)))
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
        print(f"the engine was built: {native.default_place()}", file=sys.stderr)
