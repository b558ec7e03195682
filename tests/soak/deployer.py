# SPDX-License-Identifier: Apache-2.0
"""Deploys versions of models from within a test, over gRPC's messages as they are."""
import hashlib
import json

import grpc
from way import PATIENCE_S

from inferd import _messages

DONE = "DONE"
_CHUNK = 1 << 20


def manifest_of(model, version, files):
    """The manifest of a package, as docs/packages.md has it; `files` is {path: bytes}."""
    listed = [{"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
              for path, data in sorted(files.items())]
    return json.dumps({"format": 1, "model": model, "version": version, "created": "2026-01-01T00:00:00Z",
                       "files": listed}).encode()


class Deployer:
    """A connection of its own. Methods raise grpc.RpcError."""

    def __init__(self, endpoint):
        self.pb = _messages.pipelines  # of the package inferd.v1
        self._channel = grpc.insecure_channel(endpoint, options=[("grpc.use_local_subchannel_pool", 1)])
        self.stub = _messages.Stub(self._channel, "inferd.v1.DeploymentService")

    def close(self):
        self._channel.close()

    def upload(self, model, version, files):
        """Its id, or "" for a version that lies there already."""
        begun = self.stub.BeginUpload(self.pb.BeginUploadRequest(manifest=manifest_of(model, version, files)),
                                      timeout=PATIENCE_S)
        if begun.is_staged:
            return ""

        def chunks():
            for file in begun.files:
                data = files[file.transfer.path]
                for at in range(file.received, len(data), _CHUNK):
                    yield self.pb.UploadChunk(upload=begun.upload, path=file.transfer.path, offset=at,
                                              data=data[at:at + _CHUNK])

        if begun.files:
            self.stub.Upload(chunks(), timeout=PATIENCE_S)
        return begun.upload

    def deploy(self, model, version, files, probation_s=0.0):
        """Uploads and deploys; waits for the end and returns the Deployment."""
        upload = self.upload(model, version, files)
        request = self.pb.DeployRequest(rollout=self.pb.Rollout(probation_seconds=probation_s))
        if upload:
            request.uploads.append(upload)
        else:
            request.versions.add(model=model, version=version)
        return self._end_of(self.stub.Deploy(request, timeout=PATIENCE_S))

    def roll_back(self, model, reason):
        """Waits for the end and returns the Deployment."""
        return self._end_of(self.stub.Rollback(self.pb.RollbackRequest(model=model, reason=reason), timeout=PATIENCE_S))

    def show(self, model):
        return self.stub.ShowModel(self.pb.ShowModelRequest(model=model), timeout=PATIENCE_S)

    def remove(self, model, version):
        self.stub.RemoveVersion(self.pb.RemoveVersionRequest(model=model, version=version), timeout=PATIENCE_S)

    def _end_of(self, deployment):
        for deployment in self.stub.WatchDeployment(self.pb.WatchDeploymentRequest(id=deployment.id), timeout=PATIENCE_S):
            pass
        return deployment


def state_of(deployment):
    """DONE, REFUSED, ROLLED_BACK; RUNNING: the daemon stopped."""
    # Enumerations of the package's own pool have no names in Python.
    return ("UNSPECIFIED", "RUNNING", DONE, "REFUSED", "ROLLED_BACK")[deployment.state]


def step_us(deployment, name):
    """How long a step took; 0: it was none of its steps."""
    return next((step.took_us for step in deployment.steps if step.name == name), 0)
