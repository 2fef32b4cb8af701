"""Ragdock's worker: watches the input directory and the ledger, and reads documents into the index."""
