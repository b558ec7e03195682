#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Certificates that are renewed while the daemon serves, and how many clients a listener of gRPC has."""
import argparse
import os
import socket
import ssl
import sys
import unittest

from daemon_process import DaemonProcess, free_port, wait_until

try:
    import grpc
    import keys
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio")
    sys.exit(77)

ARGS = None
# What a client of HTTP/2 says first, with empty SETTINGS.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)


def is_live(channel):
    ask = channel.unary_unary("/inference.GRPCInferenceService/ServerLive", request_serializer=lambda m: m,
                              response_deserializer=lambda b: b)
    try:
        ask(b"", timeout=30)
        return True
    except grpc.RpcError:
        return False


class Daemon(DaemonProcess):
    def __init__(self, server):
        super().__init__(ARGS.inferd)
        (self.folder / "models").mkdir()
        self.configure(f"server:\n{server}models: {{root: models}}\n")
        self.start(lambda: "serving on " in self.text())


class Renewal(unittest.TestCase):
    def setUp(self):
        self.keys = keys.Keys()
        self.addCleanup(self.keys.remove)
        for authority in ("ca", "other-ca"):
            self.keys.authority(authority)
        self.keys.certificate("arm", "ca")
        self.keys.certificate("stranger", "other-ca")
        self.renew()
        self.put("client-ca.pem", (self.keys / "ca.pem").read_text())
        port = free_port()
        tls = ", ".join(f"{key}: {self.keys / name}" for key, name in
                        [("certificate", "live.pem"), ("key", "live.key"), ("client_ca", "client-ca.pem")])
        self.daemon = Daemon(f"  grpc: [{{address: '127.0.0.1:{port}', tls: {{{tls}}}}}]\n"
                             f"  http: [{{address: '127.0.0.1:0', tls: {{{tls}}}}}]\n")
        self.addCleanup(self.daemon.__exit__, None, None, None)
        http = next(line for line in self.daemon.text().splitlines() if "serving HTTP" in line)
        self.ports = {"gRPC": port, "HTTP": int(http.rsplit(":", 1)[1])}

    def put(self, name, text):
        """As one should: the file is complete at any time."""
        (self.keys / "new").write_text(text)
        os.replace(self.keys / "new", self.keys / name)

    def renew(self):
        self.keys.certificate("server", "ca", "subjectAltName=IP:127.0.0.1")
        for end in ("key", "pem"):
            self.put(f"live.{end}", (self.keys / f"server.{end}").read_text())

    def shown(self, port, client="arm"):
        """The certificate that a new connection is shown; None where the client's own is not good enough."""
        context = ssl.create_default_context(cafile=self.keys / "ca.pem")
        context.load_cert_chain(self.keys / f"{client}.pem", self.keys / f"{client}.key")
        context.set_alpn_protocols(["h2", "http/1.1"])
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose handshake ends when the server has looked
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            try:
                with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
                    return connection.getpeercert(binary_form=True)
            except (ssl.SSLError, ConnectionError):
                return None

    def wait_for_another(self, before):
        for name, port in self.ports.items():
            wait_until(lambda p=port, n=name: self.shown(p) not in (None, before[n]), f"{name} shows a new certificate")

    def test_new_connections_get_what_is_renewed_and_old_ones_go_on(self):
        before = {name: self.shown(port) for name, port in self.ports.items()}
        self.assertIsNotNone(before["gRPC"])
        self.assertEqual(before["gRPC"], before["HTTP"])
        files = [(self.keys / name).read_bytes() for name in ("ca.pem", "arm.key", "arm.pem")]
        with grpc.secure_channel(f"127.0.0.1:{self.ports['gRPC']}", grpc.ssl_channel_credentials(*files)) as channel:
            self.assertTrue(is_live(channel))
            self.renew()
            self.wait_for_another(before)
            self.assertTrue(is_live(channel))
        self.assertIn("are taken for new connections", self.daemon.text())
        self.assertEqual(self.daemon.stop(), 0)

    def test_what_is_broken_changes_nothing_until_it_is_mended(self):
        before = {name: self.shown(port) for name, port in self.ports.items()}
        self.put("live.pem", "no certificate")

        def complaints():
            self.assertEqual({name: self.shown(port) for name, port in self.ports.items()}, before)
            return self.daemon.text().count("a renewed certificate is not taken, the one before it stays")
        wait_until(lambda: complaints() == 2, "both have said so")
        self.assertIn("holds no certificate in PEM format", self.daemon.text())
        self.renew()
        self.wait_for_another(before)

    def test_the_authority_of_clients_is_renewed(self):
        for port in self.ports.values():
            self.assertIsNone(self.shown(port, "stranger"))
        self.put("client-ca.pem", (self.keys / "other-ca.pem").read_text())
        for name, port in self.ports.items():
            wait_until(lambda p=port: self.shown(p, "stranger") is not None, f"{name} takes the other authority's")
            self.assertIsNone(self.shown(port, "arm"))


class Limits(unittest.TestCase):
    def test_more_connections_than_a_listener_may_have(self):
        port = free_port()
        with Daemon(f"  grpc: [{{address: 'unix:g', max_connections: 3}}, "
                    f"{{address: '127.0.0.1:{port}', max_connections: 3}}]\n") as daemon:
            for family, address in ((socket.AF_UNIX, str(daemon.folder / "g")), (socket.AF_INET, ("127.0.0.1", port))):
                with self.subTest(address):
                    self.fill(family, address)
            self.assertEqual(daemon.text().count("3 connections (max_connections): others are turned away"), 2)

    def fill(self, family, address):
        clients = []

        def connects():
            client = socket.socket(family)
            client.settimeout(30)
            try:
                client.connect(address)
                client.sendall(PREFACE)
                if client.recv(100):  # its own settings: it has accepted
                    clients.append(client)
                    return True
            except ConnectionError:
                pass
            client.close()
            return False
        try:
            wait_until(lambda: len(clients) == 3 or connects() and len(clients) == 3, "three are connected")
            self.assertFalse(connects())
            clients.pop().close()
            wait_until(connects, "there is room for another")
        finally:
            for client in clients:
                client.close()


def main():
    global ARGS
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
