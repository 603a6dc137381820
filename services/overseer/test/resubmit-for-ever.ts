// Puts the dumps of a directory back to work at a broker that never answers; to be killed.
import { resubmitDumps } from '../src/resubmit.js'
import { silentLog } from './support.js'

const publisher = { publish: () => new Promise<void>(resolve => setTimeout(resolve, 2 ** 31 - 1)) }
await resubmitDumps({ dir: process.argv[2] ?? '', publisher, log: silentLog }, new AbortController().signal)
