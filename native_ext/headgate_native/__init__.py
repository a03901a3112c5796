"""The C core of Headgate for CPython: `_native` holds the types. Import them through `headgate._accel`."""
