# SPDX-License-Identifier: Apache-2.0
"""A link between a client and a daemon that can be made to stop in the middle of what it carries."""
import socket
import threading


class Link:
    """Listens on a Unix socket and carries connections to another one, at most `limit` bytes towards it until open()."""

    def __init__(self, path, target, limit):
        self._target, self._left = str(target), limit
        self._lock = threading.Lock()
        self._opened, self.full = threading.Event(), threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def open(self):
        """From now on everything passes."""
        self._opened.set()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._target)
            except OSError:  # it is not there
                client.close()
                server.close()
                continue
            threading.Thread(target=self._connect, args=(client, server), daemon=True).start()

    def _connect(self, client, server):
        with client, server:
            back = threading.Thread(target=self._carry, args=(server, client, lambda size: None), daemon=True)
            back.start()
            self._carry(client, server, self._wait_for_room)
            back.join()

    def _wait_for_room(self, size):
        with self._lock:
            self._left -= size
            if self._left > 0 or self._opened.is_set():
                return
        self.full.set()
        self._opened.wait()

    @staticmethod
    def _carry(source, sink, wait):
        try:
            while data := source.recv(1 << 16):
                wait(len(data))
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
