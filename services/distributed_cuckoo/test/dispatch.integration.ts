/** Everything that is promised of scheduling and of Cuckoo's own API, once more on PostgreSQL. */
import { after, before } from 'node:test'
import './cuckoo-api.test.js'
import './dispatch.test.js'
import { sceneDatabase } from './dispatch-scene.js'
import './node-faults.test.js'
import './node-uploads.test.js'
import { startPostgres, type TestPostgres } from './postgres.js'

let server: TestPostgres

before(async () => {
  server = await startPostgres()
  sceneDatabase.makeUrl = () => server.createDatabase()
})

after(() => server.stop())
