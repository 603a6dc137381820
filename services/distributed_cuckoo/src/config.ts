/** The configuration: what the original's command line has, and what it lacks. */
import { resolve } from 'node:path'
import { directoryProblems, existingPart, MetricsKeys } from '@cuckoo-distributed/core'
import { urlProblems } from '@cuckoo-distributed/http'
import { CapeDeleteKey, requestsPerMinuteKey } from '@cuckoo-distributed/sandbox-client'
import Type, { type Static } from 'typebox'
import { networkProblems } from './networks.js'

const GIB = 2 ** 30
const DIRECTORY = 'made with its parents when missing'

/** A report format is part of a file name, so that nothing that could leave the directory is one. */
const FORMAT_PATTERN = '^(?!.*\\.\\.)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'

export const DistributedSchema = Type.Object(
  {
    Host: Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on' }),
    Port: Type.Integer({
      default: 9003,
      minimum: 0,
      maximum: 65535,
      description: 'Port to listen on; 0 = any free one',
    }),
    Database: Type.String({
      default: 'sqlite:///dist.db',
      minLength: 1,
      description: 'sqlite:///relative.db, sqlite:////absolute.db, a path, or postgres://USER:PASSWORD@HOST:PORT/NAME',
    }),
    SamplesDirectory: Type.String({ minLength: 1, description: `Where samples wait for a node; ${DIRECTORY}` }),
    ReportsDirectory: Type.String({ minLength: 1, description: `Where reports are kept until deleted; ${DIRECTORY}` }),
    ReportFormats: Type.Array(Type.String({ pattern: FORMAT_PATTERN }), {
      minItems: 1,
      uniqueItems: true,
      description:
        'Formats to fetch and to serve under /report; json and dropped are always fetched; pcap, screenshots, memory and, of a CAPE, payloads, procdump and fullmemory are formats, too',
    }),
    UptimeLogfile: Type.String({ default: '', description: 'File to append the status of all nodes to; empty = none' }),
    ApiToken: Type.String({ default: '', description: 'Bearer token that clients must send; empty = none' }),
    AllowedHosts: Type.Array(Type.String({ pattern: '^[A-Za-z0-9._:-]+$' }), {
      default: [],
      uniqueItems: true,
      description:
        'Names and addresses, without port, that clients may reach it by when there is no ApiToken, and Prometheus by MetricsListen; Host and loopback always are',
    }),
    MetricsListen: MetricsKeys.MetricsListen,
    NodeTokens: Type.Record(Type.String({ minLength: 1 }), Type.String({ minLength: 1 }), {
      default: {},
      description:
        'Token of each node that wants one, by its URL; it is sent nowhere else, to a Cuckoo as `Bearer`, to a CAPE as `Token`',
    }),
    NodeNetworks: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      uniqueItems: true,
      description:
        'Networks that nodes may be in, e.g. 10.1.0.0/16, looked at when a node is registered and at each connection; empty = any',
    }),
    RequestsPerMinute: requestsPerMinuteKey(4, 'NodeTokens'),
    CapeDelete: CapeDeleteKey,
    Interval: Type.Number({ default: 30, minimum: 0.05, description: 'Seconds between two checks of a node' }),
    Threshold: Type.Integer({ default: 500, minimum: 1, description: 'Pending tasks that a node may have' }),
    NodeConcurrency: Type.Integer({ default: 1, minimum: 1, description: 'Requests open at a time to one node' }),
    NodeTimeout: Type.Number({
      default: 1800,
      minimum: 0.1,
      description: 'Seconds without contact after which tasks of a node are given to another',
    }),
    MaxRequeues: Type.Integer({ default: 3, minimum: 0, description: 'Times a task is sent again before it fails' }),
    MaxUpload: Type.Integer({ default: GIB, minimum: 1, description: 'Largest sample, in bytes' }),
    MaxReport: Type.Integer({ default: 2 * GIB, minimum: 1, description: 'Largest report, in bytes' }),
    MinFreeSpace: Type.Integer({
      default: GIB / 4,
      minimum: 0,
      description: 'Free bytes under which no task is accepted and no report fetched',
    }),
    KeepSamples: Type.Boolean({ default: false, description: 'Keep samples of finished tasks until they are deleted' }),
    KeepReports: Type.Number({
      default: 0,
      minimum: 0,
      description: 'Days after which finished tasks are removed with their reports; 0 = never',
    }),
    KeepReportsBytes: Type.Integer({
      default: 0,
      minimum: 0,
      description: 'Bytes of reports above which the oldest finished tasks are removed; 0 = no bound',
    }),
    KeepFailed: Type.Number({
      default: 0,
      minimum: 0,
      description: 'Days after which failed tasks are removed; 0 = never',
    }),
    VerifySSL: Type.Boolean({ default: true, description: 'Check the certificates of nodes' }),
    DrainTime: Type.Number({
      default: 5,
      minimum: 0,
      maximum: 9,
      description: 'Seconds that work may go on after SIGTERM',
    }),
    LogFile: Type.String({ default: '', description: 'File to append log lines to; empty = stdout only' }),
    LogLevel: Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warning')], {
      default: 'info',
      description: 'debug, info or warning',
    }),
  },
  { additionalProperties: false },
)

export type DistributedConfig = Readonly<Static<typeof DistributedSchema>>

/** What is well-formed and cannot be used all the same. */
export function configProblems(config: DistributedConfig): string[] {
  const { SamplesDirectory, ReportsDirectory } = config
  return [
    ...urlProblems({ NodeTokens: Object.keys(config.NodeTokens) }, { userInfo: 'refused' }),
    // They are made where they are missing.
    ...directoryProblems({
      SamplesDirectory: existingPart(resolve(SamplesDirectory)),
      ReportsDirectory: existingPart(resolve(ReportsDirectory)),
    }),
    ...networkProblems('NodeNetworks', config.NodeNetworks),
    ...databaseProblems(config.Database),
  ]
}

function databaseProblems(url: string): string[] {
  const [scheme] = /^[a-z][a-z0-9+.-]*:\/\//i.exec(url) ?? []
  if (scheme === undefined || scheme === 'sqlite://') return []
  if (!/^postgres(ql)?:/.test(scheme))
    return [`"Database": ${scheme} is not supported: use sqlite:///FILE or postgres://…`]
  return URL.canParse(url) ? [] : ['"Database" must have the form postgres://USER:PASSWORD@HOST:PORT/NAME']
}
