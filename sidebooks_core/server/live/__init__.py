"""Connections that last: the events of the server and the messages of meetings, over a WebSocket or a stream of events."""
