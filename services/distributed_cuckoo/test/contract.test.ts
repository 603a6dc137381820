import { describe } from 'node:test'
import { testContract } from './contract-claims.js'

describe('the API on SQLite', () => {
  testContract(async () => undefined)
})
