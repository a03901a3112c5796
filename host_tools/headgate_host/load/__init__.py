"""`headgate load`: open-loop load for edge devices, with figures that say when they are not to be trusted."""
