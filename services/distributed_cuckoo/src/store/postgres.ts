/** PostgreSQL, which may go away, or fall silent, at any moment. */
import { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { describeError, errorCode, type Logger, networkWords } from '@cuckoo-distributed/core'
import type { PostgresCursor, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { StoreFullError, StoreLostError } from './errors.js'
import { AskingAdapter } from './migrations/online.js'
import type { Tables } from './tables.js'

/** How long to wait for what, in milliseconds; 0 = for ever. */
export interface Limits {
  /** For a connection, new or out of the pool. */
  readonly connectMs: number
  /** For a statement, by the server's reckoning; ours is a second longer, for servers that do not answer at all. */
  readonly statementMs: number
  readonly connections: number
}

/** Together less than what a client may have to wait for an answer of ours. */
export const USUAL: Limits = { connectMs: 3000, statementMs: 4000, connections: 10 }
/** Migrations may take as long as they need. */
export const PATIENT: Limits = { connectMs: 10_000, statementMs: 0, connections: 1 }

const LOCK_MS = 3000
const GOODBYE_MS = 500
const FULL_FOR_MS = 10_000
/** A process that was stopped, or cut off, in the middle of a transaction holds up others for no longer. */
const IDLE_IN_TRANSACTION_MS = 3000
/** The server ends connections whose client is gone without a word (postgresql.org/docs/current/runtime-config-connection.html). */
const SERVER_SETTINGS = {
  tcp_user_timeout: 10_000,
  tcp_keepalives_idle: 5,
  tcp_keepalives_interval: 2,
  tcp_keepalives_count: 3,
}
/** All numbers of the model are safe integers, which the driver would return as text. */
const INT8 = 20

/**
 * Opens a pool; it connects with the first query. Queries reject with StoreLostError while the server is away, or silent. A connection
 * that was lost, or timed out, is never used again, and none that is as old.
 */
export function openPostgres(url: string, log: Logger, limits: Limits): Kysely<Tables> {
  const sockets = new Set<Socket>()
  const makeSocket = () => {
    const socket = new Socket()
    sockets.add(socket)
    return socket.once('close', () => sockets.delete(socket))
  }
  const pool = new pg.Pool({
    ...connectionOptions(url, limits),
    stream: makeSocket,
    max: limits.connections,
    types: { getTypeParser: (oid, format) => (oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) },
  })
  const born = new WeakMap<object, number>()
  let lostAt = Number.NEGATIVE_INFINITY
  let isAway = false
  const onLost = (error: unknown, bornAt: number) => {
    // The others of an outage that is known: they were all lost at the same time.
    if (bornAt <= lostAt) return
    lostAt = performance.now()
    if (!isAway && limits === USUAL) log.error({ err: error }, 'the database does not answer')
    isAway = true
  }
  // A full one answers what needs no new page: it has room when it takes what it refused, and has refused nothing for a while.
  const refused = new Set<string>()
  let refusedAt = Number.NEGATIVE_INFINITY
  const onFull = (error: unknown, sql: string) => {
    if (refused.size === 0 && limits === USUAL) log.error({ err: error }, 'the database has no room')
    refused.add(kindOf(sql))
    refusedAt = performance.now()
  }
  const onAnswer = (sql: string) => {
    if (isAway && limits === USUAL) log.warn('the database answers again')
    isAway = false
    if (!refused.has(kindOf(sql)) || performance.now() - refusedAt < FULL_FOR_MS) return
    if (limits === USUAL) log.warn('the database has room again')
    refused.clear()
  }
  // One that breaks in use rejects its query, and says so itself as well: unheard, that would end the process.
  pool.on('connect', client => {
    born.set(client, performance.now())
    client.on('error', error => log.debug({ err: error }, 'a connection broke in use'))
  })
  pool.on('error', error => log.debug({ err: error }, 'a connection to the database broke'))
  const connect = async (): Promise<PostgresPoolClient> => {
    for (;;) {
      const client = await pool.connect().catch((error: unknown) => {
        const seen = lostOr(error)
        if (seen instanceof StoreLostError) onLost(error, performance.now())
        throw seen
      })
      const bornAt = born.get(client) ?? 0
      if (bornAt > lostAt)
        return new LosableClient(client, { onLost: error => onLost(error, bornAt), onFull, onAnswer })
      client.release(true)
    }
  }
  const end = async () => {
    // A server that is silent does not say goodbye.
    const goodbye = setTimeout(() => sockets.forEach(socket => void socket.destroy()), GOODBYE_MS)
    await pool.end()
    clearTimeout(goodbye)
  }
  return new Kysely<Tables>({ dialect: new AskingDialect({ pool: { connect, end } }) })
}

class AskingDialect extends PostgresDialect {
  override createAdapter(): AskingAdapter {
    return new AskingAdapter()
  }
}

function connectionOptions(url: string, { connectMs, statementMs }: Limits): pg.ClientConfig {
  const isPatient = statementMs === 0
  return {
    connectionString: url,
    connectionTimeoutMillis: connectMs,
    ...(!isPatient && {
      query_timeout: statementMs + 1000,
      statement_timeout: statementMs,
      lock_timeout: LOCK_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    }),
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
    options: Object.entries(SERVER_SETTINGS)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
    application_name: 'distributed_cuckoo',
  }
}

interface Hooks {
  readonly onLost: (error: unknown) => void
  readonly onFull: (error: unknown, sql: string) => void
  readonly onAnswer: (sql: string) => void
}

type Releasable = PostgresPoolClient & { release(destroy?: boolean): void }

class LosableClient implements PostgresPoolClient {
  readonly #client: Releasable
  readonly #hooks: Hooks
  #lost: StoreLostError | undefined

  constructor(client: Releasable, hooks: Hooks) {
    this.#client = client
    this.#hooks = hooks
  }

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>
  query<R>(
    given: string | PostgresCursor<R>,
    parameters: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    return typeof given === 'string' ? this.#run(given, parameters) : this.#client.query(given)
  }

  async #run<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    // Whatever follows in a transaction would wait behind what is waited for in vain.
    if (this.#lost !== undefined) throw this.#lost
    try {
      const result = await this.#client.query<R>(sql, parameters)
      this.#hooks.onAnswer(sql)
      return result
    } catch (error: unknown) {
      const seen = lostOr(error, { isDoubtful: sql === COMMIT })
      if (seen instanceof StoreFullError) this.#hooks.onFull(error, sql)
      else if (seen instanceof StoreLostError && !isAnswer(error)) {
        this.#lost = seen
        this.#hooks.onLost(error)
      }
      throw seen
    }
  }

  release(): void {
    this.#client.release(this.#lost !== undefined)
  }
}

/** As the query builder writes it. */
const COMMIT = CompiledQuery.raw('commit').sql

/**
 * What the server says of itself when it stops, starts, takes no more connections, is a standby now, or is too slow: classes and codes
 * of postgresql.org/docs/current/errcodes-appendix.html.
 */
const SERVER_AWAY = /^(08|57P0|53300|57014|25006|25P03|55P03)/
/** The connection lives on: the statement took too long, or waited too long for a lock. */
const ANSWER = /^(57014|55P03)/

/** Insufficient resources, most often room; not one of them is too many connections. */
const FULL = /^53(?!300)/

/** What a statement does to which table. */
function kindOf(sql: string): string {
  return sql.split(' ', 3).join(' ')
}

function isAnswer(error: unknown): boolean {
  return error instanceof pg.DatabaseError && ANSWER.test(error.code ?? '')
}

function lostOr(error: unknown, { isDoubtful = false } = {}): unknown {
  if (error instanceof pg.DatabaseError && FULL.test(error.code ?? '')) {
    return new StoreFullError('the database has no room', { cause: error, isDoubtful: false })
  }
  const isLost = error instanceof pg.DatabaseError ? SERVER_AWAY.test(error.code ?? '') : !(error instanceof TypeError)
  return isLost ? new StoreLostError('the database does not answer', { cause: error, isDoubtful }) : error
}

/** What is wrong between us and the database, in words. Changes nothing in it. */
export async function postgresProblems(url: string): Promise<string[]> {
  const client = new pg.Client(connectionOptions(url, USUAL))
  client.on('error', () => undefined) // rejects what is awaited as well
  try {
    await client.connect()
    const answer = await client.query<{ may: boolean }>(
      "select has_schema_privilege(current_schema(), 'CREATE') as may",
    )
    return answer.rows[0]?.may === true ? [] : ['the user may not make tables in its schema (GRANT CREATE)']
  } catch (error: unknown) {
    const code = errorCode(error)
    return [`${networkWords(code, 'PostgreSQL') ?? WORDS[code] ?? 'it cannot be used'}: ${describeError(error)}`]
  } finally {
    await client.end().catch(() => undefined) // the connection has failed already
  }
}

/** postgresql.org/docs/current/errcodes-appendix.html */
const WORDS: Readonly<Record<string, string>> = {
  '28P01': 'the password is wrong',
  '28000': 'the user may not log in from here (pg_hba.conf)',
  '3D000': 'there is no such database',
  '42501': 'the user has no right to it',
}
