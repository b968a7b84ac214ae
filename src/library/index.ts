// The library: import { train } from 'lockstep'. Nothing in it prints, handles signals, ends the process, or reads environment variables
// that it isn't given.
export type { Both, Comparison, Difference } from '../coordinator/run/compare.ts';
export type { ListedRun } from '../coordinator/run/list.ts';
export type { Notes } from '../coordinator/run/notes.ts';
export type { Summary } from '../coordinator/run/summary.ts';
export type {
  CheckpointRecord,
  EvaluationRecord,
  LeaveReason,
  RunEvent,
  StepObserver,
  StepRecord,
  WorkerState,
} from '../coordinator/train/observer.ts';
export type { FormatName } from '../inspect/export/formats.ts';
export type { Confused, Rates, Score } from '../inspect/scores/class-scores.ts';
export type { ValueError } from '../inspect/scores/value-errors.ts';
export type { TrainConfig } from '../shared/config/config.ts';
export type { Contents, Dataset, Inputs, SampleShape, Split, Targets } from '../shared/data/dataset.ts';
export type { Preparation } from '../shared/data/preparation.ts';
export type { Evaluation, StepTimings } from '../shared/live/step-scalars.ts';
export type { HeadSpec } from '../shared/model/heads/head.ts';
export type { LayerSpec } from '../shared/model/layers/placed-layer.ts';
export type { Shape } from '../shared/model/shape.ts';
export type { Initialization, ModelSpec } from '../shared/model/spec.ts';
export {
  BackendError,
  CheckpointError,
  DatasetError,
  ListenError,
  LockstepError,
  type LockstepErrorOptions,
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
export type { Print, Severity } from '../shared/util/notice.ts';
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
export type { BackendName } from '../worker/pool/backend-name.ts';
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
  type LayerPlace,
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
  type BestEvaluation,
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
export type { EvaluationReport, Named, NamedScore } from './evaluate.ts';
export type { ExportReport } from './export.ts';
export type { RunObserver, RunStarted } from './observer.ts';
export type { OwnScalar, OwnScalars, ReadScalar } from './own-scalars.ts';
export type { Receipt } from './receipt/receipt.ts';
export type { ChainCheck, ChainDifference, LogCheck } from './verify/log-check.ts';
export type { RecomputedSpan, Verification } from './verify/result.ts';
export type { DamagedCheckpoint } from './verify/spans.ts';
export type { Contradiction } from './verify/statements.ts';
