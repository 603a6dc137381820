import { runService } from '@cuckoo-distributed/core'
import { overseer } from './service.js'

await runService(overseer)
