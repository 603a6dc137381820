/** What the server offers: the Distributed Cuckoo API, and Cuckoo's own. */
import { paths as cuckooPaths } from './cuckoo-api/paths.js'
import { cuckooRoutes } from './cuckoo-api/routes.js'
import { paths as distributedPaths } from './distributed-api/paths.js'
import { distributedRoutes } from './distributed-api/routes.js'
import type { Api } from './server/server.js'

export const apis: readonly Api[] = [
  { paths: distributedPaths, addRoutes: distributedRoutes },
  { paths: cuckooPaths, addRoutes: cuckooRoutes },
]
