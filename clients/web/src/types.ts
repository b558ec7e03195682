// SPDX-License-Identifier: Apache-2.0
//
// What the daemon sends, generated from proto/inferd/v1: fields that are zero are left out, and 64-bit numbers are strings.
export type {
  DeploymentJson as Deployment,
  ListDeploymentsResponseJson as Deployments,
  ModelVersionJson as ModelVersion,
  RolloutJson as Rollout,
  ShowModelResponseJson as StoredModel,
  StoredVersionJson as StoredVersion,
  UploadStatusJson as UploadStatus,
} from "./generated/inferd/v1/deployment_pb";
export type {
  HostJson as Host,
  LogLevelJson as LogLevel,
  LogLineJson as LogLine,
} from "./generated/inferd/v1/host_pb";
export type {
  AskResponseJson as Answer,
  CheckPipelineResponseJson as PipelineCheck,
  DetectionJson as Detection,
  FrameResultJson as FrameResult,
  GraphNodeJson as GraphNode,
  ListPipelinesResponseJson as Pipelines,
  MaskJson as Mask,
  NodeStatisticsJson as NodeStatistics,
  PipelineStatusJson as PipelineStatus,
  ReadPipelineResponseJson as PipelineFile,
  WritePipelineResponseJson as PipelineWritten,
} from "./generated/inferd/v1/pipeline_pb";

// A 64-bit number, a number that JSON has no form of ("NaN"), or one that was left out.
export function num(value: string | number | undefined): number {
  return value === undefined ? 0 : Number(value);
}

// Of Triton's statistics (GET /v2/models/stats).
export interface Duration {
  count?: number | string;
  ns?: number | string;
}
export interface ModelStatistics {
  name: string;
  version: string;
  inference_count?: number | string;
  execution_count?: number | string;
  inference_stats?: {
    success?: Duration;
    fail?: Duration;
    queue?: Duration;
    compute_infer?: Duration;
  };
  batch_stats?: { batch_size: number | string; compute_infer?: Duration }[];
}

// Of POST /v2/repository/index.
export interface IndexEntry {
  name: string;
  version?: string;
  state?: string;
  reason?: string;
}

export type Role = "infer" | "observe" | "admin";

export interface WhoAmI {
  roles: Role[];
  token_required: boolean;
  version: string;
}
