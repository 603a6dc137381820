// Faults of one server of three, of its way to the database, of the database and of the directories.
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type PostgresOptions, waitFor } from '@cuckoo-distributed/testing'
import type { HaRig } from './ha-rig.js'
import { type HaCell, runHaCell } from './ha-run.js'
import { problemsOf } from './run-cell.js'
import type { Change } from './variant.js'

const SEND = 'services/distributed_cuckoo/src/nodes/send.ts'
const LEASE = 'services/distributed_cuckoo/src/store/lease.ts'
const DIRECTORIES_MS = 15_000
const FULL_MS = 10_000
const DATABASE_BYTES = 96 * 1024 * 1024
/** What a node has lost is analysed again. */
const EVERY_TASK = 60

/** The leader stops when a task is on its way to a node in the database, and nothing of it is sent. */
const STOPS_BEFORE_SENDING: readonly Change[] = [
  [
    SEND,
    "import { createReadStream } from 'node:fs'",
    "import { createReadStream, existsSync, rmSync } from 'node:fs'",
  ],
  [
    SEND,
    '  leadership.look()\n',
    `  if (existsSync(process.env.STOP_FILE ?? '')) {
    rmSync(process.env.STOP_FILE ?? '')
    process.kill(process.pid, 'SIGSTOP')
  }
  leadership.look()
`,
  ],
]

const STRUCK: readonly HaCell[] = [
  cellOf('the leader SIGKILL', async rig => {
    const [leader, since] = [await rig.leader(), Date.now()]
    leader.signal('SIGKILL')
    await rig.leader(since)
    await leader.start()
  }),
  cellOf('the leader SIGSTOP', async rig => {
    const [leader, since] = [await rig.leader(), Date.now()]
    leader.signal('SIGSTOP')
    await rig.leader(since)
    leader.signal('SIGCONT')
  }),
  silent('towards PostgreSQL', 'up'),
  silent('from PostgreSQL', 'down'),
  cellOf('backends terminated ten times', async rig => {
    for (let i = 0; i < 10; i += 1) {
      await rig.postgres.cutConnections(rig.database)
      await delay(500)
    }
  }),
  cellOf('PostgreSQL killed', async rig => {
    for (let i = 0; i < 2; i += 1) {
      await waitFor(
        () =>
          rig.postgres.crash(rig.database).then(
            () => true,
            () => false,
          ),
        { describe: 'PostgreSQL' },
      )
      await delay(3000)
    }
  }),
  directoryGone('samples'),
  directoryGone('reports'),
  cellOf(
    'the clock of the leader an hour ahead, its tasks lost by a node, then SIGKILL',
    async rig => {
      const leader = await rig.leader()
      leader.signal('SIGUSR2')
      await delay(2000)
      rig.nodes[0]?.clean()
      const since = Date.now()
      leader.signal('SIGKILL')
      await rig.leader(since)
      await leader.start()
    },
    EVERY_TASK,
  ),
]

/** The file system of PostgreSQL's data, which only root can mount, is full for a time. */
export const FULL_CELLS: readonly HaCell[] = [
  // Nothing can be written any more, and it dies of that.
  databaseFull('PostgreSQL full', {}),
  // It lives, and refuses what needs room.
  databaseFull('PostgreSQL full, its log elsewhere', { hasLogElsewhere: true }),
]

/** The leader is stopped between its commit and its request, until another one leads. */
export const SPLIT_BRAIN: HaCell = {
  ...cellOf(
    'the leader stopped between commit and request',
    async rig => {
      const [leader, since] = [await rig.leader(), Date.now()]
      leader.isDown = true
      await writeFile(rig.stopFile, '')
      await rig.leader(since)
      await delay(2000)
      leader.signal('SIGCONT')
    },
    0,
  ),
  changes: STOPS_BEFORE_SENDING,
}

export const HA_CELLS: readonly HaCell[] = [...STRUCK, SPLIT_BRAIN]

/** Nothing keeps a former leader from anything: it does not give up, and no transaction of an older epoch is refused. */
const WITHOUT_FENCES: HaCell = {
  ...SPLIT_BRAIN,
  changes: [...STOPS_BEFORE_SENDING, [LEASE, '    this.#lost.abort(', '    if (this.#epoch < 0) this.#lost.abort(']],
}

function cellOf(moment: string, strike: (rig: HaRig) => Promise<void>, repeats?: number): HaCell {
  return { fault: 'three servers', moment, strike, ...(repeats !== undefined && { repeats }) }
}

function silent(direction: string, way: 'up' | 'down'): HaCell {
  return cellOf(`the leader silent ${direction}`, async rig => {
    const [leader, since] = [await rig.leader(), Date.now()]
    leader.proxy.stall(way)
    await rig.leader(since)
    await delay(5000)
    leader.proxy.resume()
  })
}

function databaseFull(moment: string, options: PostgresOptions): HaCell {
  const strike = async (rig: HaRig) => {
    const makeRoom = await rig.postgres.fill()
    await delay(FULL_MS)
    await makeRoom()
    const since = Date.now()
    if (options.hasLogElsewhere !== true) await rig.postgres.restart()
    await rig.goesOn(since)
  }
  return { ...cellOf(moment, strike), postgres: { bytes: DATABASE_BYTES, ...options } }
}

/** As when it is unmounted: an empty directory is in its place. */
function directoryGone(kind: 'samples' | 'reports'): HaCell {
  return cellOf(`the ${kind} directory unmounted`, async rig => {
    const path = join(rig.folder, kind)
    await rename(path, `${path}.real`)
    await mkdir(path)
    await delay(DIRECTORIES_MS)
    await rm(path, { recursive: true })
    await rename(`${path}.real`, path)
  })
}

/** The proof that the run sees two leaders at once: what it says in vain, none when it has seen them. */
export async function splitBrainUnseen(): Promise<string[]> {
  const problems = problemsOf(await runHaCell(WITHOUT_FENCES))
  const isSeen = problems.some(problem => /analyses more than tasks/.test(problem))
  return isSeen ? [] : ['the run does not see two leaders at once', ...problems]
}
