import { runService } from '@cuckoo-distributed/core'
import { checkResults } from './service.js'

await runService(checkResults)
