import { errorCode } from '@cuckoo-distributed/core'
import type { SandboxKind } from '@cuckoo-distributed/sandbox-client'
import type { Insertable, Selectable, Updateable } from 'kysely'
import { NameTakenError } from './errors.js'
import type { Machine, Node, NodeChanges, NodeCounters } from './model.js'
import { toNode } from './rows.js'
import type { NodeStore } from './store.js'
import type { Db, NodeTable, Tx } from './tables.js'
import { countRows } from './task-rows.js'

type NodeRow = Selectable<NodeTable>

/** PostgreSQL's `unique_violation`; SQLite has one connection, so that nothing comes between look and insert. */
const UNIQUE_VIOLATION = '23505'

const UNSEEN: Pick<NodeRow, 'state' | 'last_seen' | 'last_error' | 'failures' | 'counters' | 'free_bytes' | 'running'> =
  {
    state: 'new',
    last_seen: null,
    last_error: null,
    failures: 0,
    counters: null,
    free_bytes: null,
    running: null,
  }

export class SqlNodeStore implements NodeStore {
  readonly #db: Db

  constructor(db: Db) {
    this.#db = db
  }

  async list(): Promise<Node[]> {
    const nodes = await this.#db.selectFrom('node').selectAll().orderBy('name').execute()
    const machines = await this.#db.selectFrom('machine').selectAll().orderBy('node_id').orderBy('position').execute()
    const counts = this.#db
      .selectFrom('submission')
      .select(['node_id', countRows.as('inFlight')])
      .groupBy('node_id')
    const copies = new Map((await counts.execute()).map(({ node_id, inFlight }) => [node_id, inFlight]))
    const machinesOf = new Map(nodes.map(({ id }) => [id, [] as Machine[]]))
    for (const machine of machines) machinesOf.get(machine.node_id)?.push(toMachine(machine))
    return nodes.map(row => toNode(row, { machines: machinesOf.get(row.id) ?? [], inFlight: copies.get(row.id) ?? 0 }))
  }

  async get(name: string): Promise<Node | undefined> {
    const row = await this.#db.selectFrom('node').selectAll().where('name', '=', name).executeTakeFirst()
    return row && complete(this.#db, row)
  }

  register(name: string, url: string, machines: readonly Machine[]): Promise<Node> {
    return this.#write(async tx => {
      const known = await tx.selectFrom('node').selectAll().where('name', '=', name).executeTakeFirst()
      if (known?.enabled === 1 && known.base_url !== baseUrl(url)) {
        throw new NameTakenError('There is already a node with this name')
      }
      await this.#checkUrlFree(tx, url, known?.id)
      const row = known === undefined ? await this.#insert(tx, name, url) : await this.#revive(tx, known, url)
      await replaceMachines(tx, row.id, machines)
      return complete(tx, row)
    })
  }

  async update(name: string, changes: NodeChanges): Promise<Node | undefined> {
    return this.#write(async tx => {
      const known = await tx.selectFrom('node').selectAll().where('name', '=', name).executeTakeFirst()
      if (known === undefined) return undefined
      if (changes.name !== undefined && changes.name !== name) await this.#checkNameFree(tx, changes.name)
      if (changes.url !== undefined) await this.#checkUrlFree(tx, changes.url, known.id)
      const values: Updateable<NodeTable> = {
        name: changes.name ?? known.name,
        enabled: changes.enabled === undefined ? known.enabled : Number(changes.enabled),
        max_pending: changes.maxPending === undefined ? known.max_pending : changes.maxPending,
        ...(changes.url !== undefined && urlColumns(changes.url)),
      }
      const update = tx.updateTable('node').set(values).where('id', '=', known.id)
      return complete(tx, await update.returningAll().executeTakeFirstOrThrow())
    })
  }

  async setMachines(id: number, machines: readonly Machine[]): Promise<void> {
    await this.#db.transaction().execute(tx => replaceMachines(tx, id, machines))
  }

  async recordStatus(
    id: number,
    seen: {
      readonly counters: NodeCounters
      readonly freeBytes: number | null
      readonly at: number
      readonly quarantine: string | null
      readonly kind: SandboxKind | null
      readonly runningSince: Node['runningSince']
    },
  ): Promise<void> {
    await this.#db
      .updateTable('node')
      .set({
        ...UNSEEN,
        state: seen.quarantine === null ? 'up' : 'quarantined',
        last_error: seen.quarantine,
        kind: seen.kind,
        last_seen: seen.at,
        counters: JSON.stringify(seen.counters),
        free_bytes: seen.freeBytes,
        running: JSON.stringify(seen.runningSince),
      })
      .where('id', '=', id)
      .execute()
  }

  async recordFailure(
    id: number,
    failure: { readonly state: 'unreachable' | 'unauthorized'; readonly error: string },
  ): Promise<void> {
    await this.#db
      .updateTable('node')
      .set(({ eb }) => ({
        state: failure.state,
        last_error: failure.error,
        failures: eb('failures', '+', 1),
        counters: null,
        free_bytes: null,
      }))
      .where('id', '=', id)
      .execute()
  }

  /** Two processes that take one name or URL at the same time are told apart by the unique constraints. */
  async #write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await this.#db.transaction().execute(work)
    } catch (error: unknown) {
      if (errorCode(error) !== UNIQUE_VIOLATION) throw error
      throw new NameTakenError('There is already a node with this name or url', { cause: error })
    }
  }

  #insert(tx: Tx, name: string, url: string): Promise<NodeRow> {
    const row: Insertable<NodeTable> = { ...UNSEEN, ...urlColumns(url), name, enabled: 1 }
    return tx.insertInto('node').values(row).returningAll().executeTakeFirstOrThrow()
  }

  #revive(tx: Tx, known: NodeRow, url: string): Promise<NodeRow> {
    const values = { ...urlColumns(url), enabled: 1 }
    return tx.updateTable('node').set(values).where('id', '=', known.id).returningAll().executeTakeFirstOrThrow()
  }

  async #checkNameFree(tx: Tx, name: string): Promise<void> {
    const other = await tx.selectFrom('node').select('id').where('name', '=', name).executeTakeFirst()
    if (other !== undefined) throw new NameTakenError('There is already a node with this name')
  }

  async #checkUrlFree(tx: Tx, url: string, except: number | undefined): Promise<void> {
    const other = await tx
      .selectFrom('node')
      .select(['id', 'name'])
      .where('base_url', '=', baseUrl(url))
      .executeTakeFirst()
    if (other === undefined || other.id === except) return
    throw new NameTakenError(`There is already a node with this url: ${other.name}`)
  }
}

async function complete(db: Db, row: NodeRow): Promise<Node> {
  const machines = db.selectFrom('machine').selectAll().where('node_id', '=', row.id).orderBy('position')
  const copies = db.selectFrom('submission').select(countRows.as('inFlight')).where('node_id', '=', row.id)
  const { inFlight } = await copies.executeTakeFirstOrThrow()
  return toNode(row, { machines: (await machines.execute()).map(toMachine), inFlight })
}

async function replaceMachines(tx: Tx, id: number, machines: readonly Machine[]): Promise<void> {
  await tx.deleteFrom('machine').where('node_id', '=', id).execute()
  for (const [position, { name, platform, tags }] of machines.entries()) {
    const row = { node_id: id, position, name, platform, tags: JSON.stringify(tags) }
    await tx.insertInto('machine').values(row).execute()
  }
}

function toMachine(row: { readonly name: string; readonly platform: string; readonly tags: string }): Machine {
  return { name: row.name, platform: row.platform, tags: JSON.parse(row.tags) }
}

/** What is at another URL may be of another kind. */
function urlColumns(url: string): Pick<NodeRow, 'url' | 'base_url' | 'kind'> {
  return { url, base_url: baseUrl(url), kind: null }
}

function baseUrl(url: string): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`.replace(/\/+$/, '')
}
