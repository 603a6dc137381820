/** PostgreSQL: one database, any number of processes, one of which schedules. */
import { describeError, errorCode, type Logger, ServiceError, toError } from '@cuckoo-distributed/core'
import { backOff, delay } from '@cuckoo-distributed/wait'
import { type DatabaseConnection, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { StoreLostError } from './errors.js'
import type { Leadership } from './store.js'
import type { Tables } from './tables.js'

const CONNECT_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 60_000
/** Of the advisory lock that the scheduling process holds; the two words "dist" and "lead" in ASCII. */
const LEADER_LOCK = [0x64697374, 0x6c656164] as const
const LOCK_RETRY_MS = 1_000
const MAX_LOCK_RETRY_MS = 5_000
const HEARTBEAT_MS = 5_000

/**
 * Opens a pool; it connects with the first query. A connection that breaks while idle is logged and replaced. Queries reject with
 * StoreLostError while the server is away.
 */
export function openPostgres(url: string, log: Logger): Kysely<Tables> {
  const pool = new pg.Pool({
    ...connectionOptions(url),
    max: 10,
    types: { getTypeParser: (oid, format) => (oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) },
  })
  // One that breaks in use rejects its query, and says so itself as well: unheard, that would end the process.
  pool.on('connect', client => client.on('error', error => log.debug({ err: error }, 'a connection broke in use')))
  pool.on('error', error => log.warn({ err: error }, 'a connection to the database broke'))
  const losable = { connect: () => pool.connect().catch(rethrow), end: () => pool.end() }
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool: losable, onCreateConnection: makeLosable }) })
}

async function makeLosable(connection: DatabaseConnection): Promise<void> {
  const execute = connection.executeQuery.bind(connection)
  connection.executeQuery = query => execute<never>(query).catch(rethrow)
}

/**
 * What the server says of itself when it stops, starts, takes no more connections, is a standby now, or is too slow: classes and codes
 * of postgresql.org/docs/current/errcodes-appendix.html.
 */
const SERVER_AWAY = /^(08|57P0|53300|57014|25006)/

function rethrow(error: unknown): never {
  const isLost = error instanceof pg.DatabaseError ? SERVER_AWAY.test(error.code ?? '') : !(error instanceof TypeError)
  throw isLost ? new StoreLostError('the database does not answer', { cause: error }) : error
}

/** All numbers of the model are safe integers, which the driver would return as text. */
const INT8 = 20

function connectionOptions(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'distributed_cuckoo',
  }
}

/** What is wrong between us and the database, in words. Changes nothing in it. */
export async function postgresProblems(url: string): Promise<string[]> {
  const client = new pg.Client(connectionOptions(url))
  client.on('error', () => undefined) // rejects what is awaited as well
  try {
    await client.connect()
    const answer = await client.query<{ may: boolean }>(
      "select has_schema_privilege(current_schema(), 'CREATE') as may",
    )
    return answer.rows[0]?.may === true ? [] : ['the user may not make tables in its schema (GRANT CREATE)']
  } catch (error: unknown) {
    const code = errorCode(toError(error))
    return [`${WORDS[code] ?? 'it cannot be used'}: ${describeError(error)}`]
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
  ECONNREFUSED: 'nobody listens there: wrong port, or PostgreSQL is not running',
  ENOTFOUND: 'there is no host of this name',
}

/** Waits for the lock, through outages of the database as well. Rejects with `signal.reason` only. */
export async function leadPostgres(url: string, log: Logger, signal: AbortSignal): Promise<Leadership> {
  const retry = backOff({ initialMs: LOCK_RETRY_MS, maxMs: MAX_LOCK_RETRY_MS })
  for (;;) {
    try {
      const leadership = await tryToLead(url)
      if (leadership !== undefined) return leadership
      retry.reset()
      await delay(LOCK_RETRY_MS, signal)
    } catch (error: unknown) {
      if (signal.aborted) throw signal.reason
      log.warn({ err: error }, 'the database does not answer; this process cannot become the one that schedules')
      await delay(retry.next(), signal)
    }
  }
}

async function tryToLead(url: string): Promise<Leadership | undefined> {
  const client = new pg.Client({ ...connectionOptions(url), query_timeout: HEARTBEAT_MS })
  const lost = new AbortController()
  const lose = (cause?: unknown) =>
    lost.abort(new ServiceError('LEADERSHIP_LOST', 'the lock of the scheduler is lost', { cause }))
  client.on('error', lose)
  client.on('end', () => lose())
  try {
    await client.connect()
    const answer = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1, $2) as held', [
      ...LEADER_LOCK,
    ])
    if (answer.rows[0]?.held !== true) {
      await client.end()
      return undefined
    }
  } catch (error: unknown) {
    await client.end()
    throw error
  }
  // A connection can be dead without a word; the server gives the lock to another then.
  const heartbeat = setInterval(() => {
    client.query('select 1').catch(lose)
  }, HEARTBEAT_MS)
  lost.signal.addEventListener('abort', () => clearInterval(heartbeat), { once: true })
  return {
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      clearInterval(heartbeat)
      await client.end()
    },
  }
}
