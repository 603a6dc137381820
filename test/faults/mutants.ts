// Services made worse on purpose: the runner must see what each of them loses. They exist in the temporary folder only.
import { afterUpload, atBroker } from './cells.js'
import { JSON_CUT_OFF, LISTS_EMPTY, REPORTS_FAIL, SLOW_UPLOADS } from './cluster-cells.js'
import { type ClusterCell, runClusterCell } from './cluster-run.js'
import { dumpDirFails } from './dump-dir.js'
import { besideBroken, uploadsFail } from './half-broken-cells.js'
import { seeded } from './random-run.js'
import type { Rig, ServiceName } from './rig.js'
import { type Cell, type Outcome, problemsOf, runCell } from './run-cell.js'
import { IDS_REUSED } from './sandbox-cells.js'
import type { SandboxKind } from './sandboxes.js'
import type { Change } from './variant.js'
import type { RowCounts } from './verdict.js'

export interface Mutation {
  readonly name: string
  readonly service: ServiceName
  /** The sandbox of the rig. Default `cuckoo`. */
  readonly kind?: SandboxKind
  readonly changes: readonly Change[]
  /** The fault that shows it; a variant of its own is one of the same service. */
  readonly cell: Cell
  /** Takes its time: only the whole run makes it. */
  readonly isLong?: boolean
  /** What the runner has to find. */
  readonly finds: RegExp
}

const LANE = 'packages/core/src/broker/confirm-channel.ts'
const SETTLE = 'packages/core/src/broker/settle.ts'
const DELIVERY = 'packages/core/src/broker/delivery.ts'

const PUBLISH = 'await options.publisher.publish(result.queue, result.body, headers, signal, terms)'
const ACK = "return this.#settled('ack', channel => channel.ack(this.#message))"
const WRITE_DUMP = `if (!(await options.dumps.write(file, encodeDump(failed, headers), context.waiting, delivery.body.length)))
    return later()`
const ANY_SAMPLE = "return !md5 || task.crits.md5 === '' || md5.toLowerCase() === task.crits.md5"
const LOOK_FIRST = 'let doubtedAt = delivery.mayBeRepeat || headers.attempts > 0 ? performance.now() : undefined'

const ASK_CONTROL = "if (fault === 'doubtful' && (await this.#answers(control, signal))) return false"
const WORK_CALL = 'workOff(analysis)'
const WORK = `await ${WORK_CALL}`
const AFTER_CLASS = '/** Two messages with the same one ask for the same work. */'
const WAITING_INSIDE = `async function waitingInside<T>({ cuckoo, context }: Analysis, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error: unknown) {
      if (!(error instanceof ServerAwayError)) throw error
      await cuckoo.availability.whenUp(context.waiting)
    }
  }
}`

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'publishing without mandatory and confirms',
    service: 'feed_cuckoo',
    changes: [
      [LANE, 'mandatory: true,', 'mandatory: false,'],
      [LANE, 'properties(message), onAnswer)', 'properties(message), () => {}); onAnswer(null)'],
    ],
    cell: atBroker('connections reset', 'feed_cuckoo', 'publish'),
    isLong: true,
    finds: /lost: /,
  },
  {
    name: 'ack before confirm',
    service: 'feed_cuckoo',
    changes: [
      [SETTLE, PUBLISH, `delivery.ack(); ${PUBLISH}`],
      [DELIVERY, ACK, `if (this.acked) return true; this.acked = true; ${ACK}`],
    ],
    cell: atBroker('SIGKILL', 'feed_cuckoo', 'publish'),
    finds: /lost: /,
  },
  {
    name: 'ack before the dump is in place',
    service: 'overseer',
    changes: [
      [
        'services/overseer/src/oversee.ts',
        WRITE_DUMP,
        'return done({ afterwards: async () => { await options.dumps.write(file, encodeDump(failed, headers), context.waiting, delivery.body.length) } })',
      ],
    ],
    cell: dumpDirFails('gone', 'SIGKILL'),
    isLong: true,
    finds: /lost: /,
  },
  {
    name: 'upload without looking for its mark',
    service: 'feed_cuckoo',
    changes: [['services/feed_cuckoo/src/feed.ts', LOOK_FIRST, 'let doubtedAt: number | undefined']],
    cell: afterUpload('SIGKILL'),
    finds: /analysed twice/,
  },
  {
    name: 'a search for a hash in upper case',
    service: 'feed_cuckoo',
    kind: 'cape',
    changes: [['packages/sandbox-client/src/cape-client.ts', '${hash.toLowerCase()}', '${hash.toUpperCase()}']],
    cell: afterUpload('SIGKILL'),
    finds: /analysed twice/,
  },
  {
    name: 'a report of whatever sample',
    service: 'parse_and_submit',
    changes: [['services/parse_and_submit/src/analysis.ts', ANY_SAMPLE, 'return true']],
    cell: IDS_REUSED,
    finds: /rows of a foreign report/,
  },
  {
    name: 'an outage told by the kind of error',
    service: 'parse_and_submit',
    changes: [['packages/http/src/availability.ts', ASK_CONTROL, '']],
    cell: uploadsFail('every upload 504', { kind: 'status', status: 504 }),
    isLong: true,
    finds: /the fault failed/,
  },
  {
    name: 'a place held while a server is away',
    service: 'parse_and_submit',
    changes: [
      ['services/parse_and_submit/src/places.ts', '] as const) {', '].slice(2)) {'],
      [
        'services/parse_and_submit/src/places.ts',
        'const isAway = cuckoo.availability.isDown || crits.availability.isDown',
        'const isAway = false',
      ],
      ['services/parse_and_submit/src/submit.ts', WORK, `await waitingInside(analysis, () => ${WORK_CALL})`],
      ['services/parse_and_submit/src/submit.ts', AFTER_CLASS, `${WAITING_INSIDE}\n${AFTER_CLASS}`],
    ],
    cell: besideBroken('sandbox', 'dead'),
    isLong: true,
    finds: /ms beside it|the fault failed/,
  },
]

/** distributed_cuckoo made worse on purpose. */
export interface ClusterMutation extends Pick<Mutation, 'name' | 'changes' | 'finds'> {
  readonly cell: ClusterCell
}

const NODE_WORKER = 'services/distributed_cuckoo/src/nodes/node-worker.ts'

export const CLUSTER_MUTATIONS: readonly ClusterMutation[] = [
  {
    name: 'tasks for a node in quarantine',
    changes: [
      [NODE_WORKER, 'const isFree = quarantine.error === null || this.#wantsTrial', 'const isFree = true'],
      [NODE_WORKER, ' || (this.#session.quarantine.error !== null && !this.#wantsTrial)', ''],
      [NODE_WORKER, 'room: this.#wantsTrial ? Math.min(1, room) :', 'room:'],
    ],
    cell: REPORTS_FAIL,
    finds: /tasks were given to a node in quarantine/,
  },
  {
    name: 'a copy deleted before its JSON is stored',
    changes: [
      [
        'services/distributed_cuckoo/src/nodes/collect.ts',
        "return problem === undefined ? 'settled' : { problem }",
        "return 'settled'",
      ],
    ],
    cell: JSON_CUT_OFF,
    finds: /the node has no copy of task/,
  },
  {
    name: 'uploads without an end, and nothing collected meanwhile',
    changes: [[NODE_WORKER, 'if (performance.now() > end) return', '']],
    cell: SLOW_UPLOADS,
    finds: /no report of the slow node was fetched/,
  },
  {
    name: 'empty lists and counters believed',
    changes: [
      ['services/distributed_cuckoo/src/nodes/health.ts', '!status.tasksKnown && submissions.length > 0', 'false'],
      ['packages/sandbox-client/src/servers.ts', '!status.tasksKnown', 'false'],
      ['packages/sandbox-client/src/mark-index.ts', 'if (!tasksKnown) misses = 0', ''],
      ['packages/sandbox-client/src/mark-index.ts', '!counters.tasksKnown', 'false'],
    ],
    cell: LISTS_EMPTY,
    finds: /the fault failed|tasks wait for the node|has got/,
  },
]

/** A lost sample ends a run only by its deadline. */
const DEADLINE_MS = 10_000

/** Runs the mutated service in place of the real one; what the runner says in vain, none when it has seen the mutation. */
export async function unseenBy(rig: Rig, mutation: Mutation, rows: RowCounts): Promise<string[]> {
  const { service, changes, cell } = mutation
  const variant = { service, changes: [...(cell.variant?.changes ?? []), ...changes] }
  return unseen(mutation, await runCell(rig, { ...cell, variant, deadlineMs: DEADLINE_MS }, rows, seeded(1)))
}

/** The same for a cluster. */
export async function unseenInCluster(mutation: ClusterMutation): Promise<string[]> {
  const { cell } = mutation
  return unseen(mutation, await runClusterCell({ ...cell, changes: [...(cell.changes ?? []), ...mutation.changes] }))
}

function unseen({ name, finds }: Pick<Mutation, 'name' | 'finds'>, outcome: Outcome): string[] {
  const problems = problemsOf(outcome)
  return problems.some(problem => finds.test(problem)) ? [] : [`the runner does not see ${name}`, ...problems]
}
