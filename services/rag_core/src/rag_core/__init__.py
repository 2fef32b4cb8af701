"""Ragdock's library: documents become passages, questions become answers that cite their page.

Importing any module of this package does no I/O; everything that talks to a store or a model is built
by :mod:`rag_core.factory` from one :class:`rag_core.settings.RagSettings`.
"""
