"""Meetings: readers who follow a presenter. The rules are pure; a hub keeps what goes on, records keep what stays."""
