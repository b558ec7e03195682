#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Deployments as their users meet them: a real daemon, inferctl model push, and clients that ask all the while. What is
wrong with a model must be seen before it serves, or be taken back; the version before answers meanwhile."""
import argparse
import base64
import http.client
import json
import math
import os
import pathlib
import random
import ssl
import sys
import unittest

try:
    import grpc
    import keys
    import numpy as np
    import raw_protocol
    from board import EXIT_FAILED, EXIT_OK, EXIT_UNREACHABLE, PATIENCE_S, Board, Traffic, scale
    from daemon_process import free_port, wait_until
    from link import Link
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None


def onnx_with(operator):
    """A model of one operator, in ONNX's encoding."""
    def field(number, content):
        if isinstance(content, int):
            return bytes([number << 3, content])
        return bytes([number << 3 | 2, len(content)]) + content

    dimension = field(1, field(1, 2))
    tensor = field(1, field(1, 1) + field(2, dimension))  # FLOAT, [2]
    node = field(1, b"x") + field(2, b"y") + field(4, operator.encode())
    graph = (field(1, node) + field(2, b"g") + field(11, field(1, b"x") + field(2, tensor)) +
             field(12, field(1, b"y") + field(2, tensor)))
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


class DeploymentsTest(unittest.TestCase):
    def board(self, **options):
        board = Board(ARGS.inferd, ARGS.inferctl, **options)
        self.addCleanup(board.__exit__)
        return board

    def serving(self, **options):
        """A board on which version 1 of "m" serves: times 2."""
        board = self.board(**options).begin()
        self.ok(board.push(scale(2)))
        return board

    def ok(self, result):
        self.assertEqual(result.returncode, EXIT_OK, result.stderr)
        return result.stdout

    def refused(self, result, *messages, code=EXIT_FAILED):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        for message in messages:
            self.assertIn(message, result.stderr)

    def check(self, traffic):
        self.assertEqual(traffic.mistakes[:3], [])
        self.assertGreater(traffic.answered, 0)

    def restarted(self, board):
        self.assertEqual(board.terminate(), 0, board.text())
        return board.begin()


class Good(DeploymentsTest):
    def test_versions_come_go_back_and_are_removed(self):
        board = self.serving()
        with Traffic(board, [2, 3]) as traffic:
            out = self.ok(board.push(scale(3)))
            self.assertIn("m 1 -> 2", out)
            self.assertEqual(out.splitlines()[-1], "done")
            self.assertEqual(board.answer(), [3, 6])
            self.ok(board.ctl("model", "rollback", "m", "--reason", "it was too much"))
            self.assertEqual(board.answer(), [2, 4])
        self.check(traffic)
        self.assertEqual(board.show()[2]["verdict"], "rolled_back")
        self.assertEqual(board.show()[2]["reason"], "it was too much")
        self.refused(board.ctl("model", "rm", "m:1"), "serves")
        self.ok(board.ctl("model", "rm", "m:2"))
        self.assertEqual(list(board.show()), [1])
        self.restarted(board)
        self.assertEqual(board.answer(), [2, 4])

    def test_a_rollback_of_what_cannot_be_loaded_any_more(self):
        board = self.serving()
        self.ok(board.push(scale(3)))
        self.ok(board.push(scale(4)))
        self.assertEqual(board.terminate(), 0)
        (board.models / "m" / "3" / "model.test").write_text("damaged")
        board.begin()
        self.assertEqual(board.answer(), [3, 6])  # what was before it
        self.ok(board.ctl("model", "rollback", "m"))
        self.assertEqual(board.answer(), [3, 6])
        self.assertEqual(board.show()[3]["verdict"], "rolled_back")
        self.restarted(board)
        self.assertEqual(board.answer(), [3, 6])

    def test_a_pinned_model_stays(self):
        board = self.serving()
        self.ok(board.ctl("model", "pin", "m"))
        self.refused(board.push(scale(3)), "model 'm' is pinned", "inferctl model unpin")
        self.ok(board.ctl("model", "unpin", "m"))
        self.ok(board.push(scale(3)))
        self.assertEqual(board.answer(), [3, 6])

    def test_only_the_difference_is_sent(self):
        board = self.board().begin()
        noise = random.Random(1).randbytes(200_000).hex()
        first = board.write("first/model.test", scale(2, message=noise))
        self.ok(board.ctl("model", "push", first, "--name", "m"))
        out = self.ok(board.push(scale(3, message=noise[:100_000] + "and" + noise[100_000:]), "--delta-from", first))
        whole, sent = (int(word) for word in out.splitlines()[0].replace(",", "").split() if word.isdigit()
                       and int(word) > 2)
        self.assertGreater(whole, 400_000)
        self.assertLess(sent, 1000)
        self.assertEqual(board.answer(), [3, 6])
        unknown = board.write("unknown/model.test", scale(9, message=noise[::-1]))
        self.refused(board.push(scale(4, message=noise[::-1]), "--delta-from", unknown), "send it whole")
        self.assertEqual(board.answer(), [3, 6])

    def test_an_upload_goes_on_after_the_daemon_died(self):
        board = self.serving()
        file = board.write("large/model.test", scale(3, message=random.Random(2).randbytes(2_000_000).hex()))
        link = Link(board.folder / "link", board.folder / "grpc", 2_000_000)
        self.addCleanup(link.close)
        push = board.start_ctl("model", "push", file, "--name", "m", "--version", 2, "--raw",
                               endpoint=f"unix:{board.folder}/link")
        parts = board.models / ".inferd" / "incoming"
        self.assertTrue(link.full.wait(60))
        wait_until(lambda: any(f.stat().st_size > 500_000 for f in parts.glob("*/parts/*")), "half of it is here")
        board.kill()
        arrived = sum(f.stat().st_size for f in parts.glob("*/parts/*"))
        self.assertLess(arrived, file.stat().st_size)
        board.begin()
        self.assertEqual(board.answer(), [2, 4])
        link.open()
        out, err = push.communicate(timeout=120)
        self.assertEqual(push.returncode, EXIT_OK, err)
        self.assertIn("the link broke", err)
        self.assertIn("done", out)
        self.assertEqual(board.answer(), [3, 6])
        self.assertEqual(list(parts.iterdir()), [])

    def test_several_models_change_together(self):
        board = self.board().begin()
        secret = self.key(board)

        def packages(version, **models):
            for name, script in models.items():
                board.write(f"{name}/{version}/model.test", script)
                self.ok(board.ctl("model", "sign", board.folder / name / str(version), "--name", name, "--version", version,
                                  "--key", secret))
            return [board.folder / name / str(version) for name in models]

        self.ok(board.ctl("model", "push", *packages(1, eye=scale(2), hand=scale(3))))
        self.assertEqual([board.answer("eye"), board.answer("hand")], [[2, 4], [3, 6]])
        with Traffic(board, [2], "eye") as eye, Traffic(board, [3], "hand") as hand:
            broken = packages(2, eye=scale(5), hand=scale(6, backend="none"))
            self.refused(board.ctl("model", "push", *broken), "was refused", "there is no backend 'none'")
        self.check(eye)
        self.check(hand)
        self.assertEqual([board.serves("eye"), board.serves("hand")], [1, 1])
        self.ok(board.ctl("model", "push", *packages(3, eye=scale(7), hand=scale(8))))
        self.restarted(board)
        self.assertEqual([board.answer("eye"), board.answer("hand")], [[7, 14], [8, 16]])

    def key(self, board, name="release.key"):
        self.ok(board.ctl("key", "generate", board.folder / name))
        return board.folder / name

    def test_signed_packages(self):
        board = self.board(deployments={"trusted_keys": ["release.key.pub"]})
        secret, other = self.key(board), self.key(board, "other.key")
        self.assertTrue(pathlib.Path(f"{secret}.pub").exists())
        board.begin()
        self.ok(board.push(scale(2), "--sign", secret))
        self.refused(board.push(scale(3)), "not signed")
        self.refused(board.push(scale(3), "--sign", other), "not trusted")
        # Triton's load call brings no signature.
        pb, services = raw_protocol.load_stubs()
        load = pb.RepositoryModelLoadRequest(model_name="m")
        load.parameters["file:9/model.test"].bytes_param = json.dumps(scale(3)).encode()
        with grpc.insecure_channel(board.endpoint, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            with self.assertRaises(grpc.RpcError) as refused:
                services.GRPCInferenceServiceStub(channel).RepositoryModelLoad(load, timeout=PATIENCE_S)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
        self.assertIn("not signed", refused.exception.details())
        file = base64.b64encode(json.dumps(scale(3)).encode()).decode()
        code, answer = board.http("/v2/repository/models/m/load", {"parameters": {"file:9/model.test": file}})
        self.assertEqual(code, 403)
        self.assertIn("not signed", answer["error"])
        self.assertEqual(board.answer(), [2, 4])
        self.assertEqual(list(board.show()), [1])
        # What is altered on the disk does not serve after a restart either.
        self.ok(board.push(scale(3), "--sign", secret))
        self.assertEqual(board.terminate(), 0)
        (board.models / "m" / "2" / "model.test").write_text('{"backend": "identity"}')
        board.begin()
        self.assertEqual(board.answer(), [2, 4])
        self.assertIn("model.test", board.text())


class Canary(DeploymentsTest):
    def begin(self, board, factor, *options):
        """A canary that lasts."""
        self.ok(board.push(scale(factor), "--canary-seconds", 600, "--no-wait", *options))
        wait_until(lambda: "canary" in board.ctl("model", "deployments").stdout, "the canary has begun")

    def stream(self, board, metadata):
        """What "m" makes of (1, 2) over a stream."""
        pb, services = raw_protocol.load_stubs()
        request = pb.ModelInferRequest(model_name="m", raw_input_contents=[np.array([1, 2], np.float32).tobytes()])
        request.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 2])
        with grpc.insecure_channel(board.endpoint, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = services.GRPCInferenceServiceStub(channel)
            for answer in stub.ModelStreamInfer(iter([request]), timeout=PATIENCE_S, metadata=metadata):
                self.assertEqual(answer.error_message, "")
                return np.frombuffer(answer.infer_response.raw_output_contents[0], np.float32).tolist()

    def test_of_clients_by_the_names_that_they_give_themselves(self):
        board = self.serving()
        self.begin(board, 3, "--canary-client", "door", "--canary-client", "gate")
        wait_until(lambda: board.answer(name="door") == [3, 6], "the canary answers")
        for _ in range(5):
            self.assertEqual([board.answer(name=name) for name in ("door", "gate", "doors")], [[3, 6], [3, 6], [2, 4]])
            self.assertEqual(board.answer(), [2, 4])
            self.assertEqual(board.http_infer(headers={"inferd-client": "door"}), (2, [3, 6]))
            self.assertEqual(board.http_infer(headers={"inferd-client": "user:0"}), (1, [2, 4]))
            self.assertEqual(board.http_infer(), (1, [2, 4]))
            self.assertEqual(self.stream(board, [("inferd-client", "gate")]), [3, 6])
            self.assertEqual(self.stream(board, None), [2, 4])
        self.ok(board.ctl("model", "promote", "m"))
        wait_until(lambda: board.serves() == 2, "all get it")

    def test_of_users(self):
        board = self.serving()
        local = f"local:{board.folder}/local"

        def answers():
            return [board.answer(), board.answer(endpoint=local), board.http_infer()[1], self.stream(board, None)]
        self.begin(board, 3, "--canary-client", f"user:{os.getuid() + 1}")
        self.assertEqual(answers(), [[2, 4]] * 4)
        self.ok(board.ctl("model", "rollback", "m"))
        wait_until(lambda: board.show()[2]["verdict"] == "refused", "it is taken back")
        self.begin(board, 4, "--canary-client", f"group:{os.getgid()}")
        wait_until(lambda: board.answer() == [4, 8], "the canary answers")
        self.assertEqual(answers(), [[4, 8]] * 4)

    def test_of_certificates(self):
        made = keys.Keys()
        self.addCleanup(made.remove)
        made.authority("ca")
        for name, extension in (("server", "subjectAltName=IP:127.0.0.1"), ("arm", ""), ("leg", "")):
            made.certificate(name, "ca", extension)
        ports = [free_port(), free_port()]
        tls = {"certificate": str(made / "server.pem"), "key": str(made / "server.key"), "client_ca": str(made / "ca.pem")}
        grpc_listener, http_listener = ({"address": f"127.0.0.1:{port}", "tls": tls} for port in ports)
        board = self.serving(grpc=[grpc_listener], http=[http_listener])

        def answers(client):
            files = {"ca": made / "ca.pem", "certificate": made / f"{client}.pem", "key": made / f"{client}.key"}
            context = ssl.create_default_context(cafile=files["ca"])
            context.load_cert_chain(files["certificate"], files["key"])
            connection = http.client.HTTPSConnection("127.0.0.1", ports[1], timeout=PATIENCE_S, context=context)
            # The body is the model's only input, and the answer's is its output behind the JSON.
            connection.request("POST", "/v2/models/m/infer", np.array([1, 2], np.float32).tobytes(),
                               {"Inference-Header-Content-Length": "0"})
            answer = connection.getresponse().read()
            connection.close()
            return [board.answer(endpoint=f"grpcs://127.0.0.1:{ports[0]}", **files), np.frombuffer(answer[-8:], np.float32).tolist()]
        self.begin(board, 3, "--canary-client", "subject:arm")
        wait_until(lambda: answers("arm")[0] == [3, 6], "the canary answers")
        self.assertEqual(answers("arm"), [[3, 6]] * 2)
        self.assertEqual(answers("leg"), [[2, 4]] * 2)

    def test_what_is_no_client(self):
        board = self.serving()
        self.refused(board.push(scale(3), "--canary-client", "usr:me"), "'usr:me' is no client", "user:NAME")
        self.refused(board.push(scale(4), "--canary-client", "user:nobody-at-all"), "no user 'nobody-at-all'")
        self.assertEqual(board.serves(), 1)


class Sequences(DeploymentsTest):
    def test_answers_have_the_version_that_gave_them(self):
        board = self.board(deployments={"drain_timeout_ms": 600_000}).begin()
        sums = {"backend": "accumulate", "inputs": [{"datatype": "FP32", "shape": [-1, 2]}]}
        self.ok(board.push(sums))
        pb, services = raw_protocol.load_stubs()
        with grpc.insecure_channel(board.endpoint, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = services.GRPCInferenceServiceStub(channel)

            def ask(identity, start=False, end=False):
                request = pb.ModelInferRequest(model_name="m", raw_input_contents=[np.ones(2, np.float32).tobytes()])
                request.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 2])
                request.parameters["sequence_id"].int64_param = identity
                request.parameters["sequence_start"].bool_param = start
                request.parameters["sequence_end"].bool_param = end
                response = stub.ModelInfer(request, timeout=PATIENCE_S)
                return response.model_version, np.frombuffer(response.raw_output_contents[0], np.float32)[0]

            self.assertEqual(ask(7, start=True), ("1", 1))
            self.assertEqual(board.http_infer(sequence_id=8, sequence_start=True), (1, [1, 2]))
            self.ok(board.push({**sums, "pad": "new"}, "--no-wait"))
            wait_until(lambda: board.serves() == 2, "the new version serves")
            self.assertEqual(ask(7), ("1", 2))
            self.assertEqual(ask(9, start=True), ("2", 1))
            self.assertEqual(board.http_infer(sequence_id=8), (1, [2, 4]))
            self.assertEqual(ask(7, end=True), ("1", 3))
            self.assertEqual(board.http_infer(sequence_id=8, sequence_end=True), (1, [3, 6]))
            self.assertEqual(ask(9), ("2", 2))


class Bad(DeploymentsTest):
    """Whatever is wrong with a version, the one before answers."""

    def test_what_never_serves(self):
        board = self.serving(models={"max_file_bytes": 100_000}, deployments={"max_package_bytes": 1_000_000})
        with Traffic(board, [2]) as traffic:
            for content, file, messages in [
                    (b"\x00\x01garbage", "new/model.tflite", ["model.tflite"]),
                    (b"{ not JSON", "new/model.test", ["model.test"]),
                    (onnx_with("Nonesuch"), "new/model.onnx", ["Nonesuch"]),
                    (bytes(200_000), "new/model.onnx", ["200000", "100000"]),
                    (bytes(2_000_000), "new/model.onnx", ["max_package_bytes", "1000000"])]:
                with self.subTest(file=file, messages=messages):
                    before = board.show()
                    self.refused(board.push(content, file=file), *messages)
                    new = set(board.show()) - set(before)
                    for version in new:
                        self.assertEqual(board.show()[version]["verdict"], "refused")
                        self.assertNotEqual(board.show()[version]["reason"], "")
                    self.assertEqual(board.serves(), 1)
        self.check(traffic)
        self.restarted(board)
        self.assertEqual(board.answer(), [2, 4])

    def test_a_wrong_answer_of_the_self_test(self):
        board = self.serving()
        for part, values in (("inputs/INPUT0", [[1, 2]]), ("outputs/OUTPUT0", [[3, 6]])):
            path = board.folder / "cases" / "one" / f"{part}.npy"
            path.parent.mkdir(parents=True)
            np.save(path, np.array(values, np.float32))
        with Traffic(board, [2, 3]) as traffic:
            self.refused(board.push(scale(4), "--self-test", board.folder / "cases"), "self-test 'one'", "OUTPUT0")
            self.assertEqual(board.serves(), 1)
            self.assertIn("1 passed", self.ok(board.push(scale(3), "--self-test", board.folder / "cases")))
        self.check(traffic)
        self.assertEqual(board.serves(), 3)

    def test_a_first_version_that_is_refused(self):
        board = self.serving()
        self.refused(board.push(b"{ not JSON", name="new"), "model.test")
        self.restarted(board)  # without it
        self.assertEqual(board.answer(), [2, 4])
        self.assertEqual(board.show("new")[1]["verdict"], "refused")
        self.ok(board.push(scale(3), name="new"))
        self.assertEqual(board.answer("new"), [3, 6])

    def test_what_is_taken_back(self):
        for what, script, factors, message in [
                ("NaN", scale(None), [2, math.nan], "NaN"),
                ("slow", scale(2, run_us=20_000), [2], "takes")]:
            with self.subTest(what):
                board = self.board().begin()
                self.ok(board.push(scale(2, run_us=2_000)))
                with Traffic(board, factors) as traffic:
                    wait_until(lambda t=traffic: t.answered > 20, "it is known how long an answer takes")
                    self.refused(board.push(script, "--probation", 600), "was rolled back", message)
                    self.assertEqual(board.answer(), [2, 4])
                self.check(traffic)
                self.assertEqual(board.show()[2]["verdict"], "rolled_back")
                self.assertIn(message, board.show()[2]["reason"])
                self.restarted(board)
                self.assertEqual(board.answer(), [2, 4])

    def test_a_canary_of_zeros(self):
        board = self.serving()
        with Traffic(board, [2, 0]) as traffic:
            self.refused(board.push(scale(0), "--canary", 0.5, "--canary-seconds", 600), "was refused",
                         "nothing but zeros")
            self.assertEqual(board.answer(), [2, 4])
        self.check(traffic)
        self.assertEqual(board.serves(), 1)

    def test_a_shadow_that_disagrees(self):
        board = self.serving()
        with Traffic(board, [2]) as traffic:  # nobody gets its answers
            self.refused(board.push(scale(3), "--shadow", 1, "--shadow-seconds", 600), "as a shadow", "agreed in 0 %")
        self.check(traffic)
        self.assertEqual(board.serves(), 1)

    def test_a_run_that_ends_the_daemon(self):
        board = self.serving()
        crash = {"backend": "crash", "inputs": [{"datatype": "FP32", "shape": [-1, 2]}]}
        self.refused(board.push(crash), code=EXIT_UNREACHABLE)
        wait_until(lambda: not board.alive(), "the daemon dies")
        board.begin()
        self.assertEqual(board.answer(), [2, 4])
        shown = board.show()[2]
        self.assertEqual((shown["verdict"], shown["crashes"]), ("quarantined", 1))
        self.assertIn("SIGABRT", shown["reason"])
        self.assertIn("quarantined", board.text())
        self.ok(board.push(scale(3)))
        self.restarted(board)
        self.assertEqual(board.answer(), [3, 6])
        self.assertEqual(board.show()[2]["verdict"], "quarantined")


def main():
    global ARGS
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", required=True, help="inferd-with-test-models")
    parser.add_argument("--inferctl", required=True)
    ARGS, rest = parser.parse_known_args()
    ARGS.inferd, ARGS.inferctl = (str(pathlib.Path(p).resolve()) for p in (ARGS.inferd, ARGS.inferctl))
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)


if __name__ == "__main__":
    main()
