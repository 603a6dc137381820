// report.js WAY URL: gets the wanted parts out of one report, in one of the ways of ways/.
import { tell } from '../usage.js'
import { loadWay } from '../ways/ways.js'

const [, , way = '', url = ''] = process.argv
const run = await loadWay(way)
tell(await run(url))
process.exit()
