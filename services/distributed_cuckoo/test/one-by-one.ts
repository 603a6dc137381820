import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type DatabaseConnection, SqliteDialect } from 'kysely'

/**
 * Until the test ends, SQLite takes a turn of the event loop for each statement, and refuses another one meanwhile, as well as the end of
 * the transaction: it would not mind what is not awaited, but PostgreSQL would.
 */
export function oneByOne(t: TestContext): void {
  const { createDriver } = SqliteDialect.prototype
  t.mock.method(SqliteDialect.prototype, 'createDriver', function create(this: SqliteDialect) {
    const driver = createDriver.call(this)
    const acquire = driver.acquireConnection.bind(driver)
    return Object.assign(driver, { acquireConnection: async () => slow(await acquire()) })
  })
}

const known = new WeakSet<DatabaseConnection>()

function slow(connection: DatabaseConnection): DatabaseConnection {
  if (known.has(connection)) return connection
  known.add(connection)
  const execute = connection.executeQuery.bind(connection)
  let running: string | undefined
  return Object.assign(connection, {
    async executeQuery(query: Parameters<typeof execute>[0]) {
      if (running !== undefined) throw new Error(`${query.sql} while ${running} is under way`)
      running = query.sql
      try {
        await setImmediate()
        return await execute(query)
      } finally {
        running = undefined
      }
    },
  })
}
