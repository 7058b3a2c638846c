"""Bytes under keys: the protocol, memory, disk, encryption, leases."""
