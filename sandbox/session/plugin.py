"""Stand-in for the Session Manager plugin: connects standard input and output with a session."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading

VERSION = "1.2.707.0"
CHUNK = 256 * 1024


def _give(connection: socket.socket) -> None:
    """Send standard input to the session until it ends."""
    while data := os.read(0, CHUNK):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def carry(connection: socket.socket) -> None:
    """Relay both ways until the host closes the connection."""
    threading.Thread(target=_give, args=(connection,), daemon=True).start()
    while data := connection.recv(CHUNK):
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]


def main(words: list[str]) -> int:
    """Join the session that the AWS CLI started."""
    if words == ["--version"]:
        sys.stdout.write(f"{VERSION}\n")
        return 0
    if not words:
        sys.stdout.write("The Session Manager plugin was installed successfully.\n")
        return 0
    session = json.loads(words[0])
    host, _, port = session["StreamUrl"].removeprefix("tcp://").partition(":")
    try:
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.settimeout(None)
            connection.sendall(f"session {session['TokenValue']}\n".encode())
            carry(connection)
    except OSError as error:
        sys.stderr.write(f"The session {session['SessionId']} ended: {error}\n")
        return 1
    # Exit without waiting for the other thread, whose input may never come.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
