// What the page does with samples and dumps: each is a command's function, asked by HTTP.
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Arguments, ConfigError, type ServiceDependencies, ServiceError } from '@cuckoo-distributed/core'
import { timeLimit } from '@cuckoo-distributed/wait'
import type { OverseerConfig } from '../config.js'
import { requireOwner, sweep } from '../dump-dir.js'
import { isDumpName } from '../dump-file.js'
import { byCause } from '../dumps/causes.js'
import { deleteDump } from '../dumps/delete.js'
import type { DumpList } from '../dumps/dump-list.js'
import { changeDump } from '../dumps/edit.js'
import { EditableDump } from '../dumps/edited-dump.js'
import { dumpElsewhere, dumpsElsewhere } from '../dumps/elsewhere.js'
import type { Dump } from '../dumps/envelope.js'
import { chosenDumps, filtersIn } from '../dumps/select.js'
import { sendEach, sentInWords, USUAL_RATE } from '../dumps/send-each.js'
import { type Details, detailsOf } from '../dumps/show.js'
import { whoAmI } from '../resubmissions.js'
import type { DumpCause, DumpElsewhere, DumpLine, DumpResult, DumpsElsewhere, DumpText } from './wire.js'

export type OperationsOptions = Pick<ServiceDependencies, 'publisher' | 'telemetry' | 'log' | 'stop'> & {
  readonly config: OverseerConfig
  readonly dumps: DumpList
}

const BROKER_MS = 10_000
/** All that answer in time. */
const OTHERS = { hosts: [], limitMs: 2000 }

export class Operations {
  readonly #options: OperationsOptions
  readonly #dir: string
  /** Nobody who makes messages knows it: see `MessageText`. */
  readonly #secret = randomBytes(32)

  constructor(options: OperationsOptions) {
    this.#options = options
    this.#dir = resolve(options.config.DumpDir)
  }

  /** Those that filters choose, as of the command line. Throws ConfigError, and the errors of the file system. */
  async causes(filters: Arguments): Promise<DumpCause[]> {
    return causesOf(await chosenDumps(this.#dir, filters, await this.#options.dumps.read()))
  }

  /** As `causes`, those of other overseers. Throws ConfigError, and `signal.reason`. */
  async elsewhere(filters: Arguments, signal: AbortSignal): Promise<DumpsElsewhere> {
    const { config } = this.#options
    const { answers, problems } = await dumpsElsewhere(config, filtersIn(filters), OTHERS, signal)
    const having = answers.filter(({ dumps }) => dumps.length > 0)
    return { places: having.map(({ dumpDir, dumps }) => ({ place: dumpDir, causes: causesOf(dumps) })), problems }
  }

  /** Throws ConfigError for what is not there, and `signal.reason`. */
  async detailsElsewhere(name: string, signal: AbortSignal): Promise<DumpElsewhere> {
    const { dumpDir, words } = await dumpElsewhere(this.#options.config, checked(name), OTHERS, signal)
    return { place: dumpDir, words }
  }

  /** Throws ServiceError (NO_SUCH_DUMP), and the errors of the file system. */
  async details(name: string): Promise<Details> {
    return detailsOf(this.#dir, await this.#dump(name))
  }

  /** Throws as `details`, and InvalidMessageError for what cannot be edited. */
  async text(name: string): Promise<DumpText> {
    const { file } = await this.#dump(name)
    const bytes = await readFile(join(this.#dir, file))
    return { text: this.#editable(bytes).text, version: versionOf(bytes) }
  }

  /** Resolves with whether it was changed. Throws as `editDump`, and ServiceError (CHANGED_MEANWHILE). */
  async edit(name: string, { text, version }: DumpText): Promise<boolean> {
    await requireOwner(this.#dir)
    const { name: own } = await this.#dump(name)
    return changeDump(own, { dir: this.#dir }, async bytes => {
      if (versionOf(bytes) !== version) {
        throw new ServiceError('CHANGED_MEANWHILE', 'somebody else has changed this dump: open it again')
      }
      return this.#editable(bytes).withText(text)
    })
  }

  /**
   * Puts dumps back to work, to another queue if `to` says so, until `until` is aborted. Throws ConfigError and ServiceError
   * (BROKER_AWAY) before the first, then nothing.
   */
  async *resubmit(names: readonly string[], to: string | undefined, until: AbortSignal): AsyncGenerator<DumpResult> {
    const { publisher, telemetry, log, stop } = this.#options
    const dir = this.#dir
    await requireOwner(dir)
    await sweep(dir, log)
    using limit = timeLimit(until, BROKER_MS, new ServiceError('BROKER_AWAY', 'the broker is away; nothing was sent'))
    await publisher.open(limit.signal)
    const options = { dir, publisher, telemetry, to, rate: USUAL_RATE, by: `the page of ${whoAmI()}`, until }
    for await (const { name, sent } of sendEach(names.map(checked), options, stop)) {
      log.info({ file: name, outcome: sent.outcome, by: 'page' }, 'resubmitted by the page')
      yield { name, isDone: sent.outcome === 'sent', text: sentInWords(sent) }
    }
  }

  /** Until `until` is aborted. Throws ConfigError before the first, then nothing. */
  async *delete(names: readonly string[], until: AbortSignal): AsyncGenerator<DumpResult> {
    await requireOwner(this.#dir)
    for (const name of names.map(checked)) {
      if (until.aborted) return
      const left = await deleteDump(this.#dir, name)
      this.#options.log.info({ file: name, outcome: left ?? 'deleted', by: 'page' }, 'deleted by the page')
      yield { name, isDone: left === undefined, text: left ?? 'deleted' }
    }
  }

  async #dump(name: string): Promise<Dump> {
    const dump = (await this.#options.dumps.read()).find(each => each.name === name)
    if (dump === undefined) throw new ServiceError('NO_SUCH_DUMP', 'there is no such dump, or no more')
    return dump
  }

  #editable(bytes: Buffer): EditableDump {
    return new EditableDump(bytes, createHmac('sha256', this.#secret).update(bytes).digest('hex').slice(0, 12))
  }
}

function versionOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** It becomes a path. */
function checked(name: string): string {
  if (!isDumpName(name)) throw new ConfigError('DumpDir', [`${name}: no dump has a name like that`])
  return name
}

function causesOf(dumps: readonly Dump[]): DumpCause[] {
  return byCause(dumps).map(cause => ({ ...cause, dumps: cause.dumps.map(lineOf) }))
}

function lineOf({ name, file, at, bytes, failed, sending }: Dump): DumpLine {
  return {
    name,
    at,
    bytes,
    queue: failed?.queue ?? '',
    error: failed?.error ?? '',
    attempts: failed?.attempts,
    isInHands: file !== name,
    isPerhapsSent: sending !== undefined,
  }
}
