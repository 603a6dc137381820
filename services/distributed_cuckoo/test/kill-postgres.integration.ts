/** What only PostgreSQL can get wrong under the whole server: many connections, and a lock that a killed process has held. */

import { after, before, describe } from 'node:test'
import { startPostgres, type TestPostgres } from '@cuckoo-distributed/testing'
import { testChaos } from './kill-claims.js'

describe('on PostgreSQL', () => {
  let server: TestPostgres
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.stop())

  testChaos(() => server.createDatabase(), { tasks: 100, kills: 2, outages: 3 })
})
