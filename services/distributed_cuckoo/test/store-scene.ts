/** Stores with two nodes for the tests of the store. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import type { Machine, NewTask, Node, Submission } from '../src/store/model.js'
import { openStore } from '../src/store/open.js'
import type { Requeue, Store } from '../src/store/store.js'
import { oneByOne } from './one-by-one.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
export const MACHINES: Machine[] = [
  { name: 'cuckoo2', platform: 'windows', tags: ['xp', 'office'] },
  { name: 'cuckoo1', platform: '', tags: [] },
]
export const NOW = 1_800_000_000_000
export const COUNTERS = { total: 1, pending: 1, running: 0, completed: 0, reported: 0 }

export const NO_OPTIONS: NewTask = {
  sample: null,
  filename: null,
  url: null,
  package: null,
  timeout: null,
  priority: 1,
  options: null,
  machine: null,
  platform: null,
  tags: null,
  custom: null,
  memory: null,
  clock: null,
  enforceTimeout: null,
  owner: null,
  pinNodeId: null,
}

export const TASK: NewTask = {
  ...NO_OPTIONS,
  sample: { path: 'ab/sample.bin', size: 5_000_000_000, md5: 'm', sha256: 's' },
  filename: 'späm "x".exe',
  platform: 'windows',
}

/** Makes an empty database for one test. */
export type MakeUrl = () => Promise<string>

export interface Opener {
  open(t: TestContext, options?: { readonly url?: string; readonly keepSamples?: boolean }): Promise<Store>
  /** A store with the nodes `n1` (two machines) and `n2` (none). */
  withNodes(
    t: TestContext,
    options?: { readonly keepSamples?: boolean },
  ): Promise<{ readonly store: Store; readonly first: Node; readonly second: Node }>
}

/** Stores that are closed at the end of their test. */
export function openerOf(makeUrl: MakeUrl): Opener {
  const open: Opener['open'] = async (t, options = {}) => {
    oneByOne(t)
    const url = options.url ?? (await makeUrl())
    const store = await openStore({ url, keepSamples: options.keepSamples ?? false, log })
    t.after(() => store[Symbol.asyncDispose]())
    return store
  }
  return {
    open,
    async withNodes(t, options = {}) {
      const store = await open(t, options)
      const first = await store.nodes.register('n1', 'http://a/', MACHINES)
      return { store, first, second: await store.nodes.register('n2', 'http://b/', []) }
    },
  }
}

export const REQUEUE: Requeue = { at: NOW, notBefore: NOW, counted: true, maxRequeues: 2, error: 'the node is gone' }

export function must(submission: Submission | undefined): Submission {
  assert(submission !== undefined)
  return submission
}

/** A task whose copy a node has accepted as its task 7, and others. */
export async function accepted(store: Store, nodeId: number, others: readonly number[] = []) {
  const id = await store.tasks.create(TASK, NOW)
  const copy = must(await store.dispatch.begin(id, nodeId, NOW)).id
  await store.dispatch.accepted(copy, 7, NOW, others)
  return { id, copy }
}

export function stateOf(task: Awaited<ReturnType<Store['tasks']['get']>>) {
  return [task?.state, task?.nodeName, task?.nodeTaskId]
}
