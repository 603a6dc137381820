/** What the server offers: the Distributed Cuckoo API, that of Cuckoo 2.0, and Cuckoo's own. */
import { paths as cuckooPaths } from './cuckoo-api/paths.js'
import { cuckooRoutes } from './cuckoo-api/routes.js'
import { paths as distributedPaths } from './distributed-api/paths.js'
import { distributedRoutes } from './distributed-api/routes.js'
import { envelope } from './later-api/envelope.js'
import { paths as laterPaths } from './later-api/paths.js'
import { laterRoutes } from './later-api/routes.js'
import type { Api } from './server/server.js'

export const apis: readonly Api[] = [
  { paths: distributedPaths, addRoutes: distributedRoutes },
  { paths: laterPaths, addRoutes: laterRoutes, errors: { below: '/api', shape: envelope } },
  { paths: cuckooPaths, addRoutes: cuckooRoutes },
]
