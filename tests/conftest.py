"""What several test modules need."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# A shell starts background jobs with Ctrl-C ignored, and their children inherit that: the tests
# of interrupts would then wait for ever where CI runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
