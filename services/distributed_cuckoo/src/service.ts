/** The service: store, files, HTTP server and scheduler in one process. */
import { hostname } from 'node:os'
import {
  instanceName,
  type Logger,
  openTracer,
  type ProcessDefinition,
  type ProcessEnvironment,
  SERVICE_VERSION,
  spaceLook,
} from '@cuckoo-distributed/core'
import { sandboxLooks } from '@cuckoo-distributed/sandbox-client'
import { linkedController } from '@cuckoo-distributed/wait'
import type { FastifyInstance } from 'fastify'
import { apis } from './apis.js'
import { completeOptions, mergeArguments, options, positionals } from './arguments.js'
import { commands } from './commands/commands.js'
import { configProblems, type DistributedConfig, DistributedSchema } from './config.js'
import { Scheduler } from './dispatch/scheduler.js'
import { Janitor } from './files/janitor.js'
import { openFiles } from './files/open-files.js'
import { openMetrics } from './metrics.js'
import { createServer } from './server/server.js'
import { Spans } from './spans.js'
import { listen, openPatiently } from './start.js'
import { storeLooks } from './store/open.js'

export const distributedCuckoo: ProcessDefinition<DistributedConfig> = {
  name: 'distributed_cuckoo',
  summary: 'One REST API in front of many Cuckoo nodes.',
  schema: DistributedSchema,
  options,
  positionals,
  commands,
  rewrite: completeOptions,
  merge: mergeArguments,
  check: configProblems,
  looks: ({ Database, SamplesDirectory, ReportsDirectory, MinFreeSpace, NodeTokens, VerifySSL: verifySsl }) => [
    ...storeLooks(Database),
    spaceLook('SamplesDirectory', SamplesDirectory, MinFreeSpace),
    spaceLook('ReportsDirectory', ReportsDirectory, MinFreeSpace),
    ...sandboxLooks(Object.keys(NodeTokens), { verifySsl, apiTokens: NodeTokens, tokenKey: 'NodeTokens' }),
  ],
  run,
}

async function run(config: DistributedConfig, { log, shutdown }: ProcessEnvironment): Promise<number> {
  await using store = await openPatiently({ url: config.Database, keepSamples: config.KeepSamples, log }, shutdown.stop)
  if (store === undefined) return 0
  const files = await openFiles(config, store, log)
  const janitor = new Janitor({ store, files, log })
  const instance = instanceName(hostname(), process.pid)
  await using tracer = await openTracer(
    { service: 'distributed_cuckoo', version: SERVICE_VERSION, instance },
    process.env,
  )
  const spans = tracer && new Spans(tracer)
  const scheduler = new Scheduler({ store, files, config, log, spans })
  const context = { config, store, files, janitor, log, spans, closing: shutdown.stop, wake: () => scheduler.wake() }
  const { app } = createServer(context, apis)
  await using _metrics = await openMetrics(config, { store, files, log, stop: shutdown.stop })
  try {
    await listen(app, config)
    tellAddress(app, config, log)
    const { samples, reports } = files
    const watches = [samples, reports].map(directory => (signal: AbortSignal) => directory.watch(signal))
    await runLoops([signal => scheduler.run(signal), signal => janitor.run(signal), ...watches], shutdown.stop)
  } finally {
    await close(app, shutdown.force)
  }
  log.info('stopped')
  return 0
}

function tellAddress(app: FastifyInstance, config: DistributedConfig, log: Logger): void {
  const bound = app.server.address()
  const { address, port } = typeof bound === 'object' && bound !== null ? bound : { address: config.Host, port: 0 }
  log.info({ host: address, port, version: SERVICE_VERSION }, 'listening')
  if (config.ApiToken === '' && !isLoopback(address)) {
    log.warn('everybody who reaches this address can submit and read everything: set ApiToken, or listen on 127.0.0.1')
  }
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

/** Runs the loops until `stop`. One that ends by itself is a fault: it ends the others, and this rejects as it did. */
async function runLoops(loops: readonly ((signal: AbortSignal) => Promise<never>)[], stop: AbortSignal): Promise<void> {
  using linked = linkedController(stop)
  const { controller } = linked
  const running = loops.map(loop => loop(controller.signal).catch((error: unknown) => controller.abort(error)))
  await Promise.all(running)
  if (!stop.aborted) throw controller.signal.reason
}

/** Requests in progress may end until `force`. */
async function close(app: FastifyInstance, force: AbortSignal): Promise<void> {
  const cut = () => app.server.closeAllConnections()
  force.addEventListener('abort', cut, { once: true })
  if (force.aborted) cut()
  try {
    await app.close()
  } finally {
    force.removeEventListener('abort', cut)
  }
}
