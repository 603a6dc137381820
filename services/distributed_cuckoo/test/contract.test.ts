/** The Distributed Cuckoo API as its clients know it. Each test has a server of its own. */
import { describe } from 'node:test'
import { testNodes } from './contract-nodes.js'
import { testResults } from './contract-results.js'
import { serveWith } from './contract-scene.js'
import { testTasks } from './contract-tasks.js'

describe('the API', () => {
  const serve = serveWith(async () => undefined)
  testNodes(serve)
  testTasks(serve)
  testResults(serve)
})
