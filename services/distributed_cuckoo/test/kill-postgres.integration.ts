import { after, before, describe } from 'node:test'
import { testKills } from './kill-claims.js'
import { startPostgres, type TestPostgres } from './postgres.js'

describe('on PostgreSQL', () => {
  let server: TestPostgres
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.stop())

  testKills(() => server.createDatabase())
})
