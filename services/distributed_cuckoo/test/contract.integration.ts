import { after, before, describe } from 'node:test'
import { testContract } from './contract-claims.js'
import { startPostgres, type TestPostgres } from './postgres.js'

describe('the API on PostgreSQL', () => {
  let server: TestPostgres
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.stop())

  testContract(() => server.createDatabase())
})
