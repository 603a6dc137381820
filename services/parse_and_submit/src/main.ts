import { runService } from '@cuckoo-distributed/core'
import { parseAndSubmit } from './service.js'

await runService(parseAndSubmit)
