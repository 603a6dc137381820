export { brokerAccount } from './broker/address.js'
export { EventReader } from './broker/event-reader.js'
export { instanceName } from './broker/event-sender.js'
export { lookAtQueue, type QueueLook, withBroker } from './broker/look.js'
export { Publisher, UndeliverableError } from './broker/publisher.js'
export { declareQueue, type OwnQueue, stageQueues } from './broker/queues.js'
export { askReaders } from './broker/readers.js'
export { SharedCauses } from './broker/shared-causes.js'
export { Bulkhead, type BulkheadOptions, type Reachable } from './bulkhead.js'
export type { Arguments, Command, CommandGroup, Commands, SetUpCommand } from './command-line.js'
export { loadConfig } from './config.js'
export { laterWithSpace } from './disk-full.js'
export {
  ChannelLost,
  ConfigError,
  describeError,
  errorCode,
  HoldLimitReached,
  InvalidMessageError,
  isPermanent,
  isSharedCause,
  PermanentError,
  ServiceError,
  StopRequested,
  toError,
} from './errors.js'
export { decodeEvent, encodeEvent, eventQueue, type Origin, type PipelineEvent, ROOM } from './events.js'
export { type FailedFields, failedToWire } from './failed-fields.js'
export {
  type FailureEntry,
  type HeaderTable,
  type MessageHeaders,
  readHeaders,
  type SharedCause,
  writeHeaders,
} from './headers.js'
export { type Listener, type ListenOptions, listenHttp } from './http-server.js'
export { Intake } from './intake.js'
export { createLogger, type Logger, logAvailability } from './logger.js'
export type { Look } from './look.js'
export {
  type CritsData,
  CritsDataWire,
  critsDataFromWire,
  critsDataOf,
  decodeFailedMessage,
  decodeTask,
  encodeFailedMessage,
  encodeTask,
  type FailedMessage,
  parseJson,
  type TaskMessage,
} from './messages.js'
export { listenAddress, type MetricsConfig, MetricsKeys } from './metrics/config.js'
export type { Figure } from './metrics/figures.js'
export { knownHosts } from './metrics/host-name.js'
export { Metrics } from './metrics/metrics.js'
export { serveMetrics } from './metrics/server.js'
export { networkWords } from './network-words.js'
export { asNumber, asNumbers, asTexts, NOTE_HEADERS, type Note, type NoteHeader, Notes } from './notes.js'
export { type ProcessDefinition, type ProcessEnvironment, runProcess } from './process.js'
export { isSecretName, redactText } from './redact.js'
export { firstProblem, shapeOf, validator } from './schema.js'
export {
  type BrokerAccess,
  type OpenService,
  type RunCommand,
  runService,
  type ServiceCommands,
  type ServiceDefinition,
  type ServiceDependencies,
} from './service.js'
export {
  type Afterwards,
  again,
  type BoundStage,
  bindStage,
  type CarriedOut,
  type Delivery,
  done,
  forward,
  later,
  type Outcome,
  type StageContext,
  type StageDefinition,
} from './stage.js'
export {
  type BrokerConfig,
  BrokerKeys,
  holdLimitMs,
  prefetchKey,
  StageKeys,
} from './stage-config.js'
export {
  type EventName,
  type Happening,
  NO_TELEMETRY,
  type SandboxRoom,
  type Subject,
  type Telemetry,
  waitingFor,
} from './telemetry.js'
export { counted, printable, say, sayJson, timeOf } from './terminal.js'
export type { Activities, Activity, ActivityEnd, RunningActivity } from './tracing/activity.js'
export { openTracer } from './tracing/open.js'
export { directoryProblems, existingPart, spaceLook } from './usable.js'
export { SERVICE_VERSION } from './version.js'
export { serverWaitedFor, WAITS, waitForServer } from './waits.js'
