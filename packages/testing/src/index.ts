export { brokerForTests, NoTestBrokerError, type TakenMessage, TestBroker, testQueues } from './amqp.js'
export * from './archive/index.js'
export * from './browser/index.js'
export * from './cape/index.js'
export {
  type BsonValue,
  bsonFromPython,
  type CritsJournalEntry,
  type CritsOptions,
  type CritsStandIn,
  type CritsUser,
  type CritsViolation,
  parsePy2Literal,
  type SourceRight,
  type StoredAnalysis,
  type StoredResult,
  type StoredSample,
  startCrits,
} from './crits/index.js'
export {
  critsMessage,
  publishAsCrits,
  type RunningAnalysis,
  runCritsService,
  type Submission,
} from './crits-service.js'
export * from './cuckoo/index.js'
export { type FaultMatch, type FaultRule, FaultScript, type HttpFault, Outage, playFault } from './faults.js'
export { smallDisk, spyOnFiles } from './file-spy.js'
export { AWKWARD_JSON, type Damage, damagedJson, fuzzing } from './fuzz.js'
export { MultipartError, type MultipartPart, multipartBoundary, readMultipart } from './multipart.js'
export { type PipelineParts, pipelineConfigs } from './pipeline-configs.js'
export { type PostgresOptions, startPostgres, type TestPostgres } from './postgres.js'
export {
  builtService,
  type LogLine,
  type LogMatch,
  ServiceEndedError,
  type ServiceExit,
  type ServiceOptions,
  ServiceProcess,
  spawnService,
  startService,
} from './process.js'
export { ProcessGuard } from './process-guard.js'
export {
  PrivateRabbitMq,
  RabbitMqError,
  type RabbitMqOptions,
  startRabbitMq,
} from './rabbitmq.js'
export type { QueueState } from './rabbitmq-erlang.js'
export { freePort, type NodeHost, RabbitMqMissingError } from './rabbitmq-setup.js'
export { reset } from './reset.js'
export { type ProxyTarget, TcpProxy } from './tcp-proxy.js'
export { type FakeClock, fakeClock, startedWith, testUnits, type UnitRow, type UnitTable } from './units.js'
export { WaitError, type WaitOptions, waitFor } from './wait-for.js'
