"""Tests of host_baseline's modules, without a host."""
