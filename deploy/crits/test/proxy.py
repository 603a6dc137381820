"""A TCP proxy before the broker that ends TLS, or cuts the connection after so many bytes of the client."""
import socket
import ssl
import threading


class Proxy(object):
    def __init__(self, port, cut_after=None, certificate=None):
        self._target = port
        self._cut_after = cut_after
        self._certificate = certificate
        self._listener = socket.socket()
        self._listener.bind(('127.0.0.1', 0))
        self._listener.listen(5)
        self.port = self._listener.getsockname()[1]
        _start(self._accept)

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client = self._listener.accept()[0]
                if self._certificate:
                    context = ssl.SSLContext(ssl.PROTOCOL_SSLv23)
                    context.load_cert_chain(self._certificate)
                    client = context.wrap_socket(client, server_side=True)
            except ssl.SSLError:
                continue
            except (OSError, socket.error):
                return
            server = socket.create_connection(('127.0.0.1', self._target))
            _start(self._copy, client, server, self._cut_after)
            _start(self._copy, server, client, None)

    def _copy(self, source, target, limit):
        passed = 0
        try:
            while limit is None or passed < limit:
                data = source.recv(65536)
                if not data:
                    break
                passed += len(data)
                target.sendall(data)
        except (OSError, socket.error):
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except (OSError, socket.error):
                pass


def _start(target, *args):
    thread = threading.Thread(target=target, args=args)
    thread.daemon = True
    thread.start()
