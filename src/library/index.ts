// The library: import { train } from 'lockstep'. Nothing in it prints, handles signals, ends the process, or reads environment variables
// that it isn't given.
export type { Comparison } from '../coordinator/run/compare.ts';
export type { ListedRun } from '../coordinator/run/list.ts';
export type { Notes } from '../coordinator/run/notes.ts';
export type { Summary } from '../coordinator/run/summary.ts';
export type {
  CheckpointRecord,
  EvaluationRecord,
  RunEvent,
  StepObserver,
  StepRecord,
} from '../coordinator/train/observer.ts';
export type { FormatName } from '../inspect/export/formats.ts';
export type { TrainConfig } from '../shared/config/config.ts';
export type { Dataset, Split } from '../shared/data/dataset.ts';
export type { Shape } from '../shared/model/shape.ts';
export type { ModelSpec } from '../shared/model/spec.ts';
export {
  BackendError,
  CheckpointError,
  DatasetError,
  ListenError,
  LockstepError,
  MemoryError,
  ModelError,
  NodeError,
  NotFiniteError,
  PackageError,
  RunDirectoryError,
  RunLockError,
  UsageError,
  WorkerError,
  WriteError,
} from '../shared/util/errors.ts';
export type { Print } from '../shared/util/notice.ts';
export { version } from '../shared/util/version.ts';
export type {
  ConnectOptions,
  NodeTransport,
  Peer,
  Receiver,
  ServerHandlers,
  Transport,
  TransportServer,
} from '../shared/wire/transport.ts';
export {
  type DatasetDefinition,
  defineDataset,
  type OpenDatasetOptions,
  openDataset,
  type Part,
  type Samples,
  saveDataset,
} from './api/define-dataset.ts';
export {
  defineModel,
  type LayerDefinition,
  type LayerOptions,
  type Layers,
  layers,
  type ModelDefinition,
} from './api/define-model.ts';
export { type Environment, fromEnvironment } from './api/environment.ts';
export {
  type EvaluateNetworkOptions,
  Network,
  type PictureInput,
  type Prediction,
  type Unreadable,
} from './api/network.ts';
export { type Coordinator, type RunningNode, type StartNodeOptions, startCoordinator, startNode } from './api/node.ts';
export { evaluate, predict } from './api/one-call.ts';
export {
  EndedRun,
  listRuns,
  type NetworkOptions,
  openRun,
  type RecomputeRunOptions,
  type ReproduceRunOptions,
  Run,
  type RunCheck,
  type VerifyRunOptions,
  verifyRun as verify,
} from './api/run.ts';
export {
  type NodeChange,
  type Notice,
  type ResumeOptions,
  resume,
  type TrainControl,
  type TrainEvents,
  type TrainOptions,
  train,
} from './api/train.ts';
export type { EvaluationReport } from './evaluate.ts';
export type { ExportReport } from './export.ts';
export type { RunObserver, RunStarted } from './observer.ts';
export type { OwnScalar, OwnScalars } from './own-scalars.ts';
export type { Receipt } from './receipt/receipt.ts';
export type { Verification } from './verify/verification.ts';
