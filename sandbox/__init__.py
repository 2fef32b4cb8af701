"""The local AWS: everything a Ragdock deployment talks to, on one machine."""
