import { describe } from 'node:test'
import { testKills } from './kill-claims.js'

describe('on SQLite', () => testKills(async () => undefined))
