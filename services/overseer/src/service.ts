// The overseer: its configuration, its two stages, and the command that puts dumps back to work.
import { resolve } from 'node:path'
import {
  existingPart,
  listenAddress,
  logAvailability,
  type ServiceDefinition,
  type ServiceDependencies,
  SharedCauses,
  StopRequested,
} from '@cuckoo-distributed/core'
import { CritsServers, critsAdvice } from '@cuckoo-distributed/crits-client'
import { linkedController } from '@cuckoo-distributed/wait'
import { adminCommand } from './admin/command.js'
import { type Admin, openAdmin } from './admin/server.js'
import { journalDir, looks, type OverseerConfig, OverseerSchema, ownQueues, retentionOf, unusable } from './config.js'
import { DumpWriter } from './dump.js'
import { eachMinute, makeDumpDir, requireOwner, sweep } from './dump-dir.js'
import { answerAboutDumps } from './dumps/answers.js'
import { dumpCommands } from './dumps/commands.js'
import { dumpFigures, sampleFigures } from './figures.js'
import { initCommand } from './init/command.js'
import { Journal } from './journal/journal.js'
import { Store } from './journal/store.js'
import { Notices } from './notices.js'
import { BYTES_IN_HAND, overseeStage } from './oversee.js'
import { queuesCommand } from './queues/command.js'
import { managementLooks } from './queues/management.js'
import { releaseStages } from './release.js'
import { resubmitDumps } from './resubmit.js'
import { whereCommand } from './where.js'

export const overseer: ServiceDefinition<OverseerConfig> = {
  name: 'overseer',
  summary: 'Retries failed messages after a delay, and keeps those that fail too often as files: dumps.',
  schema: OverseerSchema,
  options: {
    resubmitDumped: { type: 'boolean', describe: 'Resubmit every dump and exit' },
    queue: {
      type: 'string',
      requiresArg: true,
      implies: 'resubmitDumped',
      describe:
        'Queue to which --resubmitDumped sends files that are not failed messages; without it they are left alone',
    },
  },
  commands: [whereCommand, dumpCommands, queuesCommand, adminCommand],
  setUps: [initCommand],
  queues: ownQueues,
  failedQueue: config => config.ConsumerQueue,
  check: unusable,
  advise: critsAdvice,
  looks: config => [...looks(config), ...managementLooks(config)],
  directories: config => ({
    DumpDir: config.DumpDir,
    ...(config.Events && { JournalDir: existingPart(journalDir(config)) }),
  }),
  async open(config, dependencies) {
    const { log, stop, broker } = dependencies
    const dir = resolve(config.DumpDir)
    await makeDumpDir(dir, log)
    const servers = new CritsServers({
      verifySsl: config.VerifySSL,
      defaultUrl: config.CritsURL,
      allowedUrls: config.AllowedCritsURLs,
      onAvailability: (server, state, error) => logAvailability(log, server, state, error),
    })
    const linked = linkedController(stop)
    const end = linked.controller
    const notices = new Notices({ dir, servers, log, sharedCauseLimit: config.SharedCauseLimit, stop: end.signal })
    const rounds = eachMinute(() => sweep(dir, log).then(() => notices.tellAll()), log, end.signal)
    // The other half stays free for messages that need no dump.
    const half = { maxWaiting: Math.floor(config.PrefetchCount / 2), maxWaitingBytes: BYTES_IN_HAND / 2 }
    const dumps = new DumpWriter({ dir, ...half, log })
    const oversee = overseeStage({
      queue: config.ConsumerQueue,
      prefetch: config.PrefetchCount,
      retryDelays: config.RetryDelays,
      sharedCauseLimit: config.SharedCauseLimit,
      causes: new SharedCauses(),
      dumps,
      notices,
    })
    const store = new Store({
      dir: journalDir(config),
      retention: retentionOf(config),
      log,
    })
    const journal = config.Events
      ? new Journal({
          broker,
          failedQueue: config.ConsumerQueue,
          store,
          dumps: call => answerAboutDumps(dir, call),
          log,
        })
      : undefined
    const admin = await servePage(config, dependencies)
    journal?.start()
    return {
      stages: [oversee, ...releaseStages(config.ConsumerQueue)],
      figures: [...dumpFigures(dir), ...(journal ? sampleFigures(store.open) : [])],
      async [Symbol.asyncDispose]() {
        await admin?.[Symbol.asyncDispose]()
        await journal?.[Symbol.asyncDispose]()
        await store[Symbol.asyncDispose]()
        end.abort(new StopRequested())
        linked[Symbol.dispose]()
        await rounds
        await notices[Symbol.asyncDispose]()
        await servers[Symbol.asyncDispose]()
      },
    }
  },
  command(config, args) {
    if (args.resubmitDumped !== true) return undefined
    const rawQueue = typeof args.queue === 'string' ? args.queue : undefined
    return dependencies => resubmit(config, rawQueue, dependencies)
  },
}

async function servePage(config: OverseerConfig, dependencies: ServiceDependencies): Promise<Admin | undefined> {
  const { AdminListen, AdminToken: token } = config
  if (AdminListen === '') return undefined
  const listen = { ...listenAddress(AdminListen), key: 'AdminListen' }
  return openAdmin({ ...dependencies, config, listen, token, isReadOnly: false })
}

async function resubmit(
  config: OverseerConfig,
  rawQueue: string | undefined,
  { log, stop, publisher, telemetry }: ServiceDependencies,
): Promise<number> {
  const dir = resolve(config.DumpDir)
  await makeDumpDir(dir, log)
  await requireOwner(dir)
  await sweep(dir, log)
  await publisher.open(stop)
  const result = await resubmitDumps({ dir, publisher, telemetry, rawQueue, log }, stop)
  log.info(result, 'resubmission has ended')
  return result.left === 0 ? 0 : 1
}
