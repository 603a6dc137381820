// nothing.js: what every child costs before it has done anything.

import { openArchive } from '@cuckoo-distributed/archive'
import { HttpClient } from '@cuckoo-distributed/http'
import { tell } from '../usage.js'
import { download } from '../ways/download.js'

// Named, or the bundler would leave them out.
tell([HttpClient, openArchive, download].map(loaded => loaded.name))
