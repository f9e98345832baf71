"""How sources become outputs: through torch, or through the engine of native/. A backend imports what it needs."""
