/** A scheduler in this process, with a store in memory and stand-in nodes, at a pace fit for tests. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { createLogger, validator } from '@cuckoo-distributed/core'
import { type CuckooOptions, type CuckooStandIn, startCuckoo, waitFor } from '@cuckoo-distributed/testing'
import { type DistributedConfig, DistributedSchema } from '../src/config.js'
import { Scheduler } from '../src/dispatch/scheduler.js'
import type { Files } from '../src/files/files.js'
import { openFiles } from '../src/files/open-files.js'
import type { Patience } from '../src/nodes/session.js'
import type { Machine, NewTask, Task, TaskState } from '../src/store/model.js'
import { openStore } from '../src/store/open.js'
import type { Store } from '../src/store/store.js'
import { NO_OPTIONS } from './store-scene.js'

export const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })

export const WINDOWS: Machine = { name: 'cuckoo1', platform: 'windows', tags: [] }

export function configWith(folder: string, given: Partial<DistributedConfig> = {}): DistributedConfig {
  const config: unknown = {
    SamplesDirectory: join(folder, 'samples'),
    ReportsDirectory: join(folder, 'reports'),
    ReportFormats: ['json'],
    Interval: 0.1,
    MinFreeSpace: 0,
    ...given,
  }
  const isValid = validator(DistributedSchema, { fillDefaults: true })
  assert(isValid(config), JSON.stringify(isValid.errors))
  return config
}

export class Scene {
  readonly store: Store
  readonly files: Files
  readonly folder: string
  readonly config: DistributedConfig
  #stopped = new AbortController()
  #running: Promise<unknown> = Promise.resolve()
  scheduler: Scheduler

  /** @internal Use `makeScene`. */
  constructor(parts: { store: Store; files: Files; folder: string; config: DistributedConfig }) {
    this.store = parts.store
    this.files = parts.files
    this.folder = parts.folder
    this.config = parts.config
    this.scheduler = new Scheduler({ ...parts, log })
  }

  start(patience: Partial<Patience> = {}): void {
    this.#stopped = new AbortController()
    const { store, files, config } = this
    this.scheduler = new Scheduler({
      store,
      files,
      config,
      log,
      patience: { uploadMs: 5000, reportMs: 5000, ...patience },
    })
    this.#running = this.scheduler.run(this.#stopped.signal).catch((error: unknown) => {
      if (!this.#stopped.signal.aborted) throw error
    })
  }

  /** Ends the scheduler in the middle of whatever it does; nothing it had in memory remains. */
  async stop(): Promise<void> {
    this.#stopped.abort(new Error('the test stops the scheduler'))
    await this.#running
  }

  async addTask(content: string, given: Partial<NewTask> = {}): Promise<number> {
    const sample = given.url
      ? null
      : await this.files.saveSample(Readable.from([Buffer.from(content)]), this.#stopped.signal)
    const id = await this.store.tasks.create({ ...NO_OPTIONS, sample, filename: 'sample.exe', ...given }, Date.now())
    this.scheduler.wake()
    return id
  }

  async addTasks(count: number, given: Partial<NewTask> = {}): Promise<number[]> {
    const ids: number[] = []
    for (let i = 0; i < count; i += 1) ids.push(await this.addTask(`MZ sample number ${i} ${Math.random()}`, given))
    return ids
  }

  async addNode(name: string, url: string, machines: readonly Machine[] = [WINDOWS]): Promise<void> {
    await this.store.nodes.register(name, url, machines)
    this.scheduler.wake()
  }

  /** Waits until the task is in this state. */
  async reaches(id: number, state: TaskState, deadlineMs?: number): Promise<Task> {
    let last: Task | undefined
    return waitFor(
      async () => {
        last = await this.store.tasks.get(id)
        return last?.state === state && last
      },
      { deadlineMs, describe: () => `task ${id} to be ${state}; it is ${JSON.stringify(last)}` },
    )
  }

  async allReach(ids: readonly number[], state: TaskState, deadlineMs?: number): Promise<Task[]> {
    const reached: Task[] = []
    for (const id of ids) reached.push(await this.reaches(id, state, deadlineMs))
    return reached
  }

  /** Names of the files in the task's report directory. */
  async reportNames(id: number): Promise<string[]> {
    return (await readdir(this.files.reportDirectory(id))).sort()
  }

  report(id: number, format = 'json'): Promise<Buffer> {
    return readFile(this.files.reportPath(id, format))
  }
}

/** A scene whose scheduler is not started yet. It ends with the test. */
export async function makeScene(t: TestContext, given: Partial<DistributedConfig> = {}): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'dispatch-'))
  const config = configWith(folder, given)
  const store = await openStore({ url: given.Database ?? 'sqlite://', keepSamples: config.KeepSamples, log })
  const scene = new Scene({ store, files: await openFiles(config, store, log), folder, config })
  t.after(async () => {
    await scene.stop()
    await store[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, maxRetries: 10 })
  })
  return scene
}

/** A stand-in node that ends with the test. */
export async function makeNode(t: TestContext, options: CuckooOptions = {}): Promise<CuckooStandIn> {
  const node = await startCuckoo({ analysisTime: 20, ...options })
  t.after(() => node.close())
  return node
}

/** A scene whose only node analyses its only task, without an end. */
export async function sceneAtWork(t: TestContext) {
  const scene = await makeScene(t)
  const node = await makeNode(t, { analysisTime: Number.POSITIVE_INFINITY })
  await scene.addNode('n1', node.url)
  const id = await scene.addTask('MZ')
  scene.start()
  await scene.reaches(id, 'processing')
  return { scene, node, id }
}

/** Waits until the node has no task left. */
export async function isEmptied(node: CuckooStandIn): Promise<void> {
  await waitFor(() => node.tasks.size === 0, {
    describe: () => `the node to be empty; it has ${[...node.tasks.keys()]}`,
  })
}

/** Each submission was analysed once and left nothing behind. */
export async function isSettled(
  scene: Scene,
  nodes: readonly CuckooStandIn[],
  expected: { readonly submissions: number },
): Promise<void> {
  for (const node of nodes) await isEmptied(node)
  const submissions = nodes.flatMap(node => node.submissions)
  assert.equal(submissions.length, expected.submissions)
  for (const node of nodes) assert.deepEqual(node.violations, [])
  assert.equal((await scene.store.tasks.counts()).finished > 0, true)
}
