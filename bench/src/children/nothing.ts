// nothing.js: what every child costs before it has done anything.
import '@cuckoo-distributed/http'
import '@cuckoo-distributed/report-scanner'
import '../ways/download.js'
import { tell } from '../usage.js'

tell(undefined)
