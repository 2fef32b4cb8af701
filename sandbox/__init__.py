"""The local AWS: everything that a Ragdock deployment connects to, on one machine."""
