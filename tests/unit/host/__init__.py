"""Modules of host_baseline, without a host."""
