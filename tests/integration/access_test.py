#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who may do what: a real daemon and clients of other users."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import unittest

from daemon_process import DaemonProcess, free_port

try:
    import grpc
    import inferd
    import keys
    import numpy as np
    import raw_protocol
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None
PB = None
NOBODY = 65534
HEALTH = {"ServerLive", "ServerReady", "ModelReady"}  # everybody may ask


def tries(connects):
    try:
        connects()
        return True
    except OSError:
        return False


def call(channel, method, request=None, metadata=None):
    """"ok", or "CODE: message". An unknown request is empty, as wire format."""
    path = method if "/" in method else f"/inference.GRPCInferenceService/{method}"
    unary = channel.unary_unary(path, request_serializer=lambda m: m, response_deserializer=lambda b: b)
    try:
        unary(request or b"", timeout=30, metadata=metadata, wait_for_ready=True)
        return "ok"
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"


def over(address, *calls):
    """Calls over a connection of its own; for another user also in a process of its own."""
    with grpc.insecure_channel(address) as channel:
        return "\n".join(call(channel, *c) for c in calls)


def in_child(user, address, *calls):
    """What over() returns, for another user: gRPC does not survive a fork, so a fresh interpreter asks."""
    result = subprocess.run([sys.executable, "-B", __file__, "--inferd", "", "--as-user", str(user), address] +
                            [json.dumps([c if isinstance(c, str) else [c[0], c[1].hex()] for c in calls])],
                            capture_output=True, text=True, timeout=100)
    return result.stdout.strip() or result.stderr


class Daemon(DaemonProcess):
    """A daemon with one scripted model, `copy`, on its own folder, which everybody may enter. To be waited for."""

    def __init__(self, server, files=(), model=None, options=""):
        super().__init__(ARGS.inferd)
        self.folder.chmod(0o755)
        self.add_model("copy", model or {"backend": "identity", "inputs": [{"shape": [-1, 2]}]})
        for name, text, mode in files:
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(mode)
        self.configure(f"server:\n{server}models: {{root: models{options}}}\n")
        self.launch()

    def wait(self, connects):
        self.wait_until_it_serves(lambda: tries(connects))


def as_user(user, function):
    """What `function` returns, as text, in a process of `user`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            text = function()
        except Exception as error:  # the parent shall see it
            text = f"failed: {error!r}"
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def hello(path):
    """The daemon's answer to the first frame of the local socket: "ok", or its message."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(30)
        client.connect(str(path))
        try:
            client.send(struct.pack("<IHHQIHH", 24, 1, 0, 1, 0x4C444649, 1, 1))
        except BrokenPipeError:
            pass  # it was refused already, and the reason waits
        try:
            data = client.recv(1 << 16)
        except ConnectionResetError:  # that it was closed is told before what was said at last
            data = client.recv(1 << 16)
    _, _, status, _ = struct.unpack_from("<IHHQ", data)
    return f"{status}: {data[16:].decode()}" if status else "ok"


@unittest.skipIf(os.getuid() != 0, "SKIPPED: only root can be somebody else")
class LocalSocket(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon("  grpc: [unix:grpc.sock]\n"
                             "  local: [{path: local.sock, mode: '0666', allow: [{roles: [infer], users: [root]},\n"
                             "                                                   {roles: [observe], everyone: true}]}]\n")
        self.daemon.wait(lambda: hello(self.daemon.folder / "local.sock"))

    def tearDown(self):
        self.assertEqual(self.daemon.stop(), 0)

    def test_only_who_has_the_role_runs_models(self):
        path = self.daemon.folder / "local.sock"
        self.assertEqual(hello(path), "ok")
        self.assertEqual(as_user(NOBODY, lambda: hello(path)),
                         "7: the local socket needs the role 'infer', and the caller has: observe")
        self.assertEqual(hello(path), "ok")

    def test_inferctl_says_why(self):
        result = subprocess.run([ARGS.inferctl, "--endpoint", f"local:{self.daemon.folder}/local.sock", "model", "list"],
                                capture_output=True, text=True, timeout=60, user=NOBODY, extra_groups=[])
        self.assertIn("the local socket needs the role 'infer', and the caller has: observe", result.stderr)


@unittest.skipIf(os.getuid() != 0, "SKIPPED: only root can be somebody else")
class UnixUsers(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon("  grpc:\n    - address: unix:grpc.sock\n      mode: '0666'\n      allow:\n"
                             "        - {roles: [admin], users: [root]}\n"
                             f"        - {{roles: [infer], users: ['{NOBODY}']}}\n"
                             "        - {roles: [observe], groups: ['4321']}\n")
        self.address = f"unix:{self.daemon.folder}/grpc.sock"
        self.daemon.wait(lambda: connect(self.daemon.folder / "grpc.sock"))

    def tearDown(self):
        self.assertEqual(self.daemon.stop(), 0)

    def test_each_has_its_roles(self):
        self.assertEqual(over(self.address, ("RepositoryModelUnload", unload()), ("RepositoryIndex",)), "ok\nok")
        self.assertEqual(
            in_child(NOBODY, self.address, "ModelMetadata", ["RepositoryModelUnload", unload()], "RepositoryIndex",
                     "/inferd.v1.PipelineService/ListPipelines", "/inferd.v1.PipelineService/StopPipeline",
                     "/inferd.v1.PipelineService/Snapshot", "/inferd.v1.PipelineService/ListCameras",
                     "/inferd.v1.PipelineService/PushFrames",
                     "ServerLive").splitlines(),
            ["NOT_FOUND: there is no model ''; none is loaded",
             "PERMISSION_DENIED: RepositoryModelUnload needs the role 'admin', and the caller has: infer",
             "PERMISSION_DENIED: RepositoryIndex needs the role 'observe', and the caller has: infer",
             "PERMISSION_DENIED: ListPipelines needs the role 'observe', and the caller has: infer",
             "PERMISSION_DENIED: StopPipeline needs the role 'admin', and the caller has: infer",
             "PERMISSION_DENIED: Snapshot needs the role 'observe', and the caller has: infer",
             "PERMISSION_DENIED: ListCameras needs the role 'admin', and the caller has: infer",
             "INVALID_ARGUMENT: the first message names no source", "ok"])

    def test_without_a_role_every_method_is_denied(self):
        methods = [m.name for m in PB.ModelInferRequest.DESCRIPTOR.file.services_by_name["GRPCInferenceService"].methods]
        self.assertGreater(len(methods), 15)
        answers = in_child(12345, self.address, *methods).splitlines()
        for method, answer in zip(methods, answers, strict=True):
            expected = "ok" if method in HEALTH - {"ModelReady"} else None
            if method in HEALTH:
                self.assertFalse(answer.startswith("PERMISSION"), f"{method}: {answer}")
            else:
                self.assertTrue(answer.startswith(f"PERMISSION_DENIED: {method} needs the role"), f"{method}: {answer}")
            if expected:
                self.assertEqual(answer, expected)

    def test_without_a_role_nothing_is_deployed_and_nothing_told_of_it(self):
        proto = (pathlib.Path(__file__).parents[2] / "proto/inferd/v1/deployment.proto").read_text()
        methods = re.findall(r"^  rpc (\w+)", proto, re.MULTILINE)
        self.assertGreater(len(methods), 8)
        answers = in_child(12345, self.address, *(f"/inferd.v1.DeploymentService/{m}" for m in methods)).splitlines()
        for method, answer in zip(methods, answers, strict=True):
            self.assertTrue(answer.startswith(f"PERMISSION_DENIED: {method} needs the role"), f"{method}: {answer}")

    def test_roles_do_not_leak_from_connection_to_connection(self):
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            mine = [pool.submit(over, self.address, ("RepositoryIndex",)) for _ in range(12)]
            theirs = [pool.submit(in_child, NOBODY, self.address, "RepositoryIndex") for _ in range(6)]
            for answer in mine:
                self.assertEqual(answer.result(), "ok")
            for answer in theirs:
                self.assertTrue(answer.result().startswith("PERMISSION_DENIED"), answer.result())


class WithCertificates(unittest.TestCase):
    """A daemon that takes certificates and tokens over TLS."""

    TOKEN = "a-token-that-is-long-enough"

    @classmethod
    def setUpClass(cls):
        cls.keys = keys.Keys()
        cls.keys.authority("ca")
        cls.keys.certificate("server", "ca", "subjectAltName=IP:127.0.0.1")
        cls.keys.certificate("arm", "ca")
        cls.keys.certificate("leg", "ca")
        cls.keys.authority("other-ca")
        cls.keys.certificate("stranger", "other-ca", name="arm")
        cls.port = free_port()
        cls.daemon = Daemon(
            f"  grpc:\n    - address: 127.0.0.1:{cls.port}\n"
            f"      tls: {{certificate: {cls.keys / 'server.pem'}, key: {cls.keys / 'server.key'},\n"
            f"            client_ca: {cls.keys / 'ca.pem'}}}\n"
            "      allow:\n"
            "        - {roles: [infer], subjects: [arm]}\n"
            "        - {roles: [observe], tokens: tokens}\n", [("tokens", cls.TOKEN + "\n", 0o600)])
        cls.daemon.wait(lambda: socket.create_connection(("127.0.0.1", cls.port)).close())

    @classmethod
    def tearDownClass(cls):
        cls.keys.remove()
        assert cls.daemon.stop() == 0


class Tls(WithCertificates):
    def channel(self, client=None):
        read = lambda name: (self.keys / name).read_bytes()  # noqa: E731
        key, chain = (read(f"{client}.key"), read(f"{client}.pem")) if client else (None, None)
        channel = grpc.secure_channel(f"127.0.0.1:{self.port}", grpc.ssl_channel_credentials(read("ca.pem"), key, chain))
        self.addCleanup(channel.close)
        return channel

    def denied(self, channel, method, **more):
        answer = call(channel, method, **more)
        self.assertTrue(answer.startswith("PERMISSION_DENIED"), answer)

    def test_a_certificate_gives_its_subjects_roles(self):
        arm = self.channel("arm")
        self.assertEqual(call(arm, "ServerMetadata"), "ok")
        self.denied(arm, "RepositoryIndex")
        leg = self.channel("leg")
        self.assertEqual(call(leg, "ServerLive"), "ok")
        self.denied(leg, "ServerMetadata")

    def test_a_certificate_of_another_authority_does_not_connect(self):
        with self.assertRaises(grpc.FutureTimeoutError):
            grpc.channel_ready_future(self.channel("stranger")).result(timeout=2)

    def test_without_encryption_nobody_connects(self):
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            with self.assertRaises(grpc.FutureTimeoutError):
                grpc.channel_ready_future(channel).result(timeout=2)

    def test_a_token_gives_roles_without_a_certificate(self):
        channel = self.channel()
        header = lambda text: [("authorization", text)]  # noqa: E731
        self.denied(channel, "RepositoryIndex")
        self.assertEqual(call(channel, "RepositoryIndex", metadata=header(f"Bearer {self.TOKEN}")), "ok")
        self.assertEqual(call(channel, "RepositoryIndex", metadata=header(f"bearer {self.TOKEN}")), "ok")
        self.denied(channel, "RepositoryIndex", metadata=header(f"Bearer {self.TOKEN}x"))
        self.denied(channel, "RepositoryIndex", metadata=header(f"Basic {self.TOKEN}"))
        self.denied(channel, "RepositoryModelUnload", metadata=header(f"Bearer {self.TOKEN}"))

    def test_roles_of_certificate_and_token_add_up(self):
        arm = self.channel("arm")
        self.assertEqual(call(arm, "RepositoryIndex", metadata=[("authorization", f"Bearer {self.TOKEN}")]), "ok")


class ClientsOverTls(WithCertificates):
    """The clients that come with the daemon."""

    ARRAY = np.array([[1.5, -2.0]], np.float32)

    def python(self, who=None, token=None):
        files = {"certificate": self.keys / f"{who}.pem", "key": self.keys / f"{who}.key"} if who else {}
        client = inferd.Client(f"grpcs://127.0.0.1:{self.port}", timeout=30, ca=self.keys / "ca.pem", token=token, **files)
        self.addCleanup(client.close)
        return client

    def raises(self, code, message, call):
        with self.assertRaises(inferd.Error) as caught:
            call()
        self.assertEqual(caught.exception.code, code, caught.exception)
        self.assertIn(message, str(caught.exception))

    def ctl(self, *arguments, who=None, token=None):
        files = ["--cert", self.keys / f"{who}.pem", "--key", self.keys / f"{who}.key"] if who else []
        if token:
            path = self.keys / "token"
            path.write_text(f"# of a dashboard\n{token}\n")
            files += ["--token-file", path]
        command = [ARGS.inferctl, "--endpoint", f"grpcs://127.0.0.1:{self.port}", "--ca", self.keys / "ca.pem", *files, *arguments]
        return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60)

    def test_python_with_a_certificate(self):
        client = self.python("arm")
        np.testing.assert_array_equal(client.infer("copy", self.ARRAY)["OUTPUT0"], self.ARRAY)
        with client.stream() as stream:
            np.testing.assert_array_equal(stream.infer("copy", self.ARRAY).result(30)["OUTPUT0"], self.ARRAY)
        self.raises(inferd.Code.PERMISSION_DENIED, "needs the role 'observe'", client.models)

    def test_python_with_a_token(self):
        client = self.python(token=self.TOKEN)
        self.assertEqual([m.name for m in client.models()], ["copy"])
        array = {"INPUT0": self.ARRAY}
        self.raises(inferd.Code.PERMISSION_DENIED, "needs the role 'infer'", lambda: client.infer("copy", array))
        both = self.python("arm", self.TOKEN)
        both.models()
        with both.stream() as stream:
            np.testing.assert_array_equal(stream.infer("copy", array).result(30)["OUTPUT0"], self.ARRAY)

    def test_python_does_not_trust_strangers(self):
        with inferd.Client(f"grpcs://127.0.0.1:{self.port}", timeout=5, ca=self.keys / "other-ca.pem") as client:
            self.raises(inferd.Code.UNAVAILABLE, "", client.health)

    def test_python_refuses_what_makes_no_sense(self):
        address = f"127.0.0.1:{self.port}"
        for code, message, endpoint, options in [
                (inferd.Code.NOT_FOUND, "cannot read", f"grpcs://{address}", {"ca": "/nonexistent"}),
                (inferd.Code.INVALID_ARGUMENT, "needs its key", f"grpcs://{address}", {"certificate": self.keys / "arm.pem"}),
                (inferd.Code.INVALID_ARGUMENT, "write grpcs://", "192.0.2.1:80", {"token": self.TOKEN}),
                (inferd.Code.INVALID_ARGUMENT, "for an endpoint grpcs://", address, {"ca": self.keys / "ca.pem"}),
                (inferd.Code.INVALID_ARGUMENT, "printable", f"grpcs://{address}", {"token": "a\nb"}),
                (inferd.Code.INVALID_ARGUMENT, "neither certificates", "local:/tmp/l", {"token": self.TOKEN})]:
            with self.subTest(message):
                self.raises(code, message, lambda e=endpoint, o=options: inferd.Client(e, **o))

    def test_inferctl_with_a_certificate(self):
        np.save(self.keys / "x.npy", self.ARRAY)
        result = self.ctl("infer", "copy", "--input", self.keys / "x.npy", "--output-dir", self.keys / "out", who="arm")
        self.assertEqual(result.returncode, 0, result.stderr)
        np.testing.assert_array_equal(np.load(self.keys / "out" / "OUTPUT0.npy"), self.ARRAY)
        load = self.ctl("--json", "load", "copy", "--connections", 2, "--concurrency", 2, "--duration", 0.2, who="arm")
        self.assertEqual(load.returncode, 0, load.stderr)
        self.assertEqual(json.loads(load.stdout)["errors"], {})
        denied = self.ctl("model", "list", who="arm")
        self.assertEqual(denied.returncode, 1)
        self.assertIn("needs the role 'observe'", denied.stderr)

    def test_inferctl_with_a_token(self):
        listed = self.ctl("model", "list", token=self.TOKEN)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertIn("copy", listed.stdout)
        self.assertIn("has more than one token", self.ctl("model", "list", token="one-token\nanother-token").stderr)
        self.assertEqual(self.ctl("health", who="stranger").returncode, 3)


class Clients(unittest.TestCase):
    """What waits for one of them: `max_queue_per_client`."""

    def setUp(self):
        self.port = free_port()
        self.daemon = Daemon(f"  grpc: [unix:grpc.sock, '127.0.0.1:{self.port}']\n",
                             model={"backend": "identity", "inputs": [{"shape": [1, 2]}], "run_us": 300000},
                             options=", serve: [{name: copy, max_queue_per_client: 1}]")
        self.daemon.wait(lambda: connect(self.daemon.folder / "grpc.sock"))
        self.addresses = [f"unix:{self.daemon.folder}/grpc.sock", f"127.0.0.1:{self.port}"]

    def tearDown(self):
        self.assertEqual(self.daemon.stop(), 0)

    def answers(self, channels):
        request = PB.ModelInferRequest(model_name="copy")
        request.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 2])
        request.raw_input_contents.append(bytes(8))
        with concurrent.futures.ThreadPoolExecutor(len(channels)) as pool:
            return list(pool.map(lambda c: call(c, "ModelInfer", request.SerializeToString()), channels))

    def channel(self, address):
        channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(channel.close)
        return channel

    def test_a_connection_is_one(self):
        for address in self.addresses:
            with self.subTest(address=address):
                answers = self.answers([self.channel(address)] * 8)
                self.assertIn("ok", answers)
                refused = [a for a in answers if a != "ok"]
                self.assertGreater(len(refused), 0)
                for answer in refused:
                    self.assertRegex(answer, "RESOURCE_EXHAUSTED: .*full for this client")

    def test_another_connection_is_another(self):
        for address in self.addresses:
            with self.subTest(address=address):
                self.assertEqual(self.answers([self.channel(address) for _ in range(8)]), ["ok"] * 8)


class Mistakes(unittest.TestCase):
    def refused(self, server, files=()):
        daemon = Daemon(server, files)
        daemon.process.wait(timeout=30)
        text = daemon.text()
        self.assertEqual(daemon.stop(), 1)
        return text

    def test_a_certificate_that_is_not_there(self):
        text = self.refused("  grpc: [{address: 127.0.0.1:0, tls: {certificate: c.pem, key: k.pem}}]\n")
        self.assertRegex(text, r"inferd.yaml:2:52: '.*/c.pem' cannot be read: No such file or directory")

    def test_tokens_that_others_can_read(self):
        text = self.refused("  grpc: [{address: '127.0.0.1:0', allow: [{roles: [infer], tokens: t}]}]\n",
                            [("t", "0123456789abcdef", 0o644)])
        self.assertIn("holds secrets that others can read", text)

    def test_a_user_that_does_not_exist(self):
        text = self.refused("  grpc: [unix:grpc.sock]\n"
                            "  local: [{path: local.sock, allow: [{roles: [infer], users: [nobody-at-all]}]}]\n")
        self.assertIn("inferd.yaml:3:38: there is no user 'nobody-at-all'", text)


def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def unload():
    """Of a model that nobody misses."""
    return PB.RepositoryModelUnloadRequest(model_name="copy").SerializeToString()


def ask_as(user, address, calls):
    """The other side of in_child()."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    print(over(address, *[(c,) if isinstance(c, str) else (c[0], bytes.fromhex(c[1])) for c in json.loads(calls)]))


def main():
    global ARGS, PB
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", required=True)
    parser.add_argument("--inferctl")
    parser.add_argument("--as-user", nargs=3)
    ARGS, rest = parser.parse_known_args()
    if ARGS.as_user:
        return ask_as(int(ARGS.as_user[0]), *ARGS.as_user[1:])
    PB = raw_protocol.load_stubs()[0]
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)


if __name__ == "__main__":
    main()
