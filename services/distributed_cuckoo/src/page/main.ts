/** The cluster on one page: bundled by scripts/generate.mjs, sent by the server. */
import { keepFresh, Session } from '@cuckoo-distributed/page/browser'
import { Cluster } from './cluster.js'
import { show } from './show.js'

const EVERY_MS = 5000

const session = new Session(draw)
const cluster = new Cluster(session, draw)
const refresh = keepFresh(session, () => cluster.load(), EVERY_MS)

function draw(): void {
  // The session may call before the lines above are done.
  queueMicrotask(() => show({ session, cluster, refresh }))
}
