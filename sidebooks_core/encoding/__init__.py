"""Pixels to bytes, in no particular process: the choice by content, the codecs, the tile record."""
