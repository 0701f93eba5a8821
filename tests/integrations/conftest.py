"""Settings that the frameworks share."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")
