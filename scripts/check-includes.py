#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when an #include line breaks the dependency rule of ARCHITECTURE.md."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PUBLIC = ["inferd/engine/"]
ENGINE = {
    "engine/include": [],
    "engine/base": ["engine/base/"],
    "engine/ir": ["engine/ir/", "engine/base/"],
    "engine/import": ["engine/import/", "engine/ir/", "engine/base/"],
    "engine/opt": ["engine/opt/", "engine/ir/", "engine/base/"],
    "engine/kernels": ["engine/kernels/", "engine/base/"],
    "engine/plan": ["engine/plan/", "engine/kernels/", "engine/ir/", "engine/base/"],
    "engine/export": ["engine/export/", "engine/ir/", "engine/base/"],
    "engine/runtime": ["engine/"],
    "engine/quantize": ["engine/"],
}
PACKAGE = ["package/"]
NAMES = ["package/name.h"]
CONFIG = [f"daemon/config/{name}.h" for name in ("accounts", "client_name", "config", "credential", "said")]
MODELS = CONFIG + ["daemon/models/", "daemon/schedule/", "daemon/telemetry/", "daemon/host/"]
SHARED = ["access", "call", "caller", "certificates", "client", "client_counts", "control", "describe", "listening_socket", "messages",
          "model_config", "no_cuda", "server", "settings", "shared_memory", "socket_file"]  # by all protocols
MESSAGES = ["inference/grpc_service.pb.h", "inference/model_config.pb.h"]
SERVE = MODELS + [f"daemon/serve/{name}.h" for name in SHARED] + MESSAGES + [
    f"daemon/pipeline/{name}.h" for name in ("inlet", "pipelines", "result", "result_binary", "result_json")]
DAEMON = {
    "media": ["media/"],
    "package": PACKAGE,
    "daemon/config": NAMES + ["daemon/config/", "inference/model_config.pb.h"],
    "daemon/telemetry": CONFIG + NAMES + ["daemon/telemetry/"],
    "daemon/host": CONFIG + ["daemon/host/", "daemon/telemetry/"],
    "daemon/schedule": CONFIG + ["daemon/schedule/", "daemon/telemetry/"],
    "daemon/models": MODELS + ["media/npy.h"] + PACKAGE,
    "daemon/pipeline": MODELS + ["daemon/config/calibration.h", "daemon/config/pipeline_file.h", "daemon/pipeline/", "inferd/stage.h", "media/"],
    "daemon/serve": SERVE + NAMES + ["daemon/config/triton_json.h"],  # what comes with calls that load
    "daemon/serve/services": SERVE + NAMES + ["daemon/serve/services/", "inferd/v1/", "package/digest.h"],
    "daemon/serve/grpc": SERVE + ["daemon/serve/grpc/", "daemon/serve/services/", "inference/", "inferd/v1/", "grpc_health/"],
    "daemon/serve/http": SERVE + ["package/base64.h", "daemon/serve/http/", "daemon/serve/services/", "inferd/v1/"],
    "daemon/serve/frigate": SERVE + ["daemon/serve/frigate/", "media/picture.h"],
    "daemon/serve/local": SERVE + ["daemon/serve/local/"],
    "daemon": ["daemon/"],
    "clients/c": [],
    "clients/cpp": PACKAGE + ["clients/c/", "clients/cpp/", "inferd/client/", "inference/", "inferd/v1/", "grpc_health/"],
    "clients/inferctl": PACKAGE + ["clients/inferctl/", "inferd/client/", "media/"],
}
RULES = {**ENGINE, **DAEMON}
# Libraries that only these folders may see.
LIBRARIES = {
    "yaml-cpp/": ["daemon/config"],
    "grpcpp/": ["daemon/serve/grpc", "clients/cpp"],
    "google/protobuf/": ["engine/import/onnx", "engine/export/onnx", "daemon/config", "daemon/serve/http", "daemon/serve/services"],
    "flatbuffers/": ["engine/import/ifd", "engine/import/tflite"],
    "spdlog/": ["daemon/telemetry"],
    "systemd/": ["daemon/host", "daemon/telemetry"],
    "zmq.h": ["daemon/serve/frigate"],
    "microhttpd": ["daemon/serve/http", "daemon/pipeline/sinks"],
    "mosquitto.h": ["daemon/pipeline/mqtt"],
    "muParser.h": ["daemon/pipeline/stages"],
    "kiss_fft": ["media"],
    "curl/": ["daemon/pipeline/sinks"],
    "gnutls/": ["daemon/serve/http"],
    "zlib.h": ["daemon/serve/http", "daemon/pipeline/sinks", "clients/inferctl"],
    "curses.h": ["clients/inferctl"],
    "term.h": ["clients/inferctl"],
    "prometheus/": ["daemon/telemetry"],
    "openssl/": ["daemon/schedule", "daemon/serve"],
    "gst/": ["daemon/pipeline/sources"],
    "alsa/": ["daemon/pipeline/sources"],
    "iio.h": ["daemon/pipeline/sources"],
    "libcamera/": ["daemon/pipeline/sources"],
    "sodium.h": ["package"],
    "zstd.h": ["package"],
}
OURS = ("engine/", "daemon/", "media/", "package/", "clients/", "inferd/", "inference/", "grpc_health/")
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')


def folder_of(path):
    """The most specific rule for a file."""
    text = path.relative_to(ROOT).as_posix()
    return max((f for f in RULES if text.startswith(f + "/")), key=len, default=None)


def main():
    errors = []
    files = [p for d in ("engine", "daemon", "media", "package", "clients") for p in (ROOT / d).rglob("*") if p.suffix in (".h", ".cc")]
    for path in sorted(files):
        folder = folder_of(path)
        name = path.relative_to(ROOT).as_posix()
        if folder is None:
            errors.append(f"{name}: no rule for this folder; add it to scripts/check-includes.py and ARCHITECTURE.md")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = match.group(1)
            if target.startswith(OURS) and not target.startswith(tuple(RULES[folder] + PUBLIC)):
                errors.append(f"{name}:{number}: {folder} must not include {target}")
            for library, allowed in LIBRARIES.items():
                if target.startswith(library) and not any(name.startswith(a + "/") for a in allowed):
                    errors.append(f"{name}:{number}: only {', '.join(allowed)} may include {library}")
    print("\n".join(errors) if errors else f"includes of {len(files)} files follow the rule")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
