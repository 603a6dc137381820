import { runService } from '@cuckoo-distributed/core'
import { feedCuckoo } from './service.js'

await runService(feedCuckoo)
