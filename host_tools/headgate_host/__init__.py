"""Host tools: what an operator runs on a laptop, never on the device."""
