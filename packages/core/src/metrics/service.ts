// What every consuming process tells of itself: its deliveries, its connections, and whether it is ready.
import { access, constants } from 'node:fs/promises'
import { orAbort, timeLimit } from '@cuckoo-distributed/wait'
import type { BrokerConnection } from '../broker/connection.js'
import type { Consumer } from '../broker/consumer.js'
import { describeError } from '../errors.js'
import type { Figure } from './figures.js'

const DIRECTORY_LIMIT_MS = 2_000

export interface Watched {
  /** By what they are for. */
  readonly connections: Readonly<
    Record<
      string,
      Pick<BrokerConnection, 'isUp' | 'losses'> & { readonly readingTime: { readonly isBlocked: boolean } }
    >
  >
  readonly consumers: readonly Pick<Consumer, 'inWork' | 'state'>[]
  readonly events: { readonly dropped: number } | undefined
  /** By key of the configuration: where files are made. */
  readonly directories: Readonly<Record<string, string>>
  readonly stop: AbortSignal
}

export function serviceFigures({ connections, consumers, events }: Watched): Figure[] {
  const each = Object.entries(connections)
  return [
    {
      name: 'deliveries_in_hand',
      help: 'Deliveries that are not settled yet',
      kind: 'gauge',
      label: 'queue',
      read: () => consumers.map(({ state, inWork }) => [state.queue, inWork] as const),
    },
    {
      name: 'consuming',
      help: '1 while the queue is consumed; also 0 while the service wants no messages',
      kind: 'gauge',
      label: 'queue',
      read: () => consumers.map(({ state }) => [state.queue, Number(state.isConsuming)] as const),
    },
    {
      name: 'broker_connected',
      help: '1 while the connection to the broker is up',
      kind: 'gauge',
      label: 'connection',
      read: () => each.map(([name, { isUp }]) => [name, Number(isUp)] as const),
    },
    {
      name: 'broker_connection_losses_total',
      help: 'Lost connections to the broker; each is re-established',
      kind: 'counter',
      label: 'connection',
      read: () => each.map(([name, { losses }]) => [name, losses] as const),
    },
    {
      name: 'broker_blocked',
      help: '1 while the broker reads nothing from publishers (memory or disk alarm)',
      kind: 'gauge',
      label: 'connection',
      read: () => each.map(([name, { readingTime }]) => [name, Number(readingTime.isBlocked)] as const),
    },
    {
      name: 'events_dropped_total',
      help: 'Events for the journal that were dropped because the broker did not accept them',
      kind: 'counter',
      read: () => events?.dropped,
    },
  ]
}

/** Why the process is not ready, one line each; empty = it is. */
export async function unreadyReasons({ connections, consumers, directories, stop }: Watched): Promise<string[]> {
  const lost = Object.entries(connections).filter(([, { isUp }]) => !isUp)
  const idle = lost.length > 0 ? [] : consumers.filter(({ state }) => !state.isAsWanted)
  return [
    ...(stop.aborted ? ['the process is stopping'] : []),
    ...lost.map(([name]) => `no connection to the broker for ${name}`),
    ...idle.map(({ state }) => `"${state.queue}" is not consumed`),
    ...(await unwritable(directories)),
  ]
}

/** What is wrong with directories that files are made in. One that hangs keeps nobody. */
async function unwritable(directories: Readonly<Record<string, string>>): Promise<string[]> {
  const problems = await Promise.all(
    Object.entries(directories).map(async ([key, path]) => {
      using limit = timeLimit(new AbortController().signal, DIRECTORY_LIMIT_MS, new Error('it does not answer'))
      try {
        await orAbort(access(path, constants.R_OK | constants.W_OK | constants.X_OK), limit.signal)
        return []
      } catch (error: unknown) {
        return [`"${key}": ${path} cannot be written to: ${describeError(error)}`]
      }
    }),
  )
  return problems.flat()
}
