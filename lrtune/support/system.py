"""The operating system, where it decides how something must be done."""

from __future__ import annotations

import sys

IS_WINDOWS = sys.platform == "win32"
