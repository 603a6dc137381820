/** The Distributed Cuckoo API as its clients know it, on whichever database. Each test has a server of its own. */
import { testNodes } from './contract-nodes.js'
import { testResults } from './contract-results.js'
import { type MakeUrl, serveWith } from './contract-scene.js'
import { testTasks } from './contract-tasks.js'

export function testContract(makeUrl: MakeUrl): void {
  const serve = serveWith(makeUrl)
  testNodes(serve)
  testTasks(serve)
  testResults(serve)
}
