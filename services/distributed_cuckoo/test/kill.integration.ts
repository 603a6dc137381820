import { describe } from 'node:test'
import { testChaos, testMoments } from './kill-claims.js'

describe('on SQLite', () => {
  testMoments(async () => undefined)
  testChaos(async () => undefined, { tasks: 250, kills: 4, outages: 6 })
})
