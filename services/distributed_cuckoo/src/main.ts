import { runProcess } from '@cuckoo-distributed/core'
import { distributedCuckoo } from './service.js'

await runProcess(distributedCuckoo)
